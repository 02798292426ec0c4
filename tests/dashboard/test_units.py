"""Values in the units, and times by the clock, that a person prefers."""

import threading
from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import charts
from dashboard.comparisons import compare, difference
from dashboard.templatetags.figures import number, with_unit
from metrics import ACTIVITY, READINESS, SLEEP
from metrics.base import MetricType
from metrics.columns import Column, Integer, Number
from metrics.measures import Measure
from myhealth import preferences
from myhealth.preferences import Preferences
from myhealth.states import Failure, FailureKind, OffSpan, RingOff

AMERICAN = Preferences("°F", "mi", 12, UTC)
KIND = Number(-100, 1e6)


def make_column(unit, **more):
    return Column("x", more.pop("kind", KIND), lambda day: None, "X", unit, **more)


def measure(metric_type, name):
    return Measure(metric_type, metric_type.column(name))


BODY = Measure(MetricType(), make_column("°C"))
DEVIATION = measure(READINESS, "temperature_deviation")
DISTANCE = measure(ACTIVITY, "equivalent_walking_distance")
BEDTIME = measure(SLEEP, "bedtime_start")


@pytest.fixture
def american():
    with preferences.use(AMERICAN):
        yield


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (36.6, make_column("°C"), "97.9 °F"),
        (-40, make_column("°C"), "−40.0 °F"),
        (0, make_column("°C", signed=True, decimals=2), "0.00 °F"),
        (0.125, make_column("°C", signed=True, decimals=2), "+0.23 °F"),
        (-0.5, make_column("°C", signed=True, decimals=2), "−0.90 °F"),
        (8412, make_column("m", kind=Integer()), "5.2 mi"),
        (2_000_000, make_column("m", kind=Integer()), "1,242.7 mi"),
        (8.412, make_column("km", decimals=2), "5.23 mi"),
        ("2026-03-01T23:05:00+05:30", SLEEP.column("bedtime_start"), "11:05 PM"),
        (71.6, make_column("bpm"), "71.6 bpm"),
        (26700, make_column("s"), "7 h 25 min"),
    ],
)
def test_value_is_shown_in_units_of_the_united_states(american, value, column, text):
    assert with_unit(value, column) == text


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (36.6, make_column("°C"), "36.6 °C"),
        (8412, make_column("m", kind=Integer()), "8.4 km"),
        (8.412, make_column("km", decimals=2), "8.41 km"),
        (1800, BEDTIME, "00:30"),
        (-1800, BEDTIME, "23:30"),
    ],
)
def test_value_is_shown_in_metric_units_by_default(value, column, text):
    assert with_unit(value, column) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (time(0, 0), "12:00 AM"),
        (time(0, 5), "12:05 AM"),
        (time(11, 59), "11:59 AM"),
        (time(12, 0), "12:00 PM"),
        (datetime(2026, 3, 1, 23, 5, 59), "11:05 PM"),
    ],
)
def test_clock_of_twelve_hours_begins_with_twelve(american, at, text):
    assert preferences.clock(at) == text


@pytest.mark.parametrize(("at", "text"), [(time(23), "11 PM"), (time(23, 30), "11:30 PM")])
def test_scale_of_twelve_hours_has_no_empty_minutes(american, at, text):
    assert preferences.short_clock(at) == text


@pytest.mark.parametrize(
    ("of", "value", "before", "words"),
    [
        (BODY, 37, 36, "1.8 °F more"),
        (DEVIATION, -0.5, 0.5, "1.80 °F less"),
        (DISTANCE, 8000, 6400, "1.0 mi more"),
        # 5.0 mi as well.
        (DISTANCE, 8000, 8060, "the same"),
        (BEDTIME, 1800, -1800, "1 h 00 min later"),
    ],
)
def test_difference_is_that_of_shown_values(american, of, value, before, words):
    assert difference(of, value, before) == words


def test_usual_range_is_in_shown_units(american):
    known = compare(DISTANCE, 12_000, [1609.344 * miles for miles in range(1, 30)])
    assert (known.text, known.range, known.words) == ("7.5 mi", "8.0–22.0", "below your usual")


def test_range_of_fahrenheit_has_a_dash_where_celsius_has_minus(american):
    assert compare(BODY, -5, [-5] * 20).range == "23.0"
    assert compare(BODY, -5, [-10, -5] * 20).range == "14.0–23.0"


temperatures = st.lists(st.floats(-30, 50), min_size=1)


@given(temperatures, st.sampled_from([BODY, DEVIATION]))
def test_every_temperature_lies_in_its_scale(values, of):
    with preferences.use(AMERICAN):
        scale = charts.scale_of(of, values)
        assert all(0 <= scale.y(value) <= charts.HEIGHT for value in values)


def lines(of, values):
    """Return the labels of a scale, and where each must be by its stored value."""
    scale = charts.scale_of(of, values)
    return scale, [(tick.label, tick.at) for tick in scale.ticks(lambda value: number(value, of))]


def test_lines_are_at_round_numbers_of_the_shown_unit(american):
    scale, found = lines(DISTANCE, [3000, 12_000])
    assert [label for label, _ in found] == ["0.0", "2.0", "4.0", "6.0"]
    assert [at for _, at in found] == [scale.y(miles * 1609.344) for miles in (0, 2, 4, 6)]


def test_lines_of_absolute_temperatures_are_round_in_fahrenheit(american):
    scale, found = lines(BODY, [35, 40])
    assert [label for label, _ in found] == ["96.0", "98.0", "100.0", "102.0", "104.0"]
    assert found[-1][1] == scale.y(40)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (Preferences(zone=UTC), "Tried once, on 1 March 2026 at 16:18."),
        (AMERICAN, "Tried once, on 1 March 2026 at 4:18 PM."),
        (Preferences(), "Tried once, on 2026-03-01 at 16:18 UTC."),
    ],
)
def test_reason_has_persons_clock_on_their_pages(wanted, text):
    at = datetime(2026, 3, 1, 16, 18, tzinfo=UTC)
    failure = Failure(FailureKind.FORBIDDEN, 403, "", None, 1, at)
    with preferences.use(wanted):
        assert text in failure.reason


def test_hours_of_the_night_are_by_persons_clock(american):
    assert "during the night (8:00 PM to 10:00 AM)" in RingOff(450, OffSpan.NIGHT).reason


def test_preferences_end_with_an_error():
    with pytest.raises(RuntimeError), preferences.use(AMERICAN):
        raise RuntimeError
    assert preferences.active() == Preferences()


def test_preferences_are_those_of_one_thread(american):
    found = []
    thread = threading.Thread(target=lambda: found.append(preferences.active()))
    thread.start()
    thread.join()
    assert found == [Preferences()]
