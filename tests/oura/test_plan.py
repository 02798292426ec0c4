"""What is asked for and why, given a ledger and the clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myhealth.days import FIRST_DAY, ONE_DAY, Days, merge
from oura.plan import WINDOW_DAYS, Known, Wish, plan, windows

NOW = datetime(2026, 10, 27, 12, tzinfo=UTC)
TODAY = NOW.date()
TOMORROW = TODAY + timedelta(1)
RECENT = Days(date(2026, 10, 14), TOMORROW)


def day(ago):
    return TODAY - timedelta(ago)


def at(ago, hours=0):
    return NOW - timedelta(days=ago, hours=hours)


def read(*ledger, **wish):
    """The days that are read in any case."""
    return merge(plan(ledger, Wish(**wish), NOW).read)


def sought(*ledger, **wish):
    return merge(plan(ledger, Wish(**wish), NOW).seek)


HELD = Known(date(2020, 1, 1), TODAY, "held", asked_at=at(0))
BEFORE = Known(FIRST_DAY, date(2019, 12, 31), "none", "before", at(0), times=1)


def held(start, end, asked_at=NOW):
    return Known(start, end, "held", asked_at=asked_at)


# What is asked at every run -----------------------------------------------------------------------


def test_the_last_fourteen_days_are_read_again():
    assert read(BEFORE, HELD) == [RECENT]


def test_after_a_pause_the_days_before_the_last_held_are_read_again():
    assert read(held(date(2020, 1, 1), day(37))) == [Days(day(50), TOMORROW)]


def test_a_day_held_of_tomorrow_moves_nothing():
    assert read(held(date(2020, 1, 1), TOMORROW)) == [RECENT]


def test_whoever_has_not_worn_the_ring_for_a_year_costs_one_window():
    assert windows(read(held(date(2020, 1, 1), day(365)))) == [RECENT]


@pytest.mark.parametrize("why", ["early", "late"])
def test_what_was_asked_too_early_is_asked_again(why):
    early = Known(day(60), day(50), "not_synced", why, at(50))
    assert Days(day(60), day(50)) in read(HELD, early)


def test_a_day_last_read_before_its_age_was_settled_is_read_again():
    assert read(held(day(20), day(20), at(19)), HELD) == [Days(day(20), day(20)), RECENT]


# What never was asked -----------------------------------------------------------------------------


def test_at_first_oura_is_asked_for_the_list_of_days():
    whole = Known(FIRST_DAY, TOMORROW, "not_asked")
    assert (read(whole), sought(whole)) == ([RECENT], [Days(FIRST_DAY, TOMORROW)])


def test_a_short_gap_that_was_never_asked_is_read_without_a_list():
    gap = Known(day(300), day(290), "not_asked")
    assert Days(day(300), day(290)) in read(HELD, gap)
    assert sought(HELD, gap) == []


# What failed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "no_permission", "rejected"])
def test_what_failed_is_asked_again_when_its_time_has_come(state):
    failed = Known(day(200), day(190), state, next_at=NOW)
    assert Days(day(200), day(190)) in read(HELD, failed)


@pytest.mark.parametrize("state", ["failed", "no_permission", "rejected"])
def test_what_failed_rests_until_then(state):
    failed = Known(day(200), day(190), state, next_at=NOW + timedelta(seconds=1))
    assert read(HELD, failed) == [RECENT]


# What Oura had nothing of -------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["none", "not_worn", "rejected"])
def test_a_gap_is_asked_for_once_more_at_the_next_run(state):
    gap = Known(day(40), day(38), state, asked_at=NOW, times=1)
    assert Days(day(40), day(38)) in read(HELD, gap)


def test_a_gap_asked_for_twice_rests_for_a_tenth_of_its_age():
    rested = Known(day(40), day(40), "none", asked_at=at(4), times=2)
    resting = Known(day(50), day(50), "none", asked_at=at(4), times=2)
    assert read(HELD, rested, resting) == [Days(day(40), day(40)), RECENT]


def test_gaps_of_long_ago_are_looked_for_in_ouras_list_all_at_once():
    due = Known(day(1000), day(1000), "none", asked_at=at(400), times=2)
    resting = Known(day(900), day(900), "none", asked_at=at(1), times=2)
    assert sought(HELD, due, resting) == [
        Days(day(1000), day(1000)),
        Days(day(900), day(900)),
    ]


def test_what_lies_before_the_first_day_is_not_asked_again():
    assert sought(BEFORE, HELD) == []


# Older days, again --------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "slack"), [(30, 7), (90, 22), (365, 91), (730, 182)])
def test_older_days_are_read_again_once_some_are_overdue(age, slack):
    last = age + slack
    old = held(day(last), day(age), at(5))
    unread = Known(day(last), day(age), "held", asked_at=at(last - age + 1))
    assert Days(day(last), day(age)) not in read(HELD, old)
    assert Days(day(last), day(age)) in read(HELD, unread)


def test_a_day_that_is_due_but_not_overdue_waits_for_others():
    assert read(HELD, held(day(35), day(35), at(20))) == [RECENT]


# Wishes -------------------------------------------------------------------------------------------


def test_the_days_that_are_wished_for_are_read_and_no_others():
    wished = Days(day(100), day(99))
    assert read(HELD, days=wished) == [wished]


def test_all_is_what_oura_lists_and_what_is_held():
    old = held(date(2012, 1, 1), date(2012, 2, 1))
    assert Days(date(2012, 1, 1), date(2012, 2, 1)) in read(old, HELD, everything=True)
    assert sought(old, HELD, everything=True) == [Days(FIRST_DAY, TOMORROW)]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("none", ""),
        ("none", "before"),
        ("not_worn", ""),
        ("not_synced", "waiting"),
        ("no_permission", ""),
        ("failed", ""),
        ("partial", "sleep"),
        ("rejected", ""),
        ("not_asked", ""),
    ],
)
def test_repair_asks_for_whatever_is_not_held_whenever_it_was_asked(state, why):
    lacking = Known(day(500), day(500), state, why, NOW, NOW + timedelta(days=1), times=9)
    asked = plan([HELD, lacking], Wish(repair=True), NOW)
    assert Days(day(500), day(500)) in merge([*asked.read, *asked.seek])


def test_repair_leaves_alone_what_is_held():
    assert (read(HELD, repair=True), sought(HELD, repair=True)) == ([RECENT], [])


# Windows ------------------------------------------------------------------------------------------

days = st.integers(0, 1500).map(lambda number: date(2020, 1, 1) + timedelta(number))
ranges = st.lists(
    st.builds(lambda start, n: Days(start, start + timedelta(n)), days, st.integers(0, 300)),
    max_size=8,
)


def days_in(found):
    return {day for days in found for day in days}


@settings(deadline=None)
@given(ranges)
def test_windows_hold_every_day_and_none_is_long(found):
    wide = windows(found)
    assert days_in(found) <= days_in(wide)
    assert all(len(each) <= WINDOW_DAYS for each in wide)
    assert all(one.end < other.start for one, other in pairwise(wide))


@settings(deadline=None)
@given(ranges)
def test_no_fewer_windows_could_hold_the_days(found):
    wanted, fewest = sorted(days_in(found)), 0
    while wanted:
        limit = wanted[0] + timedelta(WINDOW_DAYS)
        wanted = [each for each in wanted if each >= limit]
        fewest += 1
    assert len(windows(found)) == fewest


@settings(deadline=None)
@given(ranges)
def test_windows_begin_and_end_with_a_day_wanted(found):
    wanted = days_in(found)
    assert all(each.start in wanted and each.end in wanted for each in windows(found))


# A year of daily runs -----------------------------------------------------------------------------


class Reader:
    """Reads what is planned, day by day, of a history in which one day of fifty has nothing."""

    def __init__(self, years):
        self.clock = NOW
        self.first = TODAY - timedelta(365 * years)
        self.gaps = {self.first + timedelta(n) for n in range(0, 365 * (years + 2), 50)}
        self.asked = {}
        self.requests = 0

    def known(self, day):
        asked_at, times = self.asked.get(day, (None, 0))
        if asked_at is None:
            return Known(day, day, "not_asked")
        if day >= self.clock.date():
            return Known(day, day, "not_synced", "early", asked_at)
        state = "none" if day in self.gaps else "held"
        return Known(day, day, state, asked_at=asked_at, times=times)

    def ledger(self):
        days = Days(self.first, self.clock.date() + ONE_DAY)
        before = Known(FIRST_DAY, self.first - ONE_DAY, "none", "before", NOW, times=1)
        return [before, *map(self.known, days)]

    def read(self, found):
        for each in (day for days in found for day in days):
            self.asked[each] = (self.clock, self.asked.get(each, (None, 0))[1] + 1)

    def run(self):
        asked = plan(self.ledger(), Wish(), self.clock)
        wide, listed = windows(asked.read), merge(asked.seek)
        self.requests += len(wide) + bool(listed)
        self.read([*wide, *listed])
        self.clock += timedelta(days=1)


@pytest.mark.parametrize("years", [1, 10])
def test_a_daily_run_costs_little_more_than_one_request_whatever_the_history(years):
    reader = Reader(years)
    reader.read([Days(reader.first, TOMORROW)])
    for _ in range(60):
        reader.run()
    assert 60 <= reader.requests <= 72
