"""The series inside a day's documents."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import SLEEP, all_series
from metrics.series import Run, add_to_buckets, bucket_of_day
from metrics.sleep import period_columns

DAY = date(2026, 3, 2)
START, END = "2026-03-01T23:00:00+01:00", "2026-03-02T07:00:00+01:00"
MORNING = "2026-03-02T04:00:00.000+01:00"

NO_INTERVALS: list[object] = [0, -300, None, "300", True, 1e-9, 1e300, []]
NO_TIMESTAMPS: list[object] = [None, 7, "soon", "2026-03-01T23:00:00", "9999-12-31T23:59:59-12:00"]
# Other years than the day's.
NO_TIMESTAMPS += ["9998-03-01T23:00:00+01:00", "2025-03-01T23:00:00+01:00"]


def sample(items, interval=300.0, timestamp=START):
    return {"items": items, "interval": interval, "timestamp": timestamp}


def period(**fields):
    night = {"id": "p", "type": "long_sleep", "bedtime_start": START, "bedtime_end": END}
    return {**night, "total_sleep_duration": 25_000, **fields}


def points(name, source, day=DAY):
    runs = all_series()[name][1].runs(source, day)
    return [point for run in runs for point in run.points()]


def of_night(name, *periods):
    return points(name, {"daily_sleep": None, "sleep": list(periods)})


def of_activity(name, **fields):
    return points(name, {"daily_activity": {"timestamp": MORNING, **fields}})


def at(text, seconds=0):
    return datetime.fromisoformat(text) + timedelta(seconds=seconds)


def values(found):
    return [value for _, value in found]


# Samples ------------------------------------------------------------------------------------------


def test_items_follow_in_steps_with_ouras_offset():
    found = of_night("night_heart_rate", period(heart_rate=sample([55.0, None, 57])))
    assert found == [(at(START), 55.0), (at(START, 600), 57)]
    assert {moment.utcoffset() for moment, _ in found} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    "item", [None, 0, 0.0, 255, -1, True, "55", [55], {}, 1e300, 2**70, "", "NaN"]
)
def test_item_that_is_no_heart_rate_is_gap(item):
    found = of_night("night_heart_rate", period(heart_rate=sample([55, item, 56])))
    assert found == [(at(START), 55), (at(START, 600), 56)]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "55",
        {},
        sample(None),
        sample({"0": 55}),
        sample("55"),
        sample([]),
        sample([None, 0]),
        *(sample([55], interval=each) for each in NO_INTERVALS),
        *(sample([55], timestamp=each) for each in NO_TIMESTAMPS),
    ],
)
def test_sample_that_is_none_has_no_points(broken):
    assert of_night("night_heart_rate", period(heart_rate=broken)) == []


def test_items_end_with_the_night():
    found = of_night("night_heart_rate", period(heart_rate=sample([55] * 5000)))
    assert (len(found), found[-1][0]) == (97, at(END))


def test_endless_items_without_end_are_left_out():
    endless = period(bedtime_end=None, heart_rate=sample([55] * 100_000, interval=1))
    assert of_night("night_heart_rate", endless) == []


def test_hrv_is_read_like_heart_rate():
    assert of_night("night_hrv", period(hrv=sample([48, 0, 50]))) == [
        (at(START), 48),
        (at(START, 600), 50),
    ]


def test_met_has_one_point_each_minute():
    found = of_activity("met", met=sample([0.9, None, 3.5], 60.0, MORNING))
    assert found == [(at(MORNING), 0.9), (at(MORNING, 120), 3.5)]


# Texts --------------------------------------------------------------------------------------------


def test_stages_are_named():
    found = of_night("sleep_stage", period(sleep_phase_30_sec="1234" * 240))
    assert found[:4] == [
        (at(START), "deep"),
        (at(START, 30), "light"),
        (at(START, 60), "rem"),
        (at(START, 90), "awake"),
    ]
    assert len(found) == 960


@pytest.mark.parametrize("fine", [None, "", 5, ["1"], "1" * 96, "xyz" * 320, "1" * 2000])
def test_stages_of_five_minutes_replace_those_that_do_not_fit(fine):
    found = of_night(
        "sleep_stage", period(sleep_phase_30_sec=fine, sleep_phase_5_min="2" * 95 + "4")
    )
    assert found[-1] == (at(END, -300), "awake")
    assert len(found) == 96


@pytest.mark.parametrize("length", [950, 960, 965])
def test_finer_stages_are_used_if_they_fit(length):
    text = "3" * length
    found = of_night("sleep_stage", period(sleep_phase_30_sec=text, sleep_phase_5_min="2" * 96))
    assert set(values(found)) == {"rem"}


def test_stages_end_with_the_night():
    found = of_night("sleep_stage", period(sleep_phase_5_min="2" * 400))
    assert (len(found), found[-1][0]) == (96, at(END, -300))


def test_unknown_character_is_gap():
    found = of_night("sleep_stage", period(sleep_phase_5_min="1?0٣4"))
    assert found == [(at(START), "deep"), (at(START, 1200), "awake")]


@pytest.mark.parametrize("start", [None, "", 5, "23:00", "9999-12-31T23:00:00+00:00"])
def test_stages_without_start_have_no_points(start):
    assert of_night("sleep_stage", period(bedtime_start=start, sleep_phase_5_min="1234")) == []


def test_movement_is_number_for_each_30_seconds():
    found = of_night("movement", period(movement_30_sec="1x4"))
    assert found == [(at(START), 1), (at(START, 60), 4)]


def test_classes_begin_with_the_document():
    found = of_activity("activity_class", class_5_min="05-9")
    assert found == [(at(MORNING), 0), (at(MORNING, 300), 5)]


def test_more_classes_than_any_day_has_are_left_out():
    assert len(of_activity("activity_class", class_5_min="2" * 600)) == 600
    assert of_activity("activity_class", class_5_min="2" * 601) == []


# Periods ------------------------------------------------------------------------------------------


def nap(**fields):
    start, end = "2026-03-02T14:00:00+01:00", "2026-03-02T15:00:00+01:00"
    defaults = {"id": "n", "type": "sleep", "bedtime_start": start, "bedtime_end": end}
    heart_rate = sample([60], timestamp=start)
    return period(**defaults, total_sleep_duration=3000, heart_rate=heart_rate) | fields


def test_naps_count_and_are_in_order():
    night = period(heart_rate=sample([55]))
    assert values(of_night("night_heart_rate", nap(), night)) == [55, 60]


@pytest.mark.parametrize("kind", ["rest", "deleted"])
def test_periods_that_do_not_count_have_no_points(kind):
    night = period(heart_rate=sample([55]))
    assert values(of_night("night_heart_rate", nap(type=kind), night)) == [55]


def test_night_reported_twice_has_points_once():
    twin = period(id="twin", total_sleep_duration=24_000, heart_rate=sample([70, 70]))
    night = period(heart_rate=sample([55, 56]))
    assert values(of_night("night_heart_rate", twin, night)) == [55, 56]


def test_sample_reported_twice_without_bedtimes_counts_once():
    unknown = {"bedtime_start": None, "bedtime_end": None}
    shifted = sample([70, 71], timestamp="2026-03-01T23:00:10+01:00")
    night = period(**unknown, heart_rate=sample([55, 56]))
    twin = period(id="q", **unknown, total_sleep_duration=20_000, heart_rate=shifted)
    assert values(of_night("night_heart_rate", night, twin)) == [55, 56]


def test_nap_right_after_night_keeps_its_points():
    later = nap(bedtime_start=END, bedtime_end="2026-03-02T08:00:00+01:00")
    later["heart_rate"] = sample([60], timestamp=END)
    night = period(heart_rate=sample([55] * 97))
    assert len(of_night("night_heart_rate", later, night)) == 98


@pytest.mark.parametrize("source", [None, [], 5, "x", {}, {"sleep": {}}, {"sleep": [None, [], 5]}])
def test_source_that_is_no_object_has_no_points(source):
    for name in all_series():
        assert points(name, source) == []


# Whatever a document holds ------------------------------------------------------------------------

FIELDS = ["id", "type", "total_sleep_duration", "time_in_bed", "bedtime_start", "bedtime_end"]
FIELDS += ["timestamp", "interval", "items", "heart_rate", "hrv", "met", "class_5_min"]
FIELDS += ["movement_30_sec", "sleep_phase_30_sec", "sleep_phase_5_min", "average_heart_rate"]
MOMENTS = [START, END, MORNING, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.text("012345", max_size=30),
    st.sampled_from(MOMENTS),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=len(FIELDS))
    ),
    max_leaves=40,
)
PERIODS = st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON), max_size=4)


@given(JSON, PERIODS, JSON)
def test_any_documents_have_ordered_points_near_their_day(anything, periods, activity):
    for source in (anything, {"sleep": periods, "daily_activity": activity}):
        for name in all_series():
            found = points(name, source)
            moments = [moment for moment, _ in found]
            assert moments == sorted(moments)
            assert all(abs((moment.date() - DAY).days) < 6 for moment in moments)


@given(PERIODS)
def test_any_periods_are_all_listed_with_one_main(periods):
    found = SLEEP.periods_of({"sleep": periods})
    assert len(found) == len(periods)
    assert sum(each.is_main for each in found) == any(each.counts for each in found)
    assert all(each.values.keys() == period_columns().keys() for each in found)


# Buckets ------------------------------------------------------------------------------------------


def buckets_of(seconds, *runs):
    found = {}
    for run in runs:
        add_to_buckets(found, run, seconds)
    return {start.isoformat(): bucket.figures for start, bucket in found.items()}


def test_bucket_has_lowest_mean_highest_and_number():
    run = Run(at("2026-03-02T10:55:00+01:00"), 120, [1, None, 4, 2, 9])
    assert buckets_of(3600, run) == {
        "2026-03-02T10:00:00+01:00": (1, 2.5, 4, 2),
        "2026-03-02T11:00:00+01:00": (2, 5.5, 9, 2),
    }


def test_buckets_follow_the_documents_own_clock():
    run = Run(at("2026-03-02T23:50:00+05:45"), 300, [1, 2, 3])
    assert buckets_of(3600, run) == {
        "2026-03-02T23:00:00+05:45": (1, 1.5, 2, 2),
        "2026-03-03T00:00:00+05:45": (3, 3, 3, 1),
    }


def test_buckets_of_two_runs_are_joined():
    runs = [Run(at("2026-03-02T10:00:00+01:00"), 60, [1, 5]), Run(at(MORNING), 60, [3])]
    later = Run(at("2026-03-02T09:30:00+00:00"), 60, [6])
    assert buckets_of(3600, *runs, later)["2026-03-02T10:00:00+01:00"] == (1, 4, 6, 3)


def test_steps_longer_than_bucket_have_buckets_of_one():
    run = Run(at("2026-03-02T10:00:00+01:00"), 1000.5, [1, 2, 3])
    assert [each[-1] for each in buckets_of(300, run).values()] == [1, 1, 1]


def test_bucket_of_day_has_all_runs_of_it():
    runs = [Run(at(START), 3600, [50, 60]), Run(at("2026-03-02T14:00:00+01:00"), 60, [None, 70])]
    [(start, bucket)] = bucket_of_day(runs, DAY).items()
    assert (start.isoformat(), bucket.figures) == ("2026-03-02T00:00:00+01:00", (50, 60, 70, 3))
    assert bucket_of_day([], DAY) == {}


# Periods in full ----------------------------------------------------------------------------------


def test_main_period_comes_first_then_by_start():
    rest = nap(id="r", type="rest", bedtime_start="2026-03-01T20:00:00+01:00")
    found = SLEEP.periods_of({"sleep": [nap(), period(), rest]})
    assert [(each.id, each.counts, each.is_main) for each in found] == [
        ("p", True, True),
        ("r", False, False),
        ("n", True, False),
    ]


def test_period_has_values_as_columns_hold_them():
    [found] = SLEEP.periods_of(
        {
            "sleep": [
                period(
                    time_in_bed=28_800.0,
                    latency=12.5,
                    efficiency=101,
                    average_heart_rate=55,
                    lowest_heart_rate=255,
                    average_hrv=0,
                    average_breath="14",
                    awake_time=True,
                    bedtime_end="2026-03-02 07:00:00.000+0100",
                )
            ]
        }
    )
    assert {name: value for name, value in found.values.items() if value is not None} == {
        "type": "long_sleep",
        "bedtime_start": START,
        "bedtime_end": "2026-03-02T07:00:00.000+01:00",
        "time_in_bed": 28_800,
        "total_sleep_duration": 25_000,
        "average_heart_rate": 55.0,
    }


def test_each_period_has_its_own_values():
    found = SLEEP.periods_of({"sleep": [period(latency=100), nap(latency=200)]})
    assert [each.values["latency"] for each in found] == [100, 200]


def test_description_names_values():
    assert all_series()["activity_class"][1].description == (
        "Oura's activity class for each five minutes: 0: ring off; 1: rest; 2: inactive; "
        "3: low activity; 4: medium activity; 5: high activity."
    )
    assert all_series()["night_hrv"][1].description == "HRV (rMSSD) during sleep (ms)."
