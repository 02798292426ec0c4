"""Which days to fetch from Oura, and why: a pure function of the ledger, the options and the time.

Fetched at every run: the last 14 days, days that were fetched too early, and days up to a quarter
of a year old that wait for the next sync. Fetched once: days that never were. Fetched again after
a while: what failed, and older days at growing intervals, since Oura revises them. Requests are
few and wide: days that fit into a request that is made anyway cost nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from myhealth.days import FIRST_DAY, ONE_DAY, Days, intersect, merge, shift, subtract, utc_date
from myhealth.states import Cause, State

# From the first to the last of the 14 days that Oura still revises.
RECENT_SPAN = timedelta(days=13)
# Oura suggests one to three months a request; four keep memory small and requests few.
WINDOW_DAYS = 120
# How far back the window with the last 14 days reaches: these days need no further request.
_LATEST_WINDOW = timedelta(days=WINDOW_DAYS - 3)
# Days are fetched again at these ages, in days, and at each full year.
_REREAD_AGES = (13, 30, 90)
_YEAR_DAYS = 365
# Days that Oura had nothing for are fetched a second time, then after a tenth of their age.
_GAP_AGE_DIVISOR = 10
_SHORTEST_GAP_WAIT = timedelta(hours=20)
# With more windows than this that may hold nothing, fetch Oura's list of days first.
_MAX_UNLISTED_WINDOWS = 2
_OURA_HAD_NOTHING = "Oura had nothing"
_RETRIED_STATES = (State.FAILED, State.NO_PERMISSION, State.REJECTED)
_GAP_STATES = (State.NONE, State.NOT_WORN, State.NOT_SYNCED, State.REJECTED)


@dataclass(frozen=True)
class LedgerRange(Days):
    """Days that the ledger has in one state."""

    state: State
    cause: str = ""
    asked_at: datetime | None = None
    next_at: datetime | None = None
    times: int = 0


@dataclass(frozen=True)
class CollectOptions:
    """What to collect: days, or everything, or all that is missing, or (without these) what is due.

    A dry run fetches, and sends nothing; with `plan_only` nothing is fetched either.
    """

    days: Days | None = None
    everything: bool = False
    repair: bool = False
    dry_run: bool = False
    plan_only: bool = False


@dataclass(frozen=True)
class PlannedRange(Days):
    """Days to fetch, and the reason in a few words."""

    reason: str


@dataclass(frozen=True)
class Plan:
    """Ranges to fetch: `always`, and `if_listed`, of which only the days in Oura's list of days."""

    always: tuple[PlannedRange, ...]
    if_listed: tuple[PlannedRange, ...] = ()

    @property
    def days(self) -> list[Days]:
        """All days of the plan, merged."""
        return merge([*self.always, *self.if_listed])


def make_plan(ledger: Sequence[LedgerRange], options: CollectOptions, now: datetime) -> Plan:
    """Return what to fetch of one type.

    The ledger must have each day from FIRST_DAY to tomorrow exactly once.
    """
    today = utc_date(now)
    if options.days:
        return Plan((PlannedRange(options.days.start, options.days.end, "requested"),))
    recent = _recent_range(ledger, today)
    if options.everything:
        history = PlannedRange(FIRST_DAY, today + ONE_DAY, "the whole history")
        return Plan((recent, *_stored(ledger)), (history,))
    gaps = _repairs(ledger) if options.repair else _gaps_due(ledger, today, now)
    near = [gap for gap in gaps if gap.start >= today - _LATEST_WINDOW]
    far = [gap for gap in gaps if gap.start < today - _LATEST_WINDOW]
    always = (recent, *_retries_due(ledger, now), *near, *_rereads_due(ledger, today))
    uncertain = (*_never_fetched(ledger), *far)
    had_nothing = any(planned.reason == _OURA_HAD_NOTHING for planned in uncertain)
    if had_nothing or len(windows(uncertain)) > _MAX_UNLISTED_WINDOWS:
        return Plan(always, uncertain)
    return Plan((*always, *uncertain))


def _recent_range(ledger: Sequence[LedgerRange], today: date) -> PlannedRange:
    """Return the last 14 days, or, after a pause, those from 13 days before the last stored day.

    The longer range is taken only if it still is a single request.
    """
    stored_ends = [entry.end for entry in ledger if entry.state.has_row]
    last = min(max(stored_ends, default=today), today)
    if last >= today - ONE_DAY or last - RECENT_SPAN < today - _LATEST_WINDOW:
        start, reason = today - RECENT_SPAN, "the last 14 days"
    else:
        start, reason = last - RECENT_SPAN, "from 13 days before the last stored day"
    return PlannedRange(max(start, FIRST_DAY), today + ONE_DAY, reason)


