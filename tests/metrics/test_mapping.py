"""Oura's documents to ours."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import ACTIVITY, READINESS, SLEEP
from metrics.sleep import COUNTING


def period(type="long_sleep", asleep=100, **values):
    return {"id": f"p-{type}-{asleep}", "type": type, "total_sleep_duration": asleep, **values}


def summary(**values):
    return {"id": "s", "day": "2026-03-01", "score": 80, "contributors": {}, **values}


def sleep(*periods, summaries=()):
    return SLEEP.map("2026-03-01", {"daily_sleep": list(summaries), "sleep": list(periods)})


@pytest.mark.parametrize(
    ("type", "counts"),
    [("sleep", 130), ("late_nap", 130), ("rest", 100), ("deleted", 100), (None, 100)],
)
def test_only_counting_periods_are_summed(type, counts):
    assert sleep(period(), period(type, 30))["duration"] == counts


def test_the_main_period_is_the_longest_long_sleep_wherever_it_stands():
    main = period(asleep=100, latency=7)
    assert sleep(period(asleep=50), main, period("sleep", 200))["latency"] == 7


def test_without_a_long_sleep_the_longest_sleep_is_the_main_period():
    assert (
        sleep(period("late_nap", 90), period("sleep", 30, latency=3), period("sleep", 20))[
            "latency"
        ]
        == 3
    )


def test_a_late_nap_alone_is_the_main_period():
    assert sleep(period("late_nap", 40, latency=5))["latency"] == 5


def test_a_period_without_a_summary_gives_a_row_under_the_main_periods_id():
    row = sleep(period(asleep=10), period(asleep=20))
    assert (row["id"], row["score"]) == ("p-long_sleep-20", None)


def test_a_summary_without_a_period_gives_a_row_without_durations():
    row = sleep(summaries=[summary()])
    assert (row["id"], row["score"], row["duration"]) == ("s", 80, None)


def test_rest_alone_gives_no_row():
    assert sleep(period("rest")) is None


def test_sentinels_are_nulls():
    row = sleep(
        period(lowest_heart_rate=255), summaries=[summary(contributors={"timing": 0, "latency": 5})]
    )
    assert row["lowest_heart_rate"] is None
    assert row["contributors"] == {"timing": None, "latency": 5}


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 0), (29, 0), (30, 1), (89, 1), (90, 2), (None, None), ("x", "x")]
)
def test_seconds_become_the_nearest_whole_minute(seconds, minutes):
    row = ACTIVITY.map("2026-03-01", {"daily_activity": [summary(high_activity_time=seconds)]})
    assert row["high_activity_minutes"] == minutes


def test_the_source_holds_every_period_of_the_day_counting_or_not():
    periods = [period(), period("deleted"), period("rest")]
    assert sleep(*periods, summaries=[summary()])["source"] == {
        "daily_sleep": summary(),
        "sleep": periods,
    }


def test_a_value_of_a_wrong_kind_is_passed_on_for_the_processor_to_name():
    assert sleep(period(), period("sleep", 20, awake_time="long"))["awake_time"] == "long"


@pytest.mark.parametrize("value", [1e300, -1e300, 2**63, float("inf")])
def test_a_number_too_large_to_reckon_with_is_passed_on(value):
    row = ACTIVITY.map("2026-03-01", {"daily_activity": [summary(high_activity_time=value)]})
    assert row["high_activity_minutes"] == value
    assert sleep(period(), period("sleep", 20, awake_time=value))["awake_time"] == value


def test_the_sum_of_many_large_numbers_still_fits_into_json():
    row = sleep(*[period(time_in_bed=2**31 - 1) for _ in range(5000)])
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
def test_the_duration_is_the_sum_of_the_counting_periods_in_any_order(periods):
    row, reversed_row = sleep(*periods), sleep(*reversed(periods))
    counting = [each for each in periods if each.get("type") in COUNTING]
    known = [
        each["total_sleep_duration"]
        for each in counting
        if each.get("total_sleep_duration") is not None
    ]
    assert (row is None) == (not counting)
    if row:
        assert row["duration"] == reversed_row["duration"] == (sum(known) if known else None)


@given(
    st.dictionaries(
        st.sampled_from(["score", "contributors", "steps", "high_activity_time"]), values
    )
)
def test_mapping_never_fails_on_strange_values(strange):
    document = {"id": "x", **strange}
    assert ACTIVITY.map("2026-03-01", {"daily_activity": [document]})["id"] == "x"
    assert READINESS.map("2026-03-01", {"daily_readiness": [document]})["id"] == "x"
