"""Scales, ticks and paths of charts."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import charts
from myhealth.days import Days

numbers = st.floats(-1e6, 1e6)
units = st.sampled_from(["", "s", "min", "bpm"])


@given(st.lists(numbers, min_size=1), units, st.booleans())
def test_every_value_lies_in_the_scale(values, unit, from_zero):
    scale = charts.fit_scale(values, unit=unit, from_zero=from_zero)
    assert all(0 <= scale.y(value) <= charts.HEIGHT for value in values)


@given(st.lists(numbers, min_size=1), units)
def test_scale_has_up_to_five_lines_inside(values, unit):
    ticks = charts.fit_scale(values, unit=unit).ticks(str)
    assert 0 < len(ticks) <= 5
    assert all(0 <= tick.at <= charts.HEIGHT for tick in ticks)


def test_scale_covers_what_there_was_and_not_zero():
    assert charts.fit_scale([60, 90]).low > 50


def test_scale_of_counts_begins_at_zero():
    scale = charts.fit_scale([8000, 12_000], from_zero=True)
    assert (scale.low, scale.ticks(str)[0].label) == (0, "0.0")


@given(st.lists(st.floats(0, 1e6), min_size=1), units)
def test_scale_of_what_is_never_negative_has_no_negative_line(values, unit):
    assert charts.fit_scale(values, unit=unit).low >= 0


def test_small_differences_are_not_drawn_large():
    scale = charts.fit_scale([80, 81])
    assert scale.y(80) - scale.y(81) < 10


def test_lines_of_durations_are_whole_hours():
    assert charts.fit_scale([5 * 3600, 9.5 * 3600], unit="s").step == 3600


def test_value_beyond_the_scale_is_drawn_at_its_edge():
    scale = charts.fit_scale([60, 90])
    assert (scale.y_within(0), scale.y_within(1000)) == (100, 0)


def test_lone_point_of_a_line_is_a_point():
    assert charts.line([(3.5, 40.0)]) == "M3.5 40.0h0"


def test_line_goes_through_its_points():
    assert charts.line([(0.5, 10.0), (1.5, 20.0)]) == "M0.5 10L1.5 20"


def test_band_goes_there_and_back():
    assert charts.band([(0.5, 30.0, 10.0), (1.5, 40.0, 20.0)]) == "M0.5 30 1.5 40 1.5 20 0.5 10Z"


def test_weekends_are_saturday_and_sunday():
    # 2 March 2026 is a Monday.
    assert charts.weekends(Days(date(2026, 3, 1), date(2026, 3, 15))) == [(0, 1), (6, 2), (13, 2)]


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        (date(2026, 3, 1), date(2026, 3, 30), ["2 Mar", "9 Mar", "16 Mar", "23 Mar"]),
        (date(2026, 2, 20), date(2026, 5, 20), ["1 Mar", "15 Mar", "1 Apr", "15 Apr", "1 May"]),
        (date(2025, 11, 10), date(2026, 2, 20), ["15 Nov", "1 Dec", "15 Dec", "1 Jan"]),
        (date(2025, 9, 10), date(2026, 3, 20), ["Oct", "Nov", "Dec", "2026", "Feb", "Mar"]),
        (date(2020, 9, 10), date(2026, 3, 20), ["2021", "2022", "2023", "2024", "2025", "2026"]),
    ],
)
def test_labels_name_weeks_months_or_years(start, end, labels):
    found = [tick.label for tick in charts.day_ticks(Days(start, end), 1)]
    assert found[: len(labels)] == labels


def test_weeks_are_named_by_first_weekday():
    ticks = charts.day_ticks(Days(date(2026, 3, 3), date(2026, 3, 30)), 7)
    assert [tick.label for tick in ticks] == ["8 Mar", "15 Mar", "22 Mar", "29 Mar"]


def test_every_other_label_is_minor_where_there_are_many():
    ticks = charts.day_ticks(Days(date(2025, 1, 2), date(2026, 1, 1)), 1)
    assert [tick.minor for tick in ticks[:4]] == [False, True, False, True]