def _retries_due(ledger: Iterable[LedgerRange], now: datetime) -> list[PlannedRange]:
    """Return what was fetched too early to be settled, and failures that are due again."""
    due = []
    for entry in ledger:
        if entry.cause == Cause.EARLY:
            due.append(PlannedRange(entry.start, entry.end, "fetched before it was over"))
        elif entry.cause == Cause.LATE:
            due.append(PlannedRange(entry.start, entry.end, "a later day has arrived since"))
        elif entry.state in _RETRIED_STATES and entry.next_at and entry.next_at <= now:
            due.append(PlannedRange(entry.start, entry.end, f"{entry.state.label} last time"))
    return due


def _never_fetched(ledger: Iterable[LedgerRange]) -> list[PlannedRange]:
    return [
        PlannedRange(entry.start, entry.end, "never fetched")
        for entry in ledger
        if entry.state == State.NOT_ASKED
    ]


def _repairs(ledger: Iterable[LedgerRange]) -> list[PlannedRange]:
    """Return all that was fetched and is missing, whatever the reason and however often."""
    return [
        PlannedRange(
            entry.start,
            entry.end,
            _OURA_HAD_NOTHING
            if entry.cause == Cause.BEFORE_FIRST
            else f"repair: {entry.state.label}",
        )
        for entry in ledger
        if entry.state not in (State.HELD, State.NOT_ASKED)
    ]


def _gaps_due(ledger: Sequence[LedgerRange], today: date, now: datetime) -> list[PlannedRange]:
    """Return the days that Oura had nothing for, not synced ones too, and that are due again.

    If any day beyond the latest window is due, so are all others there: one list answers for all.
    """
    gaps = [gap for gap in ledger if gap.state in _GAP_STATES]
    due = [gap for gap in gaps if _is_gap_due(gap, today, now)]
    is_far_due = any(gap.start < today - _LATEST_WINDOW for gap in due)
    return [
        PlannedRange(gap.start, gap.end, _OURA_HAD_NOTHING)
        for gap in gaps
        if gap in due or (is_far_due and gap.start < today - _LATEST_WINDOW)
    ]


def _is_gap_due(gap: LedgerRange, today: date, now: datetime) -> bool:
    if gap.cause == Cause.BEFORE_FIRST or gap.asked_at is None or gap.next_at:
        return False
    wait = max(_SHORTEST_GAP_WAIT, timedelta((today - gap.end).days / _GAP_AGE_DIVISOR))
    return gap.times <= 1 or now - gap.asked_at >= wait


def _stored(ledger: Iterable[LedgerRange]) -> list[PlannedRange]:
    return [
        PlannedRange(entry.start, entry.end, "stored") for entry in ledger if entry.state.has_row
    ]


def _rereads_due(ledger: Sequence[LedgerRange], today: date) -> list[PlannedRange]:
    """Return older days that have reached an age at which Oura may have revised them."""
    ages = (*_REREAD_AGES, *range(_YEAR_DAYS, (today - FIRST_DAY).days, _YEAR_DAYS))
    return [due for age in ages for due in _rereads_due_at_age(ledger, age, today)]


def _rereads_due_at_age(ledger: Iterable[LedgerRange], age: int, today: date) -> list[PlannedRange]:
    """Return all days that are due at this age, once one of them is overdue.

    A day is overdue a quarter of the age later, so that days are fetched by weeks and months.
    """
    due = [part for entry in ledger if (part := _part_due_at_age(entry, age, today))]
    overdue = today - timedelta(age + (age // 4 if age > RECENT_SPAN.days else 1))
    return due if any(part.start <= overdue for part in due) else []


def _part_due_at_age(entry: LedgerRange, age: int, today: date) -> PlannedRange | None:
    """Return the part that has reached the age since it was last fetched.

    Stored days without a time of a fetch count as never fetched.
    """
    if not entry.state.has_row:
        return None
    fetched_on = utc_date(entry.asked_at) if entry.asked_at else FIRST_DAY
    part = entry.clamped(fetched_on - timedelta(age - 1), today - timedelta(age))
    return PlannedRange(part.start, part.end, f"{age} days old") if part else None


def windows(ranges: Iterable[Days]) -> list[Days]:
    """Return the fewest ranges of at most WINDOW_DAYS that cover all these days, oldest first."""
    result: list[Days] = []
    remaining = merge(ranges)
    while remaining:
        start = remaining[0].start
        widest = Days(start, shift(start, WINDOW_DAYS - 1))
        result.append(Days(start, intersect(remaining, [widest])[-1].end))
        remaining = subtract(remaining, [widest])
    return result
