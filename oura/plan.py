"""Which days to fetch from Oura, and why: a pure function of the ledger, the options and the time.

Fetched at every run, by a request of their own: the last 14 days. Of older days: those that were
fetched too early, or never; after a while, what failed; and now and then what Oura had nothing for,
or may have revised. Without failures that is at most one more request.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from myhealth.days import FIRST_DAY, ONE_DAY, Days, intersect, merge, shift, subtract, utc_date
from myhealth.states import Cause, FailureKind, State

# From the first to the last of the 14 days that Oura still revises.
RECENT_SPAN = timedelta(days=13)
# Oura suggests one to three months a request; some four keep memory small and requests few. A
# multiple of the pieces in which ranges are fetched that Oura refuses.
WINDOW_DAYS = 130
# Oura's list of days has some 60 bytes a day, but 8 kB if it ignores that one field is wanted: two
# years, also a multiple of those pieces.
_LIST_DAYS = 728
# How far back gaps are near: they fit into one window, with the days that are fetched again.
_NEAR = RECENT_SPAN + timedelta(days=WINDOW_DAYS)
# Days are fetched again at these ages, in days, and at each full year.
_REREAD_AGES = (13, 30, 90)
_YEAR_DAYS = 365
# Days that Oura had nothing for are fetched a second time, then after a tenth of their age.
_GAP_AGE_DIVISOR = 10
_SHORTEST_GAP_WAIT = timedelta(hours=20)
# With more windows than this that may hold nothing, fetch Oura's list of days first.
_MAX_UNLISTED_WINDOWS = 2
_OURA_HAD_NOTHING = "Oura had nothing"
_FAILED_LAST_TIME = f"{State.FAILED.label} last time"
# A corrupt record makes Oura fail for its day, and the padding of its neighbours.
_MOST_BAD_DAYS = 7
_BAD_DAY_KINDS = (FailureKind.UNAVAILABLE, FailureKind.BAD_ANSWER)
_GAP_STATES = (State.NONE, State.NOT_WORN, State.NOT_SYNCED, State.REJECTED)


@dataclass(frozen=True)
class Failing:
    """The last failed fetch of days, and whether it has failed like this for a long time."""

    kind: str
    status: int | None
    collection: str
    is_lasting: bool


@dataclass(frozen=True)
class LedgerRange(Days):
    """Days that the ledger has in one state, with the `reason` as a sentence."""

    state: State
    cause: str = ""
    asked_at: datetime | None = None
    next_at: datetime | None = None
    times: int = 0
    reason: str = ""
    failing: Failing | None = None


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
    """Ranges to fetch: `always`, and `if_listed`, of which only the days in Oura's list of days.

    `bad` are single days that Oura has failed for, and that make it fail for ranges that have them:
    no range asks for these. Those of them that are due are `apart`, each a request of its own.
    """

    always: tuple[PlannedRange, ...]
    if_listed: tuple[PlannedRange, ...] = ()
    apart: tuple[PlannedRange, ...] = ()
    bad: tuple[LedgerRange, ...] = ()

    @property
    def days(self) -> list[Days]:
        """All days of the plan, merged."""
        return merge([*self.always, *self.if_listed, *self.apart])

    @property
    def by_reason(self) -> list[PlannedRange]:
        """The days that are always fetched, each once, by the first of its reasons."""
        return _by_reason((*self.always, *self.apart))

    @property
    def by_reason_if_listed(self) -> list[PlannedRange]:
        return _by_reason(self.if_listed, [*self.always, *self.apart])


def _by_reason(planned: Iterable[PlannedRange], covered: Iterable[Days] = ()) -> list[PlannedRange]:
    """Return the days that are not covered as merged ranges, newest first for each reason."""
    reasons: dict[str, list[Days]] = defaultdict(list)
    for each in planned:
        reasons[each.reason].append(each)
    result: list[PlannedRange] = []
    for reason, ranges in reasons.items():
        rest = subtract(ranges, [*covered, *result])
        result += [PlannedRange(days.start, days.end, reason) for days in rest[::-1]]
    return result


def make_plan(ledger: Sequence[LedgerRange], options: CollectOptions, now: datetime) -> Plan:
    """Return what to fetch of one type.

    The ledger must have each day from FIRST_DAY to tomorrow exactly once.
    """
    today = utc_date(now)
    if options.days:
        return Plan((PlannedRange(options.days.start, options.days.end, "requested"),))
    recent = PlannedRange(today - RECENT_SPAN, today + ONE_DAY, "the last 14 days")
    if options.everything:
        history = PlannedRange(FIRST_DAY, today + ONE_DAY, "the whole history")
        stored = _with_reason((entry for entry in ledger if entry.state.has_row), "stored")
        return Plan((recent, *stored), (history,))
    bad = _bad_days(ledger, today)
    apart = _with_reason(
        (day for day in bad if options.repair or (day.next_at and day.next_at <= now)),
        _FAILED_LAST_TIME,
    )
    # Those of the last 14 days are fetched anyway.
    older = _clamped(_without(ledger, bad), recent.start - ONE_DAY)
    due, missing = _due(older, options, today, now)
    had_nothing = any(planned.reason == _OURA_HAD_NOTHING for planned in missing)
    if had_nothing or len(windows(missing)) > _MAX_UNLISTED_WINDOWS:
        return Plan((recent, *due), tuple(missing), tuple(apart), tuple(bad))
    return Plan((recent, *due, *missing), (), tuple(apart), tuple(bad))


def _due(
    ledger: Sequence[LedgerRange], options: CollectOptions, today: date, now: datetime
) -> tuple[list[PlannedRange], list[PlannedRange]]:
    """Return what to fetch, and what to fetch if Oura lists it, unless that is little."""
    missing, retries = _never_fetched(ledger), _retries_due(ledger, now)
    if options.repair:
        retries += _repairs(ledger)
        return (
            [each for each in retries if _is_near(each, today)],
            [*missing, *(each for each in retries if not _is_near(each, today))],
        )
    due = [each for each in retries if _is_near(each, today) or each.reason != _FAILED_LAST_TIME]
    missing += [each for each in retries if each not in due]
    empty = _gaps_due(ledger, today, now)
    if any(gap.times <= 1 for gap in empty):
        # Late syncs usually arrive soon: one list answers for all, at the next run.
        missing += _with_days_before(empty)
        empty = []
    also = _next_of(_batches(ledger, empty, today), [*missing, *due], today)
    return [*due, *also.always], [*missing, *also.if_listed]


def _bad_days(ledger: Iterable[LedgerRange], today: date) -> list[LedgerRange]:
    """Return single days that failed, up to a week together, as ranges of one day.

    More of them are no bad days, but a time in which Oura did not answer. Today and yesterday
    change too much to be left out.
    """
    failed = [
        entry
        for entry in ledger
        if entry.failing
        and entry.failing.kind in _BAD_DAY_KINDS
        and entry.failing.collection
        and entry.end < today - ONE_DAY
    ]
    few = [days for days in merge(failed) if len(days) <= _MOST_BAD_DAYS]
    return [
        replace(entry, start=day, end=day)
        for entry in failed
        for day in entry
        if any(day in days for days in few)
    ]


def _without(ledger: Iterable[LedgerRange], days: Sequence[Days]) -> list[LedgerRange]:
    return [
        replace(entry, start=part.start, end=part.end)
        for entry in ledger
        for part in subtract([entry], days)
    ]


def _clamped(ledger: Iterable[LedgerRange], last: date) -> list[LedgerRange]:
    return [part for entry in ledger if (part := entry.clamped(last=last))]


def request_ranges(days: Iterable[Days], today: date) -> list[Days]:
    """Return the ranges to ask for at once, newest first.

    The last 14 days are a range of their own: if Oura refuses the others, last night comes anyway.
    """
    start = today - RECENT_SPAN
    merged = merge(days)
    recent = intersect(merged, [Days(start, date.max)])
    older = intersect(merged, [Days(date.min, start - ONE_DAY)])
    newest = [Days(recent[0].start, recent[-1].end)] if recent else []
    return [*newest, *windows(older)[::-1]]


def list_spans(days: Iterable[Days]) -> list[Days]:
    """Return the ranges to ask Oura's list of days for, newest first."""
    return _cover(days, _LIST_DAYS)[::-1]


