"""Ranges of days compared with sets of dates, and parsed days with a pattern."""

import re
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myhealth.days import ONE_DAY, Days, from_days, intersect, merge, parse_day, shift, subtract

# Few days, so that ranges often meet, in the middle and at both ends of the calendar.
BASES = (date.min, date(2026, 2, 20), date.max - timedelta(40))
base = st.shared(st.sampled_from(BASES), key="base")
dates = st.builds(lambda base, n: base + n * ONE_DAY, base, st.integers(0, 40))
ranges = st.builds(lambda first, second: Days(min(first, second), max(first, second)), dates, dates)
lists = st.lists(ranges | dates.map(lambda day: Days(day, day)), max_size=6)


def days_in(ranges):
    return {day for days in ranges for day in days}


def is_merged(ranges):
    """Whether they are sorted, with at least one day between two of them."""
    return all(days.end + ONE_DAY < later.start for days, later in pairwise(ranges))


# One range ----------------------------------------------------------------------------------------


@given(ranges, dates)
def test_range_includes_start_and_end(days, day):
    every = [date.fromordinal(n) for n in range(days.start.toordinal(), days.end.toordinal() + 1)]
    assert list(days) == every
    assert len(days) == len(every)
    assert (day in days) == (day in every)


def test_range_is_never_empty():
    with pytest.raises(ValueError, match=r"\(2026-03-02\) is after its end \(2026-03-01\)"):
        Days(date(2026, 3, 2), date(2026, 3, 1))


def test_str_of_range_names_its_ends():
    assert str(Days(date(2026, 3, 1), date(2026, 3, 2))) == "2026-03-01 to 2026-03-02"


@given(ranges, ranges)
def test_ranges_overlap_if_they_share_a_day(days, other):
    assert days.overlaps(other) == bool(set(days) & set(other))


@given(ranges, dates, dates)
def test_clamped_keeps_days_within_bounds(days, first, last):
    clamped = days.clamped(first, last)
    assert set(clamped or ()) == {day for day in days if first <= day <= last}


@given(ranges)
def test_clamped_without_bounds_changes_nothing(days):
    assert days.clamped() == days


# Many ranges --------------------------------------------------------------------------------------


@given(lists)
def test_merge_keeps_all_days_in_fewest_ranges(days):
    merged = merge(days)
    assert days_in(merged) == days_in(days)
    assert is_merged(merged)


@given(st.sets(dates))
def test_from_days_returns_fewest_ranges(days):
    merged = from_days(days)
    assert days_in(merged) == days
    assert is_merged(merged)


@given(lists, lists)
def test_intersect_keeps_days_of_both(days, others):
    both = intersect(days, others)
    assert days_in(both) == days_in(days) & days_in(others)
    assert is_merged(both)


@given(lists, lists)
def test_subtract_removes_covered_days(days, covers):
    uncovered = subtract(days, covers)
    assert days_in(uncovered) == days_in(days) - days_in(covers)
    assert is_merged(uncovered)


# Single days --------------------------------------------------------------------------------------


@given(st.dates(), st.integers(-4_000_000, 4_000_000))
def test_shift_stops_at_ends_of_calendar(day, count):
    if count < (date.min - day).days:
        assert shift(day, count) == date.min
    elif count > (date.max - day).days:
        assert shift(day, count) == date.max
    else:
        assert shift(day, count) == day + timedelta(days=count)


@given(st.dates())
def test_parse_day_reverses_str(day):
    assert parse_day(str(day)) == day


def parse_with_pattern(text):
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None


similar = st.from_regex(r"\A[0-9]{3,5}-[0-9]{1,3}-[0-9]{1,2}[ Z]?\Z") | st.text(
    "0123-W ٣", max_size=11
)


@given(similar | st.text(max_size=11))
def test_parse_day_accepts_one_format_only(text):
    assert parse_day(text) == parse_with_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "20260301",
        "2026-W09-7",
        "2026-060",
        "2026-3-1",
        "2026-02-30",
        "2026-03-01T00:00",
        " 2026-03-01",
        "2026-03-01\n",
        "２０２６-03-01",
        "\ud800026-03-01",
        "0000-01-01",
        "",
    ],
)
def test_parse_day_returns_none_for_similar_texts(text):
    assert parse_day(text) is None


@pytest.mark.parametrize("value", [None, 20260301, 1.5, True, ["2026-03-01"], b"2026-03-01"])
def test_parse_day_returns_none_for_other_types(value):
    assert parse_day(value) is None
