"""Which days are planned, given a ledger, the options and the time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myhealth.days import FIRST_DAY, ONE_DAY, Days, merge
from myhealth.states import State
from oura.plan import (
    WINDOW_DAYS,
    CollectOptions,
    Failing,
    LedgerRange,
    make_plan,
    request_ranges,
    windows,
)
from tests.scale import scaled

NOW = datetime(2026, 10, 27, 12, tzinfo=UTC)
TODAY = NOW.date()
TOMORROW = TODAY + timedelta(1)
RECENT = Days(date(2026, 10, 14), TOMORROW)


def day(ago):
    return TODAY - timedelta(ago)


def at(ago, hours=0):
    return NOW - timedelta(days=ago, hours=hours)


def fetched(*ledger, **options):
    """The days that are always fetched."""
    return merge(make_plan(ledger, CollectOptions(**options), NOW).always)


def searched(*ledger, **options):
    """The days that are fetched if Oura lists them."""
    return merge(make_plan(ledger, CollectOptions(**options), NOW).if_listed)


STORED = LedgerRange(date(2020, 1, 1), TODAY, State.HELD, asked_at=at(0))
BEFORE = LedgerRange(FIRST_DAY, date(2019, 12, 31), State.NONE, "before", at(0), times=1)


def stored(start, end, asked_at=NOW):
    return LedgerRange(start, end, State.HELD, asked_at=asked_at)


# As it is shown ----------------------------------------------------------------------------------


def shown(*ledger, **options):
    """Each shown range with its reason: those that are fetched, and those that may be."""
    plan = make_plan(ledger, CollectOptions(**options), NOW)
    return [
        [(str(each), each.reason) for each in ranges]
        for ranges in (plan.by_reason, plan.by_reason_if_listed)
    ]


def test_day_inside_the_last_fourteen_is_shown_once():
    early = [
        LedgerRange(day(-1), day(-1), State.NOT_ASKED),
        LedgerRange(day(5), day(5), State.NONE),
    ]
    assert shown(BEFORE, STORED, *early, repair=True)[0] == [(str(RECENT), "the last 14 days")]


def test_days_of_one_reason_are_shown_as_one_range():
    empty = [LedgerRange(day(ago), day(ago), State.NOT_ASKED) for ago in (40, 39, 38)]
    assert shown(BEFORE, *empty)[0][1:] == [(f"{day(40)} to {day(38)}", "never fetched")]


def test_every_day_is_shown_once_with_its_first_reason():
    fetched, searched = shown(BEFORE, STORED, everything=True)
    assert fetched == [
        (str(RECENT), "the last 14 days"),
        (f"2020-01-01 to {day(14)}", "stored"),
    ]
    assert searched == [(f"{FIRST_DAY} to 2019-12-31", "the whole history")]


# Fetched at every run -----------------------------------------------------------------------------


def test_last_fourteen_days_are_always_fetched():
    assert fetched(BEFORE, STORED) == [RECENT]


def test_pause_is_fetched_by_one_more_request():
    pause = LedgerRange(day(100), TODAY, State.NOT_ASKED)
    planned = fetched(stored(date(2020, 1, 1), day(101), at(101)), pause)
    assert request_ranges(planned, TODAY) == [RECENT, Days(day(13 + WINDOW_DAYS), day(14))]


def test_stored_day_of_tomorrow_changes_nothing():
    assert fetched(stored(date(2020, 1, 1), TOMORROW)) == [RECENT]


def test_year_without_ring_needs_one_window():
    assert windows(fetched(stored(date(2020, 1, 1), day(365)))) == [RECENT]


@pytest.mark.parametrize("why", ["early", "late"])
def test_days_fetched_too_early_are_fetched_again(why):
    early = LedgerRange(day(60), day(50), State.NOT_SYNCED, why, at(50))
    assert Days(day(60), day(50)) in fetched(STORED, early)


def test_day_fetched_before_it_was_final_is_fetched_again():
    assert fetched(stored(day(20), day(20), at(19)), STORED) == [Days(day(20), day(20)), RECENT]


# Never fetched ------------------------------------------------------------------------------------


def test_first_run_fetches_the_list_of_days():
    history = LedgerRange(FIRST_DAY, TOMORROW, State.NOT_ASKED)
    assert (fetched(history), searched(history)) == ([RECENT], [Days(FIRST_DAY, day(14))])


def test_short_gap_is_fetched_without_a_list():
    gap = LedgerRange(day(300), day(290), State.NOT_ASKED)
    assert Days(day(300), day(290)) in fetched(STORED, gap)
    assert searched(STORED, gap) == []


# Failed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "no_permission", "rejected"])
def test_failed_days_are_fetched_again_when_due(state):
    failed = LedgerRange(day(200), day(190), State(state), next_at=NOW)
    assert Days(day(200), day(190)) in fetched(STORED, failed)


@pytest.mark.parametrize("state", ["failed", "no_permission", "rejected"])
def test_failed_days_are_not_fetched_before_they_are_due(state):
    failed = LedgerRange(day(200), day(190), State(state), next_at=NOW + timedelta(seconds=1))
    assert fetched(STORED, failed) == [RECENT]


FAILING = Failing("unavailable", 500, "sleep", False)


def bad(number, next_at=NOW, **changes):
    """A day that Oura failed for."""
    values = {"next_at": next_at, "failing": FAILING, **changes}
    return LedgerRange(day(number), day(number), State.FAILED, **values)


def test_single_failed_day_is_fetched_apart():
    plan = make_plan([STORED, bad(200)], CollectOptions(), NOW)
    assert [(each.start, each.end) for each in plan.apart] == [(day(200), day(200))]
    assert merge(plan.always) == [RECENT]


def test_recent_failed_day_is_left_out_until_it_is_due():
    plan = make_plan([STORED, bad(5, at(-1))], CollectOptions(), NOW)
    assert ([each.start for each in plan.bad], plan.apart) == ([day(5)], ())


@pytest.mark.parametrize("number", [0, 1])
def test_failed_newest_days_are_fetched_at_every_run(number):
    plan = make_plan([STORED, bad(number, at(-1))], CollectOptions(), NOW)
    assert (plan.bad, merge(plan.always)) == ((), [RECENT])


def test_more_failed_days_together_are_no_bad_days():
    failed = [bad(number, at(-1)) for number in range(3, 11)]
    assert make_plan([STORED, *failed], CollectOptions(), NOW).bad == ()


def test_failed_permission_is_no_bad_day():
    refused = bad(5, failing=Failing("forbidden", 403, "sleep", False))
    assert make_plan([STORED, refused], CollectOptions(), NOW).bad == ()


def test_repair_fetches_failed_days_apart_at_once():
    plan = make_plan([STORED, bad(200, at(-1))], CollectOptions(repair=True), NOW)
    assert [each.start for each in plan.apart] == [day(200)]


def test_long_failed_history_is_searched_in_the_list():
    failed = LedgerRange(FIRST_DAY, day(14), State.FAILED, next_at=NOW, failing=FAILING)
    assert searched(failed) == [Days(FIRST_DAY, day(14))]


# Oura had nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["none", "not_worn", "rejected"])
def test_gap_is_fetched_again_at_the_next_run(state):
    gap = LedgerRange(day(40), day(38), State(state), asked_at=NOW, times=1)
    assert searched(STORED, gap) == [Days(day(40), day(38))]


@pytest.mark.parametrize("times", [1, 2])
def test_days_before_a_gap_that_waits_are_fetched_with_it(times):
    gap = LedgerRange(day(40), TODAY, State.NOT_SYNCED, "waiting", at(5), times=times)
    plan = make_plan([stored(day(300), day(41)), gap], CollectOptions(), NOW)
    assert merge([*plan.always, *plan.if_listed]) == [Days(day(54), TOMORROW)]


def test_gap_fetched_twice_waits_a_tenth_of_its_age():
    due = LedgerRange(day(40), day(40), State.NONE, asked_at=at(4), times=2)
    waiting = LedgerRange(day(50), day(50), State.NONE, asked_at=at(4), times=2)
    assert fetched(STORED, due, waiting) == [Days(day(40), day(40)), RECENT]


def test_old_gaps_are_searched_in_one_list():
    due = LedgerRange(day(1000), day(1000), State.NONE, asked_at=at(400), times=2)
    waiting = LedgerRange(day(900), day(900), State.NONE, asked_at=at(1), times=2)
    assert searched(STORED, due, waiting) == [
        Days(day(1000), day(1000)),
        Days(day(900), day(900)),
    ]


def test_days_before_the_first_day_are_not_fetched_again():
    assert searched(BEFORE, STORED) == []


# Older days ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "slack"), [(30, 7), (90, 22), (365, 91)])
def test_older_days_are_fetched_again_once_some_are_overdue(age, slack):
    last = age + slack
    old = stored(day(last), day(age), at(5))
    unread = LedgerRange(day(last), day(age), State.HELD, asked_at=at(last - age + 1))
    assert Days(day(last), day(age)) not in fetched(STORED, old)
    assert Days(day(last), day(age)) in fetched(STORED, unread)


def test_due_day_waits_until_one_is_overdue():
    assert fetched(STORED, stored(day(35), day(35), at(20))) == [RECENT]


def one_batch_a_day(*ledger):
    """What is fetched beside the last 14 days, today and tomorrow, in as many requests."""
    found = []
    for days_later in range(2):
        now = NOW + timedelta(days_later)
        always = make_plan(ledger, CollectOptions(), now).always
        older = [days for days in request_ranges(always, now.date()) if days.end < day(20)]
        assert len(older) == 1
        found += older
    return sorted(found)


def test_days_of_several_windows_are_fetched_one_a_day():
    far = LedgerRange(day(900), day(800), State.HELD, asked_at=at(800))
    near = LedgerRange(day(40), day(30), State.NONE, asked_at=at(20), times=2)
    assert one_batch_a_day(far, near) == [Days(day(900), day(800)), Days(day(40), day(30))]


def test_due_days_are_fetched_with_what_never_was():
    unread = LedgerRange(day(150), day(140), State.HELD, asked_at=at(139))
    never = LedgerRange(day(135), day(130), State.NOT_ASKED)
    planned = fetched(unread, never)
    assert request_ranges(planned, TODAY) == [RECENT, Days(day(150), day(130))]


def test_stored_days_wait_for_their_turn_after_a_failure():
    failed = LedgerRange(day(500), day(365), State.HELD, asked_at=at(300), next_at=at(-1))
    assert fetched(STORED, failed) == [RECENT]
    due = LedgerRange(day(500), day(400), State.HELD, asked_at=at(300), next_at=NOW)
    assert Days(day(500), day(400)) in fetched(STORED, due)


# Requests -----------------------------------------------------------------------------------------


def test_last_fourteen_days_are_a_request_of_their_own():
    assert request_ranges([Days(day(60), TOMORROW)], TODAY) == [RECENT, Days(day(60), day(14))]


def test_requests_are_newest_first():
    wanted = [Days(day(400), day(390)), Days(day(20), day(15))]
    assert request_ranges(wanted, TODAY) == wanted[::-1]


# Options ------------------------------------------------------------------------------------------


def test_only_requested_days_are_fetched():
    requested = Days(day(100), day(99))
    assert fetched(STORED, days=requested) == [requested]


def test_everything_is_stored_and_listed_days():
    old = stored(date(2012, 1, 1), date(2012, 2, 1))
    assert Days(date(2012, 1, 1), date(2012, 2, 1)) in fetched(old, STORED, everything=True)
    assert searched(old, STORED, everything=True) == [Days(FIRST_DAY, TOMORROW)]


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
def test_repair_fetches_all_missing_days(state, why):
    missing = LedgerRange(
        day(500), day(500), State(state), why, NOW, NOW + timedelta(days=1), times=9
    )
    planned = make_plan([STORED, missing], CollectOptions(repair=True), NOW)
    assert Days(day(500), day(500)) in planned.days


def test_repair_fetches_no_stored_days():
    assert (fetched(STORED, repair=True), searched(STORED, repair=True)) == ([RECENT], [])


# Windows ------------------------------------------------------------------------------------------

days = st.integers(0, 1500).map(lambda number: date(2020, 1, 1) + timedelta(number))
ranges = st.lists(
    st.builds(lambda start, n: Days(start, start + timedelta(n)), days, st.integers(0, 300)),
    max_size=8,
)


def days_in(ranges):
    return {day for days in ranges for day in days}


@given(ranges)
def test_windows_cover_every_day_and_are_short(wanted_ranges):
    result = windows(wanted_ranges)
    assert days_in(wanted_ranges) <= days_in(result)
    assert all(len(window) <= WINDOW_DAYS for window in result)
    assert all(window.end < following.start for window, following in pairwise(result))


@given(ranges)
def test_windows_are_the_fewest_possible(wanted_ranges):
    wanted, fewest = sorted(days_in(wanted_ranges)), 0
    while wanted:
        limit = wanted[0] + timedelta(WINDOW_DAYS)
        wanted = [day for day in wanted if day >= limit]
        fewest += 1
    assert len(windows(wanted_ranges)) == fewest


@given(ranges)
def test_windows_start_and_end_with_a_wanted_day(wanted_ranges):
    wanted = days_in(wanted_ranges)
    assert all(window.start in wanted and window.end in wanted for window in windows(wanted_ranges))


# A year of daily runs -----------------------------------------------------------------------------


class Simulation:
    """Daily runs over a history in which Oura has nothing on one day of fifty."""

    def __init__(self, years):
        self.now = NOW
        self.first = TODAY - timedelta(365 * years)
        self.gaps = {self.first + timedelta(n) for n in range(0, 365 * (years + 2), 50)}
        # By day: when it was last fetched, and how often.
        self.fetches = {}
        self.requests = 0

    def ledger(self):
        days = Days(self.first, self.now.date() + ONE_DAY)
        before = LedgerRange(FIRST_DAY, self.first - ONE_DAY, State.NONE, "before", NOW, times=1)
        return [before, *map(self.state_of, days)]

    def state_of(self, day):
        asked_at, times = self.fetches.get(day, (None, 0))
        if asked_at is None:
            return LedgerRange(day, day, State.NOT_ASKED)
        if day >= self.now.date():
            return LedgerRange(day, day, State.NOT_SYNCED, "early", asked_at)
        state = "none" if day in self.gaps else "held"
        return LedgerRange(day, day, State(state), asked_at=asked_at, times=times)

    def fetch(self, ranges):
        for day in (day for days in ranges for day in days):
            self.fetches[day] = (self.now, self.fetches.get(day, (None, 0))[1] + 1)

    def run(self):
        plan = make_plan(self.ledger(), CollectOptions(), self.now)
        fetched, listed = request_ranges(plan.always, self.now.date()), merge(plan.if_listed)
        assert len(fetched) + bool(listed) <= 2
        self.requests += len(fetched) + bool(listed)
        self.fetch([*fetched, *listed])
        self.now += timedelta(days=1)


@pytest.mark.parametrize("years", [1, scaled(3, 10)])
def test_daily_run_needs_one_request_or_two(years):
    simulation = Simulation(years)
    simulation.fetch([Days(simulation.first, TOMORROW)])
    for _ in range(60):
        simulation.run()
    assert 60 <= simulation.requests <= 100
