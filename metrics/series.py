"""Series: what a day's documents have of every few seconds or minutes, such as heart rates.

The documents are a stranger's JSON. What can't be a value is a gap, and what can't be a series of
its day is left out; nothing is interpolated.
"""

from bisect import bisect, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import ceil, fsum
from typing import Any, NamedTuple

from metrics.columns import Number
from metrics.moments import parse_instant
from metrics.numbers import is_number, numbers_within

Value = float | str
# A moment with Oura's offset, and the value from it on.
Point = tuple[datetime, Value]
# A start, and an end after it.
Span = tuple[datetime, datetime]

# As long as a day of travel may be.
_MOST_SECONDS = 3000 * 60
# A night has one every 30 seconds.
_MOST_VALUES = 12_000
# A night may begin on the day before; where it was travelled far, so may the day.
_DAYS_OFF = 2


def is_near_day(moment: datetime, day: date) -> bool:
    """Return whether a moment may be in a document of the day."""
    return abs((moment.date() - day).days) <= _DAYS_OFF


@dataclass(frozen=True)
class Run:
    """Values at equal steps, in seconds, from a start on. None is a gap."""

    start: datetime
    step: float
    values: Sequence[Value | None]

    @property
    def span(self) -> Span:
        """The moments of the first and the last value."""
        return self.start, self.moment(len(self.values) - 1)

    def is_near(self, day: date) -> bool:
        """Return whether the run may be of this day."""
        return is_near_day(self.start, day)

    def moment(self, index: int) -> datetime:
        return self.start + timedelta(seconds=index * self.step)

    def points(self) -> list[Point]:
        return [
            (self.moment(index), value)
            for index, value in enumerate(self.values)
            if value is not None
        ]


@dataclass(frozen=True)
class Series:
    """A series that a type's documents have.

    `read` returns its runs from a row's source, the most important first; what overlaps one before
    it is the same time reported again. A series of categories has `names` of its values instead of
    a `kind`, and no mean. `unit` is as people write it.
    """

    name: str
    label: str
    unit: str
    meaning: str
    read: Callable[[Mapping[str, Any]], Iterable[Run | None]]
    kind: Number | None = None
    names: Mapping[Value, str] = field(default_factory=dict)

    @property
    def has_mean(self) -> bool:
        return self.kind is not None

    @property
    def description(self) -> str:
        values = "; ".join(f"{value}: {name}" for value, name in self.names.items())
        return f"{self.meaning}{f' ({self.unit})' if self.unit else ''}{values and f': {values}'}."

    def runs(self, source: Any, day: date, spans: list[Span] | None = None) -> list[Run]:
        """Return the runs of a day's source, none of which overlaps another, oldest first.

        Those that overlap the `spans` are left out as well; the spans of the others are added.
        """
        spans = [] if spans is None else spans
        found = []
        for run in self.read(source) if isinstance(source, dict) else ():
            if run and run.is_near(day) and not overlaps(span := run.span, spans):
                insort(spans, span)
                found.append(run)
        return sorted(found, key=lambda run: run.start)


def overlaps(span: Span, spans: Sequence[Span]) -> bool:
    """Return whether a span overlaps one of the sorted spans, none of which overlap."""
    start, end = span
    place = bisect(spans, span)
    if place and (spans[place - 1][1] > start or spans[place - 1][0] == start):
        return True
    return place < len(spans) and (spans[place][0] < end or spans[place][0] == start)


def run_of_sample(sample: Any, kind: Number, end: datetime | None = None) -> Run | None:
    """Return the run of one of Oura's samples, up to the end; None if it has no values."""
    if not isinstance(sample, dict):
        return None
    start, step, items = (sample.get(name) for name in ("timestamp", "interval", "items"))
    if not isinstance(items, list):
        return None

    def read(items: list[Any]) -> list[float | None]:
        return numbers_within(items, kind.lowest, kind.highest)

    return _run(parse_instant(start), step, items, end, read)


def run_of_text(
    text: Any,
    step: float,
    codes: Mapping[str, Value],
    start: datetime | None,
    end: datetime | None = None,
) -> Run | None:
    """Return the run of a text with a value for each step; characters without a code are gaps."""
    if not isinstance(text, str):
        return None

    def read(text: str) -> list[Value | None]:
        return list(map(codes.get, text))

    # No step begins at the very end, as a sample's last item may.
    return _run(start, step, text, end and end - timedelta(microseconds=1), read)


def _run(
    start: datetime | None,
    step: Any,
    items: Any,
    end: datetime | None,
    read: Callable[[Any], Sequence[Value | None]],
) -> Run | None:
    if start is None or not is_number(step) or step < 1:
        return None
    if end and end >= start:
        # The last step may go beyond the end.
        items = items[: int((end - start).total_seconds() // step) + 1]
    if len(items) > min(_MOST_VALUES, _MOST_SECONDS / step):
        return None
    values = read(items)
    return Run(start, step, values) if any(value is not None for value in values) else None


# Several points as one ----------------------------------------------------------------------------


class Bucket(NamedTuple):
    """What there is of several points."""

    lowest: float
    total: float
    highest: float
    number: int

    @property
    def figures(self) -> tuple[float, float, float, int]:
        """The lowest value, the mean, the highest value, and the number of values."""
        return self.lowest, round(self.total / self.number, 2), self.highest, self.number


def add_to_buckets(buckets: dict[datetime, Bucket], run: Run, seconds: int) -> None:
    """Add the numbers of a run to the buckets of so many seconds on its own clock, by start."""
    midnight = _midnight(run.start.date(), run)
    first = (run.start - midnight).total_seconds()
    index = 0
    while index < len(run.values):
        number = int((first + index * run.step) // seconds)
        end = max(index + 1, ceil(((number + 1) * seconds - first) / run.step))
        start = midnight + timedelta(seconds=number * seconds)
        _add(buckets, start, run.values[index:end])
        index = end


def bucket_of_day(runs: Sequence[Run], day: date) -> dict[datetime, Bucket]:
    """Return the bucket with all numbers of a day's runs, which starts at the day's midnight."""
    buckets: dict[datetime, Bucket] = {}
    for run in runs:
        _add(buckets, _midnight(day, runs[0]), run.values)
    return buckets


def _midnight(day: date, run: Run) -> datetime:
    return datetime.combine(day, time(), run.start.tzinfo)


def _add(buckets: dict[datetime, Bucket], start: datetime, values: Sequence[Any]) -> None:
    known = [value for value in values if value is not None]
    if not known:
        return
    new = Bucket(min(known), fsum(known), max(known), len(known))
    if old := buckets.get(start):
        lowest, highest = min(old.lowest, new.lowest), max(old.highest, new.highest)
        new = Bucket(lowest, old.total + new.total, highest, old.number + new.number)
    buckets[start] = new
