"""GET /api/v1/series/{name}."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingest.models import MetricSource
from ingest.upsert import delete_metrics
from metrics import all_series
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db
DAY = "2026-03-02"


def before(day):
    return date.fromisoformat(str(day)) - timedelta(days=1)


def store_night(user, day=DAY, items=(55.0, None, 57.0), offset="+01:00", at=None, **fields):
    """Store a night with heart rates from 23:50 of the day before on."""
    start = f"{before(day)}T23:50:00{offset}"
    night = {
        "id": f"p {day}",
        "type": "long_sleep",
        "bedtime_start": start,
        "bedtime_end": f"{day}T07:50:00{offset}",
        "total_sleep_duration": 25_000,
        "heart_rate": {"interval": 300.0, "items": list(items), "timestamp": start},
        **fields,
    }
    store_days(user, [day], at=at, source={"daily_sleep": None, "sleep": [night]})


def store_activity(user, day=DAY, mets=(0.9, 1.5, 4.0), **fields):
    start = f"{day}T04:00:00.000+01:00"
    met = {"interval": 60.0, "items": list(mets), "timestamp": start}
    document = {"timestamp": start, "met": met, **fields}
    store_days(user, [day], "activity", source={"daily_activity": document})


def get(api, name="night_heart_rate", start=DAY, end=DAY, **query):
    return api.get(f"series/{name}", start=start, end=end, **query)


def points(api, *args, **query):
    return get(api, *args, **query).json()["points"]


def test_raw_points_are_moments_with_values(ana, api):
    store_night(ana)
    assert get(api).json() == {
        "series": "night_heart_rate",
        "unit": "bpm",
        "every": "raw",
        "points": [["2026-03-01T23:50:00+01:00", 55.0], ["2026-03-02T00:00:00+01:00", 57.0]],
    }


def test_points_have_offset_of_their_document(ana, api):
    store_night(ana, offset="-05:30")
    assert points(api)[0][0] == "2026-03-01T23:50:00-05:30"


def test_night_belongs_to_day_on_which_it_ends(ana, api):
    store_night(ana)
    assert points(api, start="2026-03-01", end="2026-03-01") == []


def test_points_of_several_days_are_oldest_first(ana, api):
    for day in ("2026-03-03", "2026-03-01", DAY):
        store_night(ana, day)
    moments = [moment for moment, _ in points(api, start="2026-03-01", end="2026-03-03")]
    assert moments == sorted(moments)
    assert len(moments) == 6


def test_moments_that_overlap_between_days_are_oldest_first(ana, api):
    store_activity(ana, mets=[1] * 1500)
    store_activity(ana, "2026-03-03", mets=[2] * 10)
    moments = [moment for moment, _ in points(api, "met", end="2026-03-03")]
    assert moments == sorted(moments)


def test_sleep_stored_under_two_days_is_one(ana, api):
    store_night(ana)
    twin = MetricSource.objects.get(user=ana)
    twin.pk, twin.day = None, date(2026, 3, 3)
    twin.save()
    assert len(points(api, end="2026-03-03")) == 2


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("5m", [["23:50", 50, 50, 50, 1], ["23:55", 60, 60, 60, 1], ["00:00", 51, 51, 51, 1]]),
        ("15m", [["23:45", 50, 55, 60, 2], ["00:00", 51, 51, 51, 1]]),
        ("1h", [["23:00", 50, 55, 60, 2], ["00:00", 51, 51, 51, 1]]),
        ("1d", [["00:00", 50, 53.67, 60, 3]]),
    ],
)
def test_buckets_have_lowest_mean_highest_and_number(ana, api, every, expected):
    store_night(ana, items=[50, 60, 51])
    body = get(api, every=every).json()
    assert body["every"] == every
    assert [[each[0][11:16], *each[1:]] for each in body["points"]] == expected


def test_day_is_that_of_document_with_its_offset(ana, api):
    store_night(ana, offset="+05:45")
    assert points(api, every="1d")[0][0] == "2026-03-02T00:00:00+05:45"


def test_days_on_both_sides_of_the_date_line_are_two(ana, api):
    store_night(ana, offset="-11:00", items=[50])
    later = {"interval": 300, "items": [60], "timestamp": "2026-03-03T05:00:00+13:00"}
    store_night(ana, "2026-03-03", offset="+13:00", heart_rate=later)
    found = points(api, end="2026-03-03", every="1d")
    assert [[each[0][:10], each[1]] for each in found] == [["2026-03-02", 50], ["2026-03-03", 60]]


def test_bucket_without_values_is_absent(ana, api):
    store_night(ana, items=[50, None, None, None, 60])
    assert [each[0][11:16] for each in points(api, every="5m")] == ["23:50", "00:10"]


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("sleep_stage", {"sleep_phase_5_min": "1234"}, ["deep", "light", "rem", "awake"]),
        ("movement", {"movement_30_sec": "1234"}, [1, 2, 3, 4]),
    ],
)
def test_categories_of_night_are_read(ana, api, name, fields, expected):
    store_night(ana, **fields)
    assert [value for _, value in points(api, name)] == expected


def test_classes_and_mets_of_activity_are_read(ana, api):
    store_activity(ana, class_5_min="015")
    assert [value for _, value in points(api, "activity_class")] == [0, 1, 5]
    assert points(api, "met", every="1h") == [["2026-03-02T04:00:00+01:00", 0.9, 2.13, 4.0, 3]]


def test_other_peoples_series_are_hidden(ana, ben, api):
    store_night(ben)
    assert points(api) == []


def test_deleted_days_have_no_points(ana, api):
    store_night(ana)
    delete_metrics(ana.pk)
    assert points(api) == []


@pytest.mark.parametrize("content", [b"", b"\x00", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_damaged_documents_have_no_points(ana, api, content):
    store_night(ana)
    MetricSource.objects.update(content=content)
    assert points(api) == []


# Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "most"), [("raw", 31), ("5m", 31), ("15m", 92), ("1h", 366), ("1d", 99_999)]
)
def test_each_step_has_its_most_days(api, every, most):
    first, last = date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=most)
    assert get(api, start=first, end=last - timedelta(days=1), every=every).status_code == 200
    answer = get(api, start=first, end=last, every=every)
    if every == "1d":
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    [message] = answer.json()["errors"]["every"]
    assert f"at most {most} days, but start to end is {most + 1} days; expected fewer" in message


def test_any_days_may_be_asked_for(api):
    assert points(api, start="0001-01-01", end="9999-12-31", every="1d") == []


def test_default_is_raw_points_of_last_30_days(ana, api):
    store_night(ana, days_ago(29))
    store_night(ana, days_ago(30))
    body = api.get("series/night_heart_rate").json()
    assert (body["every"], len(body["points"])) == ("raw", 2)


@pytest.mark.parametrize("name", ["sleep_stage", "movement", "activity_class"])
def test_categories_have_only_raw(api, name):
    answer = get(api, name, every="1h")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"every": ["'1h' is not valid; expected one of raw."]}


@pytest.mark.parametrize("every", ["", "2h", "RAW", "1d ", "x" * 5000])
def test_unknown_step_is_an_error(api, every):
    [message] = get(api, every=every).json()["errors"]["every"]
    assert message.endswith("is not valid; expected one of raw, 5m, 15m, 1h, 1d.")
    assert len(message) < 150


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"start": "2026-02-30"}, "start"),
        ({"start": "2026-03-03", "end": DAY}, "start"),
        ({"fields": "x"}, "fields"),
    ],
)
def test_mistake_in_query_names_parameter(api, query, name):
    answer = get(api, **query)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


@pytest.mark.parametrize("name", ["heart", "SLEEP_STAGE", "met ", "%00", "x" * 400])
def test_unknown_series_is_not_found_with_names(api, name):
    answer = get(api, name)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"].endswith(f"expected one of {', '.join(all_series())}.")


def test_series_are_those_of_the_types():
    assert list(all_series()) == [
        "night_heart_rate",
        "night_hrv",
        "sleep_stage",
        "movement",
        "met",
        "activity_class",
    ]


# Repeated reads -----------------------------------------------------------------------------------


def test_etag_changes_with_documents_of_the_type(ana, api):
    store_night(ana, at=datetime.fromisoformat("2026-03-04T12:00:00Z"))
    etag = get(api).headers["ETag"]
    store_activity(ana)
    assert get(api, headers={"If-None-Match": etag}).status_code == 304
    store_night(ana, items=[70], at=datetime.fromisoformat("2026-03-05T12:00:00Z"))
    assert get(api, headers={"If-None-Match": etag}).status_code == 200
    assert [value for _, value in points(api)] == [70]


def test_etag_differs_by_series_days_and_step(api):
    answers = [get(api), get(api, "night_hrv"), get(api, end="2026-03-03"), get(api, every="1d")]
    assert len({answer.headers["ETag"] for answer in answers}) == 4
    assert {answer.headers["Cache-Control"] for answer in answers} == {"private, no-cache"}
    assert all("Authorization" in answer.headers["Vary"] for answer in answers)


@pytest.mark.parametrize(("count", "statements"), [(199, 1), (200, 2), (410, 3)])
def test_many_days_are_read_in_pieces(ana, api, count, statements):
    first = date(2024, 1, 1)
    store_night(ana, first)
    original = MetricSource.objects.get(user=ana)
    MetricSource.objects.bulk_create(
        MetricSource(
            user=ana,
            type="sleep",
            day=first + timedelta(days=n),
            content=original.content,
        )
        for n in range(1, count)
    )
    with CaptureQueriesContext(connection) as queries:
        get(api, start=first, end=days_ago(0), every="1d")
    reads = [each["sql"] for each in queries if "content" in each["sql"]]
    assert len(reads) == statements