def _is_near(days: Days, today: date) -> bool:
    return days.start >= today - _NEAR


def _batches(ledger: Sequence[LedgerRange], gaps: Iterable[LedgerRange], today: date) -> list[Plan]:
    """Return what need not be fetched in this run: each batch is one request."""
    planned = _with_days_before(gaps)
    near = [*(gap for gap in planned if _is_near(gap, today)), *_rereads_due(ledger, today)]
    far = [gap for gap in planned if not _is_near(gap, today)]
    batches = [
        Plan(tuple(part for each in near if (part := each.clamped(days.start, days.end))))
        for days in windows(near)
    ]
    return [*batches, Plan((), tuple(far))] if far else batches


def _next_of(batches: Sequence[Plan], planned: Iterable[Days], today: date) -> Plan:
    """Return one of the batches: a different one each day, so that each gets its turn.

    If older days are fetched anyway, return what fits into the same requests.
    """
    older = [days for days in request_ranges(planned, today) if days.start < today - RECENT_SPAN]
    if older:
        widest = [Days(shift(days.end, 1 - WINDOW_DAYS), days.end) for days in older]
        fitting = (
            part
            for batch in batches
            for each in batch.always
            for window in widest
            if (part := each.clamped(window.start, window.end))
        )
        return Plan(tuple(fitting))
    return batches[today.toordinal() % len(batches)] if batches else Plan(())


