"""Days and ranges of days: parsing, arithmetic, and when a day is over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Self

from django.utils import timezone

# No ring is older: no earlier day is fetched or stored.
FIRST_DAY = date(2010, 1, 1)
ONE_DAY = timedelta(days=1)
DAYS_OF_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The time of the next day (UTC) at which a day is over everywhere.
_OVER_AT = timedelta(hours=16)


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """The days from `start` to `end`, both included: at least one.

    Subclasses add what else is known of such days, for example their state.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(
                f"The start of the range ({self.start}) is after its end ({self.end})."
            )

    def __str__(self) -> str:
        return f"{self.start} to {self.end}" if self.start < self.end else str(self.start)

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __iter__(self) -> Iterator[date]:
        return map(date.fromordinal, range(self.start.toordinal(), self.end.toordinal() + 1))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def overlaps(self, other: "Days") -> bool:
        return self.start <= other.end and other.start <= self.end

    def clamped(self, first: date = date.min, last: date = date.max) -> Self | None:
        """Return the part from first to last; None if it is empty."""
        start, end = max(self.start, first), min(self.end, last)
        if (start, end) == (self.start, self.end):
            return self
        return replace(self, start=start, end=end) if start <= end else None


def merge(ranges: Iterable[Days]) -> list[Days]:
    """Return all days of the ranges, as ranges that neither overlap nor touch, oldest first."""
    merged: list[Days] = []
    for days in sorted(ranges, key=lambda each: each.start):
        if merged and days.start - merged[-1].end <= ONE_DAY:
            merged[-1] = Days(merged[-1].start, max(merged[-1].end, days.end))
        else:
            merged.append(Days(days.start, days.end))
    return merged


def from_days(days: Iterable[date]) -> list[Days]:
    """Return single days as merged ranges."""
    # Of consecutive days, each one's number is as far from its place.
    places = groupby(enumerate(sorted(set(days))), lambda each: each[1].toordinal() - each[0])
    runs = ([day for _, day in run] for _, run in places)
    return [Days(run[0], run[-1]) for run in runs]


def intersect(ranges: Iterable[Days], others: Iterable[Days]) -> list[Days]:
    """Return the days that are in both, merged."""
    others = merge(others)
    pairs = ((days, other) for days in ranges for other in others if days.overlaps(other))
    return merge(
        Days(max(days.start, other.start), min(days.end, other.end)) for days, other in pairs
    )


def subtract(ranges: Iterable[Days], covers: Iterable[Days]) -> list[Days]:
    """Return the days of the ranges that are in none of the covers, merged."""
    rest: list[Days] = []
    # Both are sorted, so what covers nothing of one range covers nothing of the next ones.
    following = iter(merge(covers))
    cover = next(following, None)
    for days in merge(ranges):
        start = days.start
        while cover and cover.end < start:
            cover = next(following, None)
        while cover and cover.start <= days.end:
            if start < cover.start:
                rest.append(Days(start, cover.start - ONE_DAY))
            if cover.end >= days.end:
                break
            start = cover.end + ONE_DAY
            cover = next(following, None)
        else:
            rest.append(Days(start, days.end))
    return rest


def over_at(day: date) -> datetime:
    """Return when a day is over everywhere.

    Oura's days end at 04:00 local time, the last of them (UTC-12) at 16:00 UTC.
    """
    return datetime.combine(day + ONE_DAY, time(), UTC) + _OVER_AT


def over_at_sql(day: str) -> str:
    """Return `over_at` as an SQL expression, for the expression of a day."""
    return f"({day} + 1 + interval '{_OVER_AT}') AT TIME ZONE 'UTC'"


def last_day_over(moment: datetime) -> date:
    """Return the last day that was over everywhere at that moment."""
    return utc_date(moment - _OVER_AT) - ONE_DAY


def utc_date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def utc_today() -> date:
    """Return the ledger's today, which is the same for everybody."""
    return utc_date(timezone.now())


def shift(day: date, count: int) -> date:
    """Return the day `count` days later (earlier if negative), limited to date.min and date.max."""
    return date.fromordinal(min(max(day.toordinal() + count, 1), date.max.toordinal()))


def parse_day(text: object) -> date | None:
    """Return the date that a text of the form YYYY-MM-DD names; None for anything else."""
    # Python parses 20260301 and 2026-W09-7 as well.
    if not isinstance(text, str) or len(text) != 10 or (text[4], text[7]) != ("-", "-"):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
