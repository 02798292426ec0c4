"""Ranges of days against sets of dates, and the text of a day against a pattern."""

import re
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myhealth.days import ONE_DAY, Days, from_days, intersect, merge, parse_day, shift, subtract

# Few days, so that ranges meet often; at the ends of the calendar and in the middle of it.
BASES = (date.min, date(2026, 2, 20), date.max - timedelta(40))
base = st.shared(st.sampled_from(BASES), key="base")
dates = st.builds(lambda base, n: base + n * ONE_DAY, base, st.integers(0, 40))
ranges = st.builds(lambda one, other: Days(min(one, other), max(one, other)), dates, dates)
lists = st.lists(ranges | dates.map(lambda day: Days(day, day)), max_size=6)


def days_in(found):
    return {day for days in found for day in days}


def is_merged(found):
    """Oldest first, with at least one day between two of them."""
    return all(one.end + ONE_DAY < other.start for one, other in pairwise(found))


# One range ----------------------------------------------------------------------------------------


@given(ranges, dates)
def test_a_range_has_the_days_from_start_to_end(days, day):
    every = [date.fromordinal(n) for n in range(days.start.toordinal(), days.end.toordinal() + 1)]
    assert list(days) == every
    assert len(days) == len(every)
    assert (day in days) == (day in every)


def test_a_range_is_never_empty():
    with pytest.raises(ValueError, match="starts on 2026-03-02, after its end, 2026-03-01"):
        Days(date(2026, 3, 2), date(2026, 3, 1))


def test_a_range_is_told_by_its_ends():
    assert str(Days(date(2026, 3, 1), date(2026, 3, 2))) == "2026-03-01 to 2026-03-02"


@given(ranges, ranges)
def test_ranges_overlap_that_share_a_day(one, other):
    assert one.overlaps(other) == bool(set(one) & set(other))


@given(ranges, dates, dates)
def test_clamping_keeps_the_days_between_the_bounds(days, first, last):
    clamped = days.clamped(first, last)
    assert set(clamped or ()) == {day for day in days if first <= day <= last}


@given(ranges)
def test_without_bounds_clamping_changes_nothing(days):
    assert days.clamped() == days


# Many ranges --------------------------------------------------------------------------------------


@given(lists)
def test_merging_keeps_all_days_in_fewest_ranges(found):
    merged = merge(found)
    assert days_in(merged) == days_in(found)
    assert is_merged(merged)


@given(st.sets(dates))
def test_single_days_become_the_fewest_ranges(days):
    found = from_days(days)
    assert days_in(found) == days
    assert is_merged(found)


@given(lists, lists)
def test_an_intersection_has_the_days_of_both(found, others):
    both = intersect(found, others)
    assert days_in(both) == days_in(found) & days_in(others)
    assert is_merged(both)


@given(lists, lists)
def test_subtracting_leaves_the_days_of_no_cover(found, covers):
    left = subtract(found, covers)
    assert days_in(left) == days_in(found) - days_in(covers)
    assert is_merged(left)


# Single days --------------------------------------------------------------------------------------


@given(st.dates(), st.integers(-4_000_000, 4_000_000))
def test_a_shifted_day_stops_where_the_calendar_does(day, count):
    if count < (date.min - day).days:
        assert shift(day, count) == date.min
    elif count > (date.max - day).days:
        assert shift(day, count) == date.max
    else:
        assert shift(day, count) == day + timedelta(days=count)


@given(st.dates())
def test_a_day_is_parsed_as_it_is_written(day):
    assert parse_day(str(day)) == day


def reference(text):
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None


nearly = st.from_regex(r"\A[0-9]{3,5}-[0-9]{1,3}-[0-9]{1,2}[ Z]?\Z") | st.text(
    "0123-W ٣", max_size=11
)


@given(nearly | st.text(max_size=11))
def test_text_of_any_other_form_is_no_day(text):
    assert parse_day(text) == reference(text)


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
def test_what_only_resembles_a_day_is_none(text):
    assert parse_day(text) is None


@pytest.mark.parametrize("value", [None, 20260301, 1.5, True, ["2026-03-01"], b"2026-03-01"])
def test_what_is_no_text_is_no_day(value):
    assert parse_day(value) is None