def _retries_due(ledger: Iterable[LedgerRange], now: datetime) -> list[PlannedRange]:
    """Return what was fetched too early to be settled, and failures that are due again."""
    due = []
    for entry in ledger:
        if entry.cause == Cause.EARLY:
            due.append(PlannedRange(entry.start, entry.end, "fetched before it was over"))
        elif entry.cause == Cause.LATE:
            due.append(PlannedRange(entry.start, entry.end, "a later day has arrived since"))
        elif entry.next_at and entry.next_at <= now:
            failed = entry.state in (State.FAILED, State.HELD, State.PARTIAL)
            reason = _FAILED_LAST_TIME if failed else f"{entry.state.label} last time"
            due.append(PlannedRange(entry.start, entry.end, reason))
    return due


def _never_fetched(ledger: Iterable[LedgerRange]) -> list[PlannedRange]:
    entries = (entry for entry in ledger if entry.state == State.NOT_ASKED)
    return _with_reason(entries, "never fetched")


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
        if entry.failing or entry.state not in (State.HELD, State.NOT_ASKED)
    ]


def _gaps_due(ledger: Sequence[LedgerRange], today: date, now: datetime) -> list[LedgerRange]:
    """Return the days that Oura had nothing for, not synced ones too, and that are due again.

    If any day that is not near is due, so are all others there: one list answers for all.
    """
    gaps = [gap for gap in ledger if gap.state in _GAP_STATES]
    due = [gap for gap in gaps if _is_gap_due(gap, today, now)]
    is_far_due = not all(_is_near(gap, today) for gap in due)
    return [gap for gap in gaps if gap in due or (is_far_due and not _is_near(gap, today))]


def _with_days_before(gaps: Iterable[LedgerRange]) -> list[PlannedRange]:
    """Return the gaps to fetch, each with the days before it that a late sync may complete."""
    return [
        PlannedRange(
            max(gap.start - RECENT_SPAN - ONE_DAY, FIRST_DAY)
            if gap.cause == Cause.WAITING
            else gap.start,
            gap.end,
            _OURA_HAD_NOTHING,
        )
        for gap in gaps
    ]


def _is_gap_due(gap: LedgerRange, today: date, now: datetime) -> bool:
    if gap.cause == Cause.BEFORE_FIRST or gap.asked_at is None or gap.next_at:
        return False
    wait = max(_SHORTEST_GAP_WAIT, timedelta((today - gap.end).days / _GAP_AGE_DIVISOR))
    return gap.times <= 1 or now - gap.asked_at >= wait


def _with_reason(entries: Iterable[LedgerRange], reason: str) -> list[PlannedRange]:
    return [PlannedRange(entry.start, entry.end, reason) for entry in entries]


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

    Stored days without a time of a fetch count as never fetched. Days whose last fetch failed wait
    for their turn to be retried.
    """
    if not entry.state.has_row or entry.next_at:
        return None
    fetched_on = utc_date(entry.asked_at) if entry.asked_at else FIRST_DAY
    part = entry.clamped(fetched_on - timedelta(age - 1), today - timedelta(age))
    return PlannedRange(part.start, part.end, f"{age} days old") if part else None


def windows(ranges: Iterable[Days]) -> list[Days]:
    """Return the fewest ranges of at most WINDOW_DAYS that cover all these days, oldest first."""
    return _cover(ranges, WINDOW_DAYS)


def _cover(ranges: Iterable[Days], width: int) -> list[Days]:
    result: list[Days] = []
    remaining = merge(ranges)
    while remaining:
        start = remaining[0].start
        widest = Days(start, shift(start, width - 1))
        result.append(Days(start, intersect(remaining, [widest])[-1].end))
        remaining = subtract(remaining, [widest])
    return result
