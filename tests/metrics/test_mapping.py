"""Metric documents made from Oura's documents."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import ACTIVITY, READINESS, SLEEP

NOT_COUNTING = ("rest", "deleted")


def period(type="long_sleep", asleep=100, **values):
    return {"id": f"p-{type}-{asleep}", "type": type, "total_sleep_duration": asleep, **values}


def summary(**values):
    return {"id": "s", "day": "2026-03-01", "score": 80, "contributors": {}, **values}


def map_sleep(*periods, summaries=()):
    return SLEEP.map("2026-03-01", {"daily_sleep": list(summaries), "sleep": list(periods)})


@pytest.mark.parametrize(
    ("type", "duration"),
    [
        ("sleep", 130),
        ("late_nap", 130),
        ("rest", 100),
        ("deleted", 100),
        (None, 130),
        ("siesta", 130),
        ([], 130),
    ],
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


values = st.none() | st.integers(-5, 40_000) | st.sampled_from(["", "x", "12"]) | st.booleans()
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
    counting = [each for each in periods if each.get("type") not in NOT_COUNTING]
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


# Which period is the main one -------------------------------------------------------------------


@pytest.mark.parametrize("type", [None, "siesta"])
def test_unknown_type_competes_with_sleep_for_main_period(type):
    naps = [period("late_nap", 300, latency=1), period("sleep", 100, latency=2)]
    assert map_sleep(*naps, period(type, 200, latency=3))["latency"] == 3
    assert map_sleep(*naps, period(type, 50, latency=3))["latency"] == 2
    assert map_sleep(*naps, period(type, 200), period(asleep=10, latency=4))["latency"] == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"time_in_bed": 9, "id": "a"}, {"time_in_bed": 8, "id": "b"}),
        ({"id": "b"}, {"id": "a"}),
    ],
)
def test_equal_periods_are_ordered_by_time_in_bed_and_id(one, other):
    winner, loser = period(latency=1) | one, period(latency=2) | other
    assert map_sleep(winner, loser)["latency"] == map_sleep(loser, winner)["latency"] == 1


BAD_TOTALS = ["x", "28800", -1, True, 2**63, [], {}]


def test_period_with_null_total_is_main_only_without_others():
    without = period(asleep=None, time_in_bed=900, latency=1)
    assert map_sleep(without, period("late_nap", 5, latency=2))["latency"] == 2
    other = period("sleep", None, time_in_bed=80, latency=2)
    assert map_sleep(without, other)["latency"] == 1


@pytest.mark.parametrize("total", BAD_TOTALS)
@pytest.mark.parametrize("type", ["sleep", "late_nap", "siesta"])
def test_night_with_bad_total_stays_main_period(type, total):
    night, nap = period(asleep=total, efficiency=91), period(type, 1_800, efficiency=60)
    for row in (map_sleep(night, nap), map_sleep(nap, night)):
        assert (row["efficiency"], row["main_type"], row["duration"]) == (91, "long_sleep", total)


@pytest.mark.parametrize("total", BAD_TOTALS)
def test_bad_total_of_nap_costs_only_the_duration(total):
    night, nap = period(efficiency=91, time_in_bed=150), period("sleep", total, time_in_bed=20)
    row = map_sleep(nap, night)
    assert (row["efficiency"], row["main_type"], row["time_in_bed"]) == (91, "long_sleep", 170)
    assert row["duration"] == total


def test_night_with_good_total_is_longer_than_bad():
    bad, good = period(asleep="x", time_in_bed=900, latency=1), period(asleep=5, latency=2)
    assert map_sleep(bad, good)["latency"] == map_sleep(good, bad)["latency"] == 2


def test_period_without_total_is_set_aside_with_all_values():
    row = map_sleep(period(asleep=None, awake_time=10), period("sleep", 50, awake_time=1))
    assert (row["duration"], row["awake_time"]) == (50, 1)


def test_night_without_total_keeps_its_vital_signs():
    row = map_sleep(period(asleep=None, time_in_bed=900, average_hrv=45))
    assert (row["duration"], row["time_in_bed"], row["average_hrv"]) == (None, 900, 45)


@pytest.mark.parametrize("type", ["long_sleep", "siesta", None, 5])
def test_main_type_is_as_oura_has_it(type):
    assert map_sleep(period(type))["main_type"] == type


# Periods that overlap -----------------------------------------------------------------------------


def slept(id, start, end, asleep, type="sleep", **values):
    """A period between two moments, in minutes of the day."""
    times = {
        name: f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00+01:00"
        for name, minute in (("bedtime_start", start), ("bedtime_end", end))
    }
    return {"id": id, "type": type, "total_sleep_duration": asleep, **times, **values}


@pytest.mark.parametrize(
    ("periods", "duration"),
    [
        # The same night under two ids, one inside another, touching ones, a chain.
        ([(0, 400, 100), (0, 400, 90)], 100),
        ([(0, 400, 100), (50, 60, 5)], 100),
        ([(0, 400, 100), (400, 500, 50)], 150),
        ([(0, 100, 40), (90, 200, 50), (190, 300, 45)], 50),
        ([(0, 100, 60), (90, 200, 50), (190, 300, 45)], 105),
        ([(n * 10, n * 10 + 15, n) for n in range(1, 10)], 9 + 7 + 5 + 3 + 1),
        ([(n, 100 - n, 100 - n) for n in range(9)], 100),
        # An end that is not after the start.
        ([(0, 400, 100), (50, 50, 5), (60, 50, 7)], 112),
    ],
)
def test_each_second_of_sleep_counts_once(periods, duration):
    listed = [slept(str(n), *each) for n, each in enumerate(periods)]
    for order in (listed, listed[::-1], listed[1::2] + listed[::2]):
        assert map_sleep(*order)["duration"] == duration


def test_overlap_is_found_across_offsets():
    night = slept("a", 60, 420, 300)
    twin = night | {"id": "b", "total_sleep_duration": 200}
    twin["bedtime_start"] = "2026-02-28T21:30:00-03:00"
    twin["bedtime_end"] = "2026-03-01 03:00:00 -0300"
    assert map_sleep(night, twin)["duration"] == 300


@pytest.mark.parametrize("start", [None, "2026-03-01T01:00:00", "soon", 5, [], {}])
def test_period_without_valid_moments_overlaps_nothing(start):
    night = slept("a", 60, 420, 300)
    assert map_sleep(night, slept("b", 60, 420, 200) | {"bedtime_start": start})["duration"] == 500


def test_main_period_is_one_that_is_taken():
    longer, twin = slept("a", 0, 400, 300, "sleep"), slept("b", 0, 400, 200, "long_sleep")
    assert map_sleep(longer, twin)["main_type"] == "sleep"


def test_rest_hides_no_sleep_that_it_overlaps():
    rest, sleep = slept("a", 0, 400, 300, "rest"), slept("b", 0, 400, 200)
    assert map_sleep(rest, sleep)["duration"] == 200


minutes = st.integers(0, 1439)
slept_periods = st.lists(st.tuples(minutes, minutes, st.integers(0, 500)), max_size=9)


@given(slept_periods, st.randoms())
def test_taken_periods_never_overlap_in_any_order(periods, random):
    listed = [slept(str(n), *each) for n, each in enumerate(periods)]
    shuffled = random.sample(listed, len(listed))
    spans = sorted(SLEEP.spans_of({"sleep": listed}))
    assert spans == sorted(SLEEP.spans_of({"sleep": shuffled}))
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


# Several daily documents --------------------------------------------------------------------------

OF_ONE_DAY = [
    {"id": "z", "timestamp": "2026-03-01T08:00:00"},
    {"id": "x", "timestamp": 5},
    {"id": "a", "timestamp": "2026-03-01T08:00:00+01:00"},
    {"id": "b", "timestamp": "2026-03-01T06:30:00Z"},
    {"id": "c", "timestamp": "2026-03-01T07:00:00+00:00"},
]


@pytest.mark.parametrize("metric_type", [SLEEP, ACTIVITY, READINESS])
def test_newest_daily_document_of_day_is_used(metric_type):
    for order in (OF_ONE_DAY, OF_ONE_DAY[::-1]):
        row = metric_type.map("2026-03-01", {metric_type.collections[0]: order})
        assert row["id"] == row["source"][metric_type.collections[0]]["id"] == "c"


def test_without_timestamps_highest_id_is_used():
    documents = [{"id": "a"}, {"id": "b"}, {"id": 7}]
    assert READINESS.map("2026-03-01", {"daily_readiness": documents})["id"] == "b"


@pytest.mark.parametrize("metric_type", [SLEEP, ACTIVITY, READINESS])
@pytest.mark.parametrize(
    "same", [{"id": "a", "timestamp": "2026-03-01T08:00:00Z"}, {"id": "a"}, {"id": None}, {}]
)
def test_last_copy_of_daily_document_is_used(metric_type, same):
    copies = [{**same, "score": score} for score in (70, 80, 90)]
    assert metric_type.map("2026-03-01", {metric_type.collections[0]: copies})["score"] == 90


# What is missing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("periods", "missing"),
    [
        ([], "sleep"),
        ([period("rest"), period("deleted")], "sleep:rest"),
        ([period("rest"), period(None)], ""),
        ([period(asleep="x")], ""),
    ],
)
def test_missing_collection_tells_rest_from_nothing(periods, missing):
    row = map_sleep(*periods, summaries=[summary()])
    assert SLEEP.missing_collection(row, row["source"]) == missing


# Values of any kind -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["average_heart_rate", "average_hrv", "average_breath"])
def test_zero_is_no_vital_sign(field):
    assert map_sleep(period(**{field: 0}))[field] is None
    assert map_sleep(period(**{field: False}))[field] is False


def test_lowest_heart_rate_of_zero_is_null():
    assert map_sleep(period(lowest_heart_rate=0))["lowest_heart_rate"] is None


def test_negative_value_makes_one_sum_bad():
    row = map_sleep(period(awake_time=-1), period("sleep", 20, awake_time=5))
    assert (row["duration"], row["awake_time"]) == (120, -1)


def test_fractions_that_add_up_make_a_sum_bad():
    row = map_sleep(period(asleep=28_800.5), period("sleep", 3_600.5, awake_time=5))
    assert (row["duration"], row["awake_time"]) == (28_800.5, 5)


def test_whole_numbers_of_any_spelling_are_summed():
    assert map_sleep(period(asleep=45.0), period("sleep", 5))["duration"] == 50


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = ["id", "type", "timestamp", "contributors", "bedtime_start", "bedtime_end", "score"]
NAMES += ["total_sleep_duration", "time_in_bed", "latency", "ring_id", "high_activity_time"]
documents = st.lists(json_values | st.dictionaries(st.sampled_from(NAMES), json_values), max_size=4)


@given(documents, documents)
def test_documents_of_any_shape_never_raise(first, second):
    for metric_type in (SLEEP, ACTIVITY, READINESS):
        listed = dict(zip(metric_type.collections, (first, second), strict=False))
        row = metric_type.map("2026-03-01", listed)
        if row:
            metric_type.missing_collection(row, row["source"])
            metric_type.provenance_of(row["source"])
            metric_type.spans_of(row["source"])


@given(
    st.dictionaries(
        st.sampled_from(["score", "contributors", "steps", "high_activity_time"]), values
    )
)
def test_mapping_accepts_values_of_any_type(strange):
    document = {"id": "x", **strange}
    assert ACTIVITY.map("2026-03-01", {"daily_activity": [document]})["id"] == "x"
    assert READINESS.map("2026-03-01", {"daily_readiness": [document]})["id"] == "x"
