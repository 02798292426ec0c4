"""What is usual for a person: quartiles of the days before, and moving medians. No database.

Days are ordinals (`date.toordinal`), oldest first. No window crosses a break: the day of a mark,
from which on values can't be compared with those before.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# The usual range is that of so many days before a day, of which so many must have a value.
USUAL_DAYS = 90
USUAL_NEEDS = 14
# A moving median needs a value on so many of the days of its window: one in three.
_SHARE = 3


class Usual(NamedTuple):
    """The quartiles of the values before a day; the middle half lies between the outer two."""

    q1: float
    median: float
    q3: float


def usual_of(values: Iterable[float]) -> Usual | None:
    """Return the quartiles; None for too few values."""
    return _quartiles(sorted(values))


def values_before(
    day: int, counted: Sequence[tuple[int, float]], breaks: Sequence[int] = ()
) -> list[float]:
    """Return the values of the 90 days before a day, or of those since the last break."""
    oldest = max(day - USUAL_DAYS, _segment_start(day, breaks))
    return [value for each, value in counted if oldest <= each < day]


def usual_ranges(
    days: Iterable[int], counted: Sequence[tuple[int, float]], breaks: Sequence[int] = ()
) -> list[Usual | None]:
    """Return the usual of the 90 days before each of the days; None without 14 values in them."""
    ranges: list[Usual | None] = []
    window: list[float] = []
    first = last = 0  # Those in the window.
    for day in days:
        began = _segment_start(day, breaks)
        while last < len(counted) and counted[last][0] < day:
            insort(window, counted[last][1])
            last += 1
        oldest = max(day - USUAL_DAYS, began)
        while first < last and counted[first][0] < oldest:
            del window[bisect_left(window, counted[first][1])]
            first += 1
        ranges.append(_quartiles(window))
    return ranges


def moving_medians(
    days: Iterable[int],
    counted: Sequence[tuple[int, float]],
    width: int,
    breaks: Sequence[int] = (),
) -> list[float | None]:
    """Return the median of the `width` days around each of the days; None for too few values."""
    medians: list[float | None] = []
    window: list[float] = []
    half, first, last = width // 2, 0, 0
    bounds = [*breaks, None]
    for day in days:
        end = bounds[bisect_right(breaks, day)]
        newest = day + half if end is None else min(day + half, end - 1)
        while last < len(counted) and counted[last][0] <= newest:
            insort(window, counted[last][1])
            last += 1
        oldest = max(day - half, _segment_start(day, breaks))
        while first < last and counted[first][0] < oldest:
            del window[bisect_left(window, counted[first][1])]
            first += 1
        medians.append(_quantile(window, 2) if len(window) >= max(width // _SHARE, 1) else None)
    return medians


def runs(days: Iterable[int], breaks: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Return the first and the last day of each run of days without a gap or a break between."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and day == found[-1][1] + 1 and day not in breaks:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _segment_start(day: int, breaks: Sequence[int]) -> int:
    """Return the last break up to the day; 0 without one."""
    place = bisect_right(breaks, day)
    return breaks[place - 1] if place else 0


def _quartiles(ordered: Sequence[float]) -> Usual | None:
    if len(ordered) < USUAL_NEEDS:
        return None
    return Usual(_quantile(ordered, 1), _quantile(ordered, 2), _quantile(ordered, 3))


def _quantile(ordered: Sequence[float], quarter: int) -> float:
    """Return a quartile, interpolated as by PostgreSQL's `percentile_cont`."""
    place, rest = divmod((len(ordered) - 1) * quarter, 4)
    low = ordered[place]
    return low if not rest else round(low + (ordered[place + 1] - low) * rest / 4, 4)
