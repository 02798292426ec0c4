"""Every day accounted for: one state for each person, day and type, and why.

Nothing of it is stored. The states are derived from what is (`ingest.facts`), as ranges of days;
what they are called and how their reasons read is in `myhealth.states`.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Generic, TypeVar

from ingest.facts import (
    Facts,
    Stretch,
    next_stored_day,
    range_at,
    read_facts,
    read_stretches,
)
from metrics import TYPES, MetricType
from myhealth.days import FIRST_DAY, ONE_DAY, Days, last_day_over, over_at, utc_date
from myhealth.states import Cause, Failure, FailureKind, OffSpan, RingOff, State, Verdict

# What one run fetches and stores may be some minutes apart.
_ONE_RUN = timedelta(minutes=15)
# Where no later day shows that all has been synced, a day is judged this long after its end: by
# the minutes that the ring was off, or as none where no day was ever stored.
_WAIT_FOR_SYNC = timedelta(days=14)


@dataclass(frozen=True)
class Range(Days):
    """Days of one type with the same verdict."""

    type: str
    verdict: Verdict

    @property
    def state(self) -> State:
        return self.verdict.state

    @property
    def reason(self) -> str | None:
        return self.verdict.reason


Ledger = Mapping[str, list[Range]]


def ledger(
    user_id: int,
    start: date,
    end: date,
    *,
    today: date,
    types: Collection[str] = TYPES,
    using: str = "default",
    all_fetches: bool = False,
) -> dict[str, list[Range]]:
    """Return by type the ranges from start to end, oldest first: each of the days exactly once.

    Unless all fetches are asked for, verdicts of stored days may lack when they were fetched.
    """
    facts = Facts()
    if since := first_derived_day(start, end, today):
        # Of a month long ago, all that came later would take most of the time.
        until = date.max if end >= today else next_stored_day(user_id, types, end, using)
        facts = read_facts(user_id, since, using, until=until, all_fetches=all_fetches)
    return ledger_from(facts, start, end, types=types, today=today)


def outline(
    user_id: int, type_: str, days: Days, *, today: date, using: str = "default"
) -> list[Range]:
    """Return the ledger of one type, but not why days after the first one stored are missing.

    Of many years, that takes a fraction of the time.
    """
    facts = Facts()
    stretches = facts.stored[type_] = read_stretches(user_id, type_, days.start, using)
    first = stretches[0].start if stretches else date.max
    found: list[Range] = []
    if before := days.clamped(last=first - ONE_DAY):
        start, end = before.start, before.end
        found += ledger(user_id, start, end, today=today, types=[type_], using=using)[type_]
    if after := days.clamped(first=first):
        facts.first[type_] = first
        found += derive(facts, type_, after)
    return found


def first_derived_day(start: date, end: date, today: date) -> date | None:
    """Return the first of the days whose state depends on facts; None if there is none."""
    first = max(start, FIRST_DAY)
    return first if first <= min(end, today + ONE_DAY) else None


def ledger_from(
    facts: Facts, start: date, end: date, *, today: date, types: Collection[str] = TYPES
) -> dict[str, list[Range]]:
    """Return the ledger that `ledger` returns, from facts since its `first_derived_day`."""
    if start > end:
        return {type_: [] for type_ in types}
    days = Days(start, end)
    ancient = days.clamped(last=FIRST_DAY - ONE_DAY)
    derived = days.clamped(FIRST_DAY, today + ONE_DAY)
    future = days.clamped(first=today + 2 * ONE_DAY)
    return {
        type_: [
            *_not_asked(type_, ancient, Cause.ANCIENT),
            *(derive(facts, type_, derived) if derived else ()),
            *_not_asked(type_, future, Cause.FUTURE),
        ]
        for type_ in types
    }


def full_ledger(
    user_id: int, *, now: datetime, all_fetches: bool = False
) -> dict[str, list[Range]]:
    """Return by type the ranges from the oldest day that any ring can have to tomorrow."""
    today = utc_date(now)
    return ledger(user_id, FIRST_DAY, today + ONE_DAY, today=today, all_fetches=all_fetches)


def _not_asked(type_: str, days: Days | None, cause: Cause) -> list[Range]:
    return [Range(days.start, days.end, type_, Verdict(State.NOT_ASKED, cause))] if days else []


def expected_from(metric_type: MetricType, firsts: Mapping[str, date]) -> date | None:
    """Return the first day that a row is expected of: the first with the ring, or the type's own.

    `firsts` has the first day stored of each type that has any.
    """
    candidates = [
        first
        for type_, first in firsts.items()
        if TYPES[type_].on_every_worn_day or type_ == metric_type.name
    ]
    return min(candidates, default=None)


def clamp(ranges: Iterable[Range], first: date, last: date) -> list[Range]:
    """Return the parts of the ranges from first to last, both included."""
    return [part for each in ranges if (part := each.clamped(first, last))]


def derive(facts: Facts, type_: str, days: Days) -> list[Range]:
    """Return the ranges of one type. A pure function: each of the days is in one of them."""
    judge = _Judge(facts, type_)
    ranges: list[Range] = []
    start, current = days.start, judge.verdict(days.start)
    for day in sorted(judge.days_of_change(days)):
        verdict = judge.verdict(day)
        if verdict != current:
            ranges.append(Range(start, day - ONE_DAY, type_, current))
            start, current = day, verdict
    ranges.append(Range(start, days.end, type_, current))
    return ranges


_R = TypeVar("_R", bound=Days)


class _Finder(Generic[_R]):
    """Finds the range that has a day, of days that are asked for in order, oldest first."""

    def __init__(self, ranges: list[_R]) -> None:
        self._following = iter(ranges)
        self._range = next(self._following, None)

    def at(self, day: date) -> _R | None:
        while (found := self._range) is not None and found.end < day:
            self._range = next(self._following, None)
        return found if found is not None and found.start <= day else None


class _Judge:
    """Judges the days of one type by the facts, oldest first."""

    def __init__(self, facts: Facts, type_: str) -> None:
        self.facts, self.type, self.metric_type = facts, type_, TYPES[type_]
        self.stored = facts.stored[type_]
        self.rejected = facts.rejected[type_]
        self.first = facts.first.get(type_)
        self.expected_from = expected_from(self.metric_type, facts.first)
        self.stored_at = _Finder(self.stored).at
        self.complete_at = _Finder(facts.complete[type_]).at
        self.failed_at = _Finder(facts.failed[type_]).at
        self.renewed_at = _Finder(facts.renewed[type_]).at

    def days_of_change(self, days: Days) -> set[date]:
        """Return the days after the first whose verdict may differ from the day before."""
        changes = {*self.rejected, *(day + ONE_DAY for day in self.rejected)}
        for ranges in (self.stored, self.facts.renewed[self.type]):
            for each in ranges:
                changes |= {each.start, each.end + ONE_DAY}
        for attempt in (*self.facts.complete[self.type], *self.facts.failed[self.type]):
            changes |= {attempt.start, attempt.end + ONE_DAY}
            if attempt.start < attempt.end:
                not_over = last_day_over(attempt.at) + ONE_DAY
                changes |= {not_over, not_over - _WAIT_FOR_SYNC}
        # Each expected day without a row depends on facts of its own.
        if self.expected_from and (expected := days.clamped(first=self.expected_from)):
            changes.update(_days_between(self.stored, expected))
        return {day for day in changes if days.start < day <= days.end}

    def verdict(self, day: date) -> Verdict:
        complete = self.complete_at(day)
        asked_at, times = (complete.at, complete.times) if complete is not None else (None, 0)
        stretch = self.stored_at(day)
        failure = self._failure_since(day, asked_at)
        rejected = self.rejected.get(day)
        if stretch is not None:
            return self._verdict_of_stored(day, stretch, asked_at, failure, rejected)
        if rejected:
            return Verdict(
                State.REJECTED, asked_at=asked_at, failure=failure, rejected=rejected, times=times
            )
        absence = self._absence(day, asked_at)
        # A failed fetch changes nothing where an earlier one has settled the day.
        if failure and absence.state in (State.NOT_SYNCED, State.NOT_ASKED):
            return Verdict(failure.kind.state, asked_at=asked_at, failure=failure)
        return absence._replace(asked_at=asked_at, times=times)

    def _verdict_of_stored(
        self,
        day: date,
        stretch: Stretch,
        asked_at: datetime | None,
        failure: Failure | None,
        rejected: int | None,
    ) -> Verdict:
        """Return the state of a day with a row, which a newer failure leaves as it is."""
        if failure and self.renewed_at(day) is not None:
            failure = None
        is_rejected = rejected or (failure and failure.kind == FailureKind.REJECTED)
        off = stretch.minutes_off
        return Verdict(
            State.PARTIAL if stretch.missing_collection else State.HELD,
            Cause.NEWER_REJECTED if is_rejected else None,
            stretch.missing_collection,
            RingOff(off, OffSpan.DAY) if off else None,
            asked_at,
            failure,
            rejected,
        )

    def _failure_since(self, day: date, asked_at: datetime | None) -> Failure | None:
        """Return the failure of the day's last fetch, if that failed."""
        failed = self.failed_at(day)
        if failed is None or (asked_at is not None and asked_at >= failed.at):
            return None
        return failed.failure

    def _absence(self, day: date, asked_at: datetime | None) -> Verdict:
        """Return the state of a day without a row or rejected document, failures apart."""
        if asked_at is None:
            return Verdict(State.NOT_ASKED)
        if asked_at < over_at(day):
            return Verdict(State.NOT_SYNCED, Cause.EARLY)
        waited = asked_at >= over_at(day) + _WAIT_FOR_SYNC
        following = _first_after(self.stored, day)
        if following is not None and following.created_at > asked_at + _ONE_RUN:
            return Verdict(State.NOT_SYNCED, Cause.LATE)
        if self.first and day < self.first:
            return Verdict(State.NONE, Cause.BEFORE_FIRST)
        off = self._night_off(day) if self.metric_type.of_night else None
        if off and (following is not None or waited):
            return Verdict(State.NOT_WORN, off=off)
        if following is not None:
            return self._without_row(day)
        if self.first is None and waited:
            return Verdict(State.NONE)
        return Verdict(State.NOT_SYNCED, Cause.WAITING)

    def _night_off(self, day: date) -> RingOff | None:
        """Return how long the ring was off, if it was not worn in the night that ends on the day.

        A row that shows that the ring was worn outweighs it.
        """
        for type_, metric_type in TYPES.items():
            if metric_type.shows_wear and range_at(self.facts.stored[type_], day) is not None:
                return None
        return self.facts.nights_off.get(day)

    def _without_row(self, day: date) -> Verdict:
        """Return the state of a day that Oura has nothing for, although it has later ones.

        The ring was not worn if Oura has nothing of any type that every worn day has, or only that
        the ring was off all day.
        """
        over, minutes_off = over_at(day), None
        for type_, metric_type in TYPES.items():
            if not metric_type.on_every_worn_day:
                continue
            stretch = range_at(self.facts.stored[type_], day)
            if stretch is not None and stretch.minutes_off:
                minutes_off = stretch.minutes_off
                continue
            complete = range_at(self.facts.complete[type_], day)
            is_asked = complete is not None and complete.at >= over
            if stretch is not None or not is_asked or day in self.facts.rejected[type_]:
                return Verdict(State.NONE)
        if minutes_off:
            return Verdict(State.NOT_WORN, off=RingOff(minutes_off, OffSpan.DAY))
        return Verdict(State.NOT_WORN, Cause.NOTHING_AT_ALL)


def _days_between(stretches: list[Stretch], days: Days) -> Iterator[date]:
    """Return those of the days that are in none of the stretches."""
    start = days.start
    for stretch in stretches:
        if start < stretch.start:
            yield from Days(start, min(stretch.start - ONE_DAY, days.end))
        start = max(start, stretch.end + ONE_DAY)
        if days.end < start:
            return
    yield from Days(start, days.end)


def _first_after(stretches: list[Stretch], day: date) -> Stretch | None:
    """Return the first stretch that starts after the day."""
    index = bisect_right(stretches, day, key=lambda each: each.start)
    return stretches[index] if index < len(stretches) else None
