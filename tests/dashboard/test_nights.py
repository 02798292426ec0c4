"""GET /api/v1/nights/{day}."""

from datetime import date, timedelta

import pytest

from ingest.models import MetricSource
from tests.worlds import fetch_completely, store_days

pytestmark = pytest.mark.django_db
DAY = "2026-03-02"
START, END = "2026-03-01T23:00:00+01:00", "2026-03-02T07:00:00+01:00"
NAP, NAP_END = "2026-03-02T14:00:00+01:00", "2026-03-02T15:00:00+01:00"
FIGURES = ["time_in_bed", "total_sleep_duration", "deep_sleep_duration", "light_sleep_duration"]
FIGURES += ["rem_sleep_duration", "awake_time", "latency", "efficiency", "average_heart_rate"]
FIGURES += ["lowest_heart_rate", "average_hrv", "average_breath"]


def period(id="night", type="long_sleep", start=START, end=END, **fields):
    times = {"bedtime_start": start, "bedtime_end": end}
    return {"id": id, "type": type, **times, "total_sleep_duration": 25_000, **fields}


def nap(id="nap", type="sleep", **fields):
    return period(id, type, NAP, NAP_END, **{"total_sleep_duration": 3000, **fields})


def store_night(user, *periods, day=DAY, **columns):
    source = {"daily_sleep": None, "sleep": list(periods)}
    store_days(user, [day], source=source, **columns)


def get(api, day=DAY):
    return api.get(f"nights/{day}").json()


def test_period_has_figures_and_series(ana, api):
    sample = {"interval": 300.0, "items": [55.0, None, 57.0], "timestamp": START}
    figures = dict(zip(FIGURES, range(10, 22), strict=True))
    store_night(
        ana,
        period(
            **{name: value for name, value in figures.items() if name != "total_sleep_duration"},
            heart_rate=sample,
            hrv={**sample, "items": [40.0]},
            movement_30_sec="13",
            sleep_phase_5_min="4" + "2" * 95,
        ),
    )
    [only] = get(api)["periods"]
    assert only == {
        "id": "night",
        "type": "long_sleep",
        "bedtime_start": START,
        "bedtime_end": END,
        "counts": True,
        "why_not_counted": None,
        "main": True,
        **figures,
        "total_sleep_duration": 25_000,
        "stages": [[START, "awake"], ["2026-03-01T23:05:00+01:00", "light"]],
        "heart_rate": [[START, 55.0], ["2026-03-01T23:10:00+01:00", 57.0]],
        "hrv": [[START, 40.0]],
        "movement": [[START, 1], ["2026-03-01T23:00:30+01:00", 3]],
    }


def test_period_without_anything_has_nulls(ana, api):
    store_night(ana, {"type": "long_sleep"})
    [only] = get(api)["periods"]
    assert only == {
        **dict.fromkeys(["id", "bedtime_start", "bedtime_end", *FIGURES]),
        **dict.fromkeys(["stages", "heart_rate", "hrv", "movement"], []),
        "type": "long_sleep",
        "counts": True,
        "why_not_counted": None,
        "main": True,
    }


def test_sentinels_and_impossible_values_are_null(ana, api):
    store_night(ana, period(lowest_heart_rate=255, average_hrv=0, efficiency=101, latency="5"))
    [only] = get(api)["periods"]
    names = ("lowest_heart_rate", "average_hrv", "efficiency", "latency")
    assert [only[name] for name in names] == [None] * 4


def test_main_period_is_first_then_by_start(ana, api):
    early = period("early", "rest", "2026-03-01T21:00:00+01:00", "2026-03-01T21:30:00+01:00")
    store_night(ana, nap(), early, period())
    assert [(each["id"], each["counts"], each["main"]) for each in get(api)["periods"]] == [
        ("night", True, True),
        ("early", False, False),
        ("nap", True, False),
    ]


def test_reason_for_not_counting_is_said(ana, api):
    store_night(ana, period(), period("twin", total_sleep_duration=24_000), nap("rest", "rest"))
    reasons = [each["why_not_counted"] for each in get(api)["periods"]]
    assert reasons == [None, "overlaps another period", "resting, not asleep"]


def test_night_reported_twice_counts_once(ana, api):
    store_night(ana, period("twin", total_sleep_duration=24_000), period())
    found = [(each["id"], each["counts"]) for each in get(api)["periods"]]
    assert found == [("night", True), ("twin", False)]


