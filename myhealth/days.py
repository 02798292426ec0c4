"""Ranges of days, and the text of a day: all arithmetic on them is done here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self

# No ring is older: no earlier day is asked for, or stored.
FIRST_DAY = date(2010, 1, 1)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """The days from `start` to `end`, both included: one at least.

    What tells more of such days, why they are asked for or how they stand, is a subclass.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"A range starts on {self.start}, after its end, {self.end}.")

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __iter__(self) -> Iterator[date]:
        return map(date.fromordinal, range(self.start.toordinal(), self.end.toordinal() + 1))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def overlaps(self, other: "Days") -> bool:
        return self.start <= other.end and other.start <= self.end

    def clamped(self, first: date = date.min, last: date = date.max) -> Self | None:
        """The part from first to last; None if there is none."""
        start, end = max(self.start, first), min(self.end, last)
        return replace(self, start=start, end=end) if start <= end else None


def merge(ranges: Iterable[Days]) -> list[Days]:
    """All days of the ranges, as ranges that neither overlap nor touch, oldest first."""
    merged: list[Days] = []
    for days in sorted(ranges, key=lambda each: each.start):
        if merged and days.start - merged[-1].end <= ONE_DAY:
            merged[-1] = Days(merged[-1].start, max(merged[-1].end, days.end))
        else:
            merged.append(Days(days.start, days.end))
    return merged


def from_days(days: Iterable[date]) -> list[Days]:
    """Single days, merged."""
    return merge(Days(day, day) for day in days)


def intersect(ranges: Iterable[Days], others: Iterable[Days]) -> list[Days]:
    """The days of the ranges that the others have too, merged."""
    others = merge(others)
    pairs = ((days, other) for days in ranges for other in others if days.overlaps(other))
    return merge(
        Days(max(days.start, other.start), min(days.end, other.end)) for days, other in pairs
    )


def subtract(ranges: Iterable[Days], covers: Iterable[Days]) -> list[Days]:
    """The days of the ranges that none of the covers has, merged."""
    covers, left = merge(covers), []
    for days in merge(ranges):
        start = days.start
        for cover in covers:
            if not cover.overlaps(days):
                continue
            if start < cover.start:
                left.append(Days(start, cover.start - ONE_DAY))
            if cover.end >= days.end:
                break
            start = cover.end + ONE_DAY
        else:
            left.append(Days(start, days.end))
    return left


def shift(day: date, count: int) -> date:
    """The day so many days later, or earlier if negative; at most the ends of the calendar."""
    return date.fromordinal(min(max(day.toordinal() + count, 1), date.max.toordinal()))


def parse_day(text: object) -> date | None:
    """The day that a text of the form YYYY-MM-DD tells; None for anything else."""
    # Python reads 20260301 and 2026-W09-7 as well.
    if not isinstance(text, str) or len(text) != 10 or (text[4], text[7]) != ("-", "-"):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
