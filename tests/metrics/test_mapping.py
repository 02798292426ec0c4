"""Metric documents made from Oura's documents."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import ACTIVITY, READINESS, SLEEP

COUNTING = ("long_sleep", "sleep", "late_nap")


def period(type="long_sleep", asleep=100, **values):
    return {"id": f"p-{type}-{asleep}", "type": type, "total_sleep_duration": asleep, **values}


def summary(**values):
    return {"id": "s", "day": "2026-03-01", "score": 80, "contributors": {}, **values}


def map_sleep(*periods, summaries=()):
    return SLEEP.map("2026-03-01", {"daily_sleep": list(summaries), "sleep": list(periods)})


@pytest.mark.parametrize(
    ("type", "duration"),
    [("sleep", 130), ("late_nap", 130), ("rest", 100), ("deleted", 100), (None, 100)],
)
def test_only_counting_periods_are_summed(type, duration):
    assert map_sleep(period(), period(type, 30))["duration"] == duration


def test_main_period_is_longest_long_sleep_in_any_order():
    main = period(asleep=100, latency=7)
    assert map_sleep(period(asleep=50), main, period("sleep", 200))["latency"] == 7


def test_main_period_is_longest_sleep_without_long_sleep():
    assert (
        map_sleep(period("late_nap", 90), period("sleep", 30, latency=3), period("sleep", 20))[
            "latency"
        ]
        == 3
    )


def test_late_nap_alone_is_main_period():
    assert map_sleep(period("late_nap", 40, latency=5))["latency"] == 5


def test_row_without_summary_has_id_of_main_period():
    row = map_sleep(period(asleep=10), period(asleep=20))
    assert (row["id"], row["score"]) == ("p-long_sleep-20", None)


def test_summary_without_period_makes_row_without_durations():
    row = map_sleep(summaries=[summary()])
    assert (row["id"], row["score"], row["duration"]) == ("s", 80, None)


def test_rest_alone_makes_no_row():
    assert map_sleep(period("rest")) is None


def test_sentinels_are_nulls():
    row = map_sleep(
        period(lowest_heart_rate=255), summaries=[summary(contributors={"timing": 0, "latency": 5})]
    )
    assert row["lowest_heart_rate"] is None
    assert row["contributors"] == {"timing": None, "latency": 5}


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 0), (29, 0), (30, 1), (89, 1), (90, 2), (None, None), ("x", "x")]
)
def test_seconds_are_rounded_to_minutes(seconds, minutes):
    row = ACTIVITY.map("2026-03-01", {"daily_activity": [summary(high_activity_time=seconds)]})
    assert row["high_activity_minutes"] == minutes


def test_source_has_all_periods_counting_or_not():
    periods = [period(), period("deleted"), period("rest")]
    assert map_sleep(*periods, summaries=[summary()])["source"] == {
        "daily_sleep": summary(),
        "sleep": periods,
    }


def test_value_of_wrong_type_is_passed_on():
    assert map_sleep(period(), period("sleep", 20, awake_time="long"))["awake_time"] == "long"


@pytest.mark.parametrize("value", [1e300, -1e300, 2**63, float("inf")])
def test_too_large_number_is_passed_on(value):
    row = ACTIVITY.map("2026-03-01", {"daily_activity": [summary(high_activity_time=value)]})
    assert row["high_activity_minutes"] == value
    assert map_sleep(period(), period("sleep", 20, awake_time=value))["awake_time"] == value


def test_sum_of_many_large_numbers_fits_into_json():
    row = map_sleep(*[period(time_in_bed=2**31 - 1) for _ in range(5000)])
    assert orjson.loads(orjson.dumps(row))["time_in_bed"] == 5000 * (2**31 - 1)


def test_readiness_keeps_deviations():
    row = READINESS.map("2026-03-01", {"daily_readiness": [summary(temperature_deviation=-0.2)]})
    assert (row["temperature_deviation"], row["temperature_trend_deviation"]) == (-0.2, None)


values = st.none() | st.integers(0, 40_000) | st.sampled_from(["", "x", "12"]) | st.booleans()
periods = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["a", "b", "c", "d"])},
        optional={
            "type": st.sampled_from(["long_sleep", "sleep", "late_nap", "rest", "deleted", None]),
            "total_sleep_duration": st.none() | st.integers(0, 40_000),
            "time_in_bed": values,
            "latency": values,
        },
    ),
    max_size=6,
)


@given(periods)
def test_duration_is_sum_of_counting_periods_in_any_order(periods):
    row, reversed_row = map_sleep(*periods), map_sleep(*reversed(periods))
    counting = [each for each in periods if each.get("type") in COUNTING]
    durations = [
        each["total_sleep_duration"]
        for each in counting
        if each.get("total_sleep_duration") is not None
    ]
    assert (row is None) == (not counting)
    if row:
        assert (
            row["duration"] == reversed_row["duration"] == (sum(durations) if durations else None)
        )


@given(
    st.dictionaries(
        st.sampled_from(["score", "contributors", "steps", "high_activity_time"]), values
    )
)
def test_mapping_accepts_values_of_any_type(strange):
    document = {"id": "x", **strange}
    assert ACTIVITY.map("2026-03-01", {"daily_activity": [document]})["id"] == "x"
    assert READINESS.map("2026-03-01", {"daily_readiness": [document]})["id"] == "x"