def test_of_very_many_periods_those_that_count_are_kept(ana, api):
    rests = [nap(f"rest {number}", "rest") for number in range(2000)]
    store_night(ana, *rests, nap("nap"), period())
    body = get(api)
    assert [each["id"] for each in body["periods"] if each["counts"]] == ["night", "nap"]
    assert (len(body["periods"]), body["periods_left_out"]) == (24, 1978)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("44" + "2" * 94, [["23:00", "awake"], ["23:10", "light"]]),
        ("4?2" + "2" * 93, [["23:00", "awake"], ["23:05", None], ["23:10", "light"]]),
        ("?2" + "2" * 94, [["23:05", "light"]]),
        ("42", [["23:00", "awake"], ["23:05", "light"], ["23:10", None]]),
        ("2" * 95, [["23:00", "light"], ["06:55", None]]),
        ("????", []),
    ],
)
def test_stages_are_changes_and_null_where_unknown(ana, api, text, expected):
    store_night(ana, period(sleep_phase_5_min=text))
    [only] = get(api)["periods"]
    assert [[moment[11:16], stage] for moment, stage in only["stages"]] == expected


def test_rounding_at_the_end_is_no_gap(ana, api):
    end = "2026-03-02T07:00:20+01:00"
    store_night(ana, period(end=end, sleep_phase_30_sec="2" * 960))
    assert [stage for _, stage in get(api)["periods"][0]["stages"]] == ["light"]


def test_series_of_another_year_are_left_out(ana, api):
    sample = {"interval": 300, "items": [55], "timestamp": "9998-03-01T23:00:00+01:00"}
    store_night(ana, period(heart_rate=sample))
    assert get(api)["periods"][0]["heart_rate"] == []


def test_day_without_row_has_no_periods(ana, api):
    assert get(api) == {
        "day": DAY,
        "previous": None,
        "next": None,
        "coverage": {
            "state": "not_asked",
            "reason": "myhealth has not asked Oura yet.",
        },
        "periods": [],
        "periods_left_out": 0,
    }


def test_previous_and_next_are_days_with_row(ana, ben, api):
    for day in ("2026-02-01", "2026-02-20", "2026-03-09", "2026-03-20"):
        store_days(ana, [day])
    store_days(ben, ["2026-03-01", "2026-03-03"])
    body = get(api)
    assert (body["previous"], body["next"]) == ("2026-02-20", "2026-03-09")


def test_night_has_state_and_reason(ana, api):
    store_days(ana, [DAY])
    assert get(api)["coverage"] == {"state": "held", "reason": None}
    fetch_completely(ana, "2026-03-03", "2026-03-03", ["sleep"])
    assert get(api, "2026-03-03")["coverage"]["state"] == "not_synced"


def test_other_peoples_nights_are_hidden(ana, ben, api):
    store_night(ben, period())
    assert get(api)["periods"] == []


@pytest.mark.parametrize("source", [None, {}, {"sleep": {}}, {"sleep": [None, 5, "x", []]}])
def test_row_with_odd_documents_has_no_periods(ana, api, source):
    store_days(ana, [DAY], source=source)
    assert get(api)["periods"] == []


def test_damaged_documents_have_no_periods(ana, api):
    store_night(ana, period())
    MetricSource.objects.update(content=b"\x00")
    assert get(api)["periods"] == []


@pytest.mark.parametrize("day", ["2026-02-30", "today", "20260302", "x" * 400])
def test_invalid_day_is_an_error(api, day):
    answer = api.get(f"nights/{day}")
    assert answer.status_code == 400
    assert "expected YYYY-MM-DD" in answer.json()["errors"]["day"][0]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_any_valid_day_is_accepted(api, day):
    assert get(api, day)["periods"] == []


def test_etag_changes_with_the_night_or_day(ana, api):
    store_night(ana, period())
    etag = api.get(f"nights/{DAY}").headers["ETag"]
    assert api.get(f"nights/{DAY}", headers={"If-None-Match": etag}).status_code == 304
    assert api.get("nights/2026-03-03").headers["ETag"] != etag
    store_night(ana, nap(), day=str(date.fromisoformat(DAY) + timedelta(days=9)))
    assert api.get(f"nights/{DAY}", headers={"If-None-Match": etag}).status_code == 200
