"""Every day accounted for: one state for each person, day and type, and why.

Nothing of it is stored. The states are derived from what is (`ingest.facts`), as ranges of days;
what they are called and how their reasons read is in `myhealth.states`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from ingest.facts import Facts, Stretch, read_facts
from metrics import TYPES, MetricType
from myhealth.days import FIRST_DAY, ONE_DAY, Days, last_day_over, over_at, subtract, utc_date
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
    user_id: int, start: date, end: date, *, today: date, using: str = "default"
) -> dict[str, list[Range]]:
    """Return by type the ranges from start to end, oldest first: each of the days exactly once."""
    if start > end:
        return {type_: [] for type_ in TYPES}
    days = Days(start, end)
    ancient = days.clamped(last=FIRST_DAY - ONE_DAY)
    derived = days.clamped(FIRST_DAY, today + ONE_DAY)
    future = days.clamped(first=today + 2 * ONE_DAY)
    facts = read_facts(user_id, derived.start, using) if derived else Facts()
    return {
        type_: [
            *_not_asked(type_, ancient, Cause.ANCIENT),
            *(derive(facts, type_, derived) if derived else ()),
            *_not_asked(type_, future, Cause.FUTURE),
        ]
        for type_ in TYPES
    }


def full_ledger(user_id: int, *, now: datetime) -> dict[str, list[Range]]:
    """Return by type the ranges from the oldest day that any ring can have to tomorrow."""
    today = utc_date(now)
    return ledger(user_id, FIRST_DAY, today + ONE_DAY, today=today)


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
    starts: list[tuple[date, Verdict]] = []
    for day in sorted(judge.days_of_change(days)):
        verdict = judge.verdict(day)
        if not starts or verdict != starts[-1][1]:
            starts.append((day, verdict))
    ends = [*(day - ONE_DAY for day, _ in starts[1:]), days.end]
    return [
        Range(start, end, type_, verdict)
        for (start, verdict), end in zip(starts, ends, strict=True)
    ]


class _Judge:
    """Judges the days of one type by the facts."""

    def __init__(self, facts: Facts, type_: str) -> None:
        self.facts, self.type, self.metric_type = facts, type_, TYPES[type_]
        self.stored = facts.stored[type_]
        self.rejected = facts.rejected[type_]
        self.first = facts.first.get(type_)
        self.expected_from = expected_from(self.metric_type, facts.first)

    def days_of_change(self, days: Days) -> set[date]:
        """Return the days whose verdict may differ from the day before."""
        changes = {days.start, *self.rejected, *(day + ONE_DAY for day in self.rejected)}
        for stretch in self.stored:
            changes |= {stretch.start, stretch.end + ONE_DAY}
        for renewed in self.facts.renewed[self.type]:
            changes |= {renewed.start, renewed.end + ONE_DAY}
        for attempt in (*self.facts.complete[self.type], *self.facts.failed[self.type]):
            not_over = last_day_over(attempt.at) + ONE_DAY
            changes |= {
                attempt.start,
                attempt.end + ONE_DAY,
                not_over,
                not_over - _WAIT_FOR_SYNC,
            }
        # Each expected day without a row depends on facts of its own.
        if self.expected_from and (expected := days.clamped(first=self.expected_from)):
            changes.update(*subtract([expected], self.stored))
        return {day for day in changes if day in days}

    def verdict(self, day: date) -> Verdict:
        complete = _range_at(self.facts.complete[self.type], day)
        asked_at, times = (complete.at, complete.times) if complete is not None else (None, 0)
        rejected = self.rejected.get(day)
        stretch = _range_at(self.stored, day)
        failure = self._failure_since(day, asked_at)
        if stretch is not None:
            return self._verdict_of_stored(day, stretch, asked_at, failure)
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
        self, day: date, stretch: Stretch, asked_at: datetime | None, failure: Failure | None
    ) -> Verdict:
        """Return the state of a day with a row, which a newer failure leaves as it is."""
        if failure and _range_at(self.facts.renewed[self.type], day) is not None:
            failure = None
        rejected = self.rejected.get(day)
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
        failed = _range_at(self.facts.failed[self.type], day)
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
            if metric_type.shows_wear and _range_at(self.facts.stored[type_], day) is not None:
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
            stretch = _range_at(self.facts.stored[type_], day)
            if stretch is not None and stretch.minutes_off:
                minutes_off = stretch.minutes_off
                continue
            complete = _range_at(self.facts.complete[type_], day)
            is_asked = complete is not None and complete.at >= over
            if stretch is not None or not is_asked or day in self.facts.rejected[type_]:
                return Verdict(State.NONE)
        if minutes_off:
            return Verdict(State.NOT_WORN, off=RingOff(minutes_off, OffSpan.DAY))
        return Verdict(State.NOT_WORN, Cause.NOTHING_AT_ALL)


_R = TypeVar("_R", bound=Days)


def _range_at(ranges: list[_R], day: date) -> _R | None:
    """Return the one of the ranges (oldest first, no two overlap) that has the day."""
    index = bisect_right(ranges, day, key=lambda each: each.start) - 1
    return ranges[index] if index >= 0 and day <= ranges[index].end else None


def _first_after(stretches: list[Stretch], day: date) -> Stretch | None:
    """Return the first stretch that starts after the day."""
    index = bisect_right(stretches, day, key=lambda each: each.start)
    return stretches[index] if index < len(stretches) else None
