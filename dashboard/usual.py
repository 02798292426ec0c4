"""What is usual for a person: quartiles of the days before, and moving medians. No database.

Days are ordinals (`date.toordinal`), oldest first. No window crosses a break: the day of a mark,
from which on values can't be compared with those before.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

# The usual range is that of so many days before a day, of which so many must have a value.
USUAL_DAYS = 90
USUAL_NEEDS = 14
# Windows that begin so many values apart are sorted one by one.
_FAR_APART = 4
_LAST = date.max.toordinal()
# A moving median needs a value on at least one in so many of the days of its window.
_SHARE = 3


class Usual(NamedTuple):
    """The quartiles of the values before a day; the middle half lies between the outer two."""

    q1: float
    median: float
    q3: float


class Values(NamedTuple):
    """The values of days, and the breaks among them."""

    days: list[int]
    values: list[float]
    breaks: Sequence[int] = ()

    def between(self, first: int, last: int) -> list[float]:
        """Return the values from the first to the last day, both included."""
        return self.values[bisect_left(self.days, first) : bisect_right(self.days, last)]

    def before(self, day: int) -> list[float]:
        """Return the values that decide what is usual on a day."""
        return self.between(*self._before(day))

    def since_break(self, first: int, last: int) -> Iterator[tuple[int, float]]:
        """Return days and values from the first to the last day, without those before a break."""
        first = max(first, self._segment(last)[0])
        begin, end = bisect_left(self.days, first), bisect_right(self.days, last)
        return zip(self.days[begin:end], self.values[begin:end], strict=True)

    def usual_at(self, days: Iterable[int]) -> list[Usual | None]:
        """Return what is usual on each of the days, which are in order."""
        return [_quartiles(window) for window in self._windows(map(self._before, days))]

    def medians_at(self, days: Iterable[int], width: int) -> list[float | None]:
        """Return the median of the `width` days around each of the days, which are in order.

        It is None for too few values.
        """
        needs = -(-width // _SHARE)
        bounds = (self._around(day, width // 2) for day in days)
        return [
            _quantile(window, 2) if len(window) >= needs else None
            for window in self._windows(bounds)
        ]

    def _before(self, day: int) -> tuple[int, int]:
        return max(day - USUAL_DAYS, self._segment(day)[0]), day - 1

    def _around(self, day: int, half: int) -> tuple[int, int]:
        first, last = self._segment(day)
        return max(day - half, first), min(day + half, last)

    def _windows(self, bounds: Iterable[tuple[int, int]]) -> Iterator[list[float]]:
        """Yield the sorted values from the first to the last day of each pair.

        Both go up from pair to pair. If most windows share values with the one before, sorting each
        would take several times as long.
        """
        bounds = list(bounds)
        if len(bounds) * _FAR_APART < len(self.days):
            yield from (sorted(self.between(first, last)) for first, last in bounds)
            return
        window: list[float] = []
        begin = end = 0
        for first, last in bounds:
            while end < len(self.days) and self.days[end] <= last:
                insort(window, self.values[end])
                end += 1
            while begin < end and self.days[begin] < first:
                del window[bisect_left(window, self.values[begin])]
                begin += 1
            yield window

    def _segment(self, day: int) -> tuple[int, int]:
        """Return the first and the last day between two breaks that a day is in."""
        place = bisect_right(self.breaks, day)
        first = self.breaks[place - 1] if place else 0
        return first, self.breaks[place] - 1 if place < len(self.breaks) else _LAST


def usual_of(values: Iterable[float], needs: int = USUAL_NEEDS) -> Usual | None:
    """Return the quartiles; None for fewer values than it needs."""
    return _quartiles(sorted(values), needs)


def runs(days: Iterable[int], breaks: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Return the first and the last day of each run of days without a gap or a break between."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and day == found[-1][1] + 1 and day not in breaks:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _quartiles(ordered: Sequence[float], needs: int = USUAL_NEEDS) -> Usual | None:
    if len(ordered) < needs:
        return None
    return Usual(_quantile(ordered, 1), _quantile(ordered, 2), _quantile(ordered, 3))


def _quantile(ordered: Sequence[float], quarter: int) -> float:
    """Return a quartile, interpolated as by PostgreSQL's `percentile_cont`."""
    place, rest = divmod((len(ordered) - 1) * quarter, 4)
    low = ordered[place]
    return low if not rest else round(low + (ordered[place + 1] - low) * rest / 4, 4)
