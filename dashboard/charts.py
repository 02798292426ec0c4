"""Geometry of charts: scales, ticks and paths, which the templates draw as SVG.

A chart has one unit of width for each day (or minute), and 100 units of height, 0 at the top. It is
stretched to the width of its card, while lines, points and texts keep their size.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from dashboard.units import Unit, shown_unit
from metrics.measures import Measure
from myhealth.days import Days

HEIGHT = 100
# The steps between horizontal lines: of numbers times a power of ten, of times in minutes.
_STEPS = (1, 2, 5)
_MINUTE_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)
_MOST_LINES = 5
# A scale has at least so many of the smallest steps that are shown, or so many seconds or minutes.
_LEAST_STEPS = 10
_LEAST = {"s": 1800.0, "min": 30.0}
_AS_STORED = Unit("", 0)


class Tick(NamedTuple):
    """A line of a scale; `at` is in percent. Minor labels are left out on narrow screens."""

    at: float
    label: str
    minor: bool = False


@dataclass(frozen=True)
class Scale:
    """A vertical scale from `low` at the bottom to `high` at the top, which are stored values.

    Its lines are `step` apart in the unit that is shown.
    """

    low: float
    high: float
    step: float
    unit: Unit = _AS_STORED

    def y(self, value: float) -> float:
        return round((self.high - value) * (HEIGHT / (self.high - self.low)), 1)

    def y_within(self, value: float) -> float:
        """Return the same, at the edge for values beyond the scale."""
        return self.y(min(max(value, self.low), self.high))

    def ticks(self, label: Callable[[float], str]) -> list[Tick]:
        """Return the lines, from the lowest up."""
        first = math.ceil(self.unit.shown(self.low) / self.step - 1e-9)
        last = math.floor(self.unit.shown(self.high) / self.step + 1e-9)
        numbers = (round(number * self.step, 6) for number in range(first, last + 1))
        values = map(self.unit.stored, numbers)
        return [Tick(self.y(value), label(value)) for value in values]


def fit_scale(
    values: Iterable[float],
    *,
    unit: str = "",
    decimals: int = 0,
    from_zero: bool = False,
    shown: Unit = _AS_STORED,
) -> Scale:
    """Return a scale that covers the stored values, with up to five lines.

    Its lines are at round numbers of the unit that is `shown`. `decimals` are those that are shown:
    small differences look small. Without a negative value, the scale has none.
    """
    ordered = sorted(values)
    ends = (ordered[0], ordered[-1]) if ordered else (0.0, 1.0)
    low, high = map(shown.shown, ends)
    is_positive = low >= 0
    least = _LEAST.get(unit, _LEAST_STEPS * 10**-decimals)
    if from_zero:
        low = min(low, 0.0)
    if high - low < least:
        beyond = (least - (high - low)) / 2
        low, high = (low, low + least) if from_zero else (low - beyond, high + beyond)
    room = 0.06 * (high - low)
    low, high = (low if from_zero and low == 0 else low - room), high + room
    if is_positive and low < 0:
        low = 0.0
    step = next(step for step in _steps(unit, high - low) if _lines(low, high, step) <= _MOST_LINES)
    return Scale(shown.stored(low), shown.stored(high), step, shown)


def scale_of(measure: Measure, values: Iterable[float]) -> Scale:
    """Return the scale for values of a measure, as they are shown."""
    unit = shown_unit(measure)
    return fit_scale(
        values,
        unit=measure.unit,
        decimals=unit.decimals,
        from_zero=measure.is_count,
        shown=unit,
    )


def _steps(unit: str, spread: float) -> Iterator[float]:
    """Return possible steps, from small to large."""
    if unit in ("s", "min"):
        yield from (step * (60 if unit == "s" else 1) for step in _MINUTE_STEPS)
        day = 1440 * (60 if unit == "s" else 1)
        yield from (day * 2**power for power in range(64))
    power = math.floor(math.log10(spread)) - 2
    while True:
        yield from (step * 10.0**power for step in _STEPS)
        power += 1


def _lines(low: float, high: float, step: float) -> int:
    return math.floor(high / step) - math.ceil(low / step) + 1


# Paths --------------------------------------------------------------------------------------------


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Return a path of lines without length, which are drawn as points by round ends."""
    return "".join([f"M{x} {y}h0" for x, y in points])


def line(points: Sequence[tuple[float, float]]) -> str:
    """Return the path of a line; a single point is drawn as a point."""
    if len(points) == 1:
        return dots(points)
    first, *rest = points
    return f"M{first[0]:g} {first[1]:g}L" + " ".join(f"{x:g} {y:g}" for x, y in rest)


def lines(stretches: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return the paths through stretches of points, of which each has at least two."""
    return "".join(line(each) for each in stretches if len(each) > 1)


def lone_points(stretches: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return the path of the points that have a gap on both sides."""
    return dots(each[0] for each in stretches if len(each) == 1)


def band(points: Sequence[tuple[float, float, float]]) -> str:
    """Return the path of the area between two lines: x, and y of both."""
    if len(points) == 1:
        # As wide as the day it stands for.
        [(x, low, high)] = points
        points = [(x - 0.5, low, high), (x + 0.5, low, high)]
    there = " ".join(f"{x:g} {low:g}" for x, low, _ in points)
    back = " ".join(f"{x:g} {high:g}" for x, _, high in reversed(points))
    return f"M{there} {back}Z"


# Days ---------------------------------------------------------------------------------------------

_SATURDAY = 5
# As many have room on a phone.
_MOST_LABELS = 5


def weekends(days: Days) -> list[tuple[int, int]]:
    """Return the weekends as the place of the first day and the number of days."""
    found: list[tuple[int, int]] = []
    for place, day in enumerate(days):
        if day.weekday() >= _SATURDAY:
            if found and found[-1][0] + found[-1][1] == place:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((place, 1))
    return found


def day_ticks(days: Days, first_weekday: int) -> list[Tick]:
    """Return labels for the days of a chart: of weeks, months or years, by its length."""
    length = len(days)
    if length <= 45:
        chosen = [(day, f"{day.day} {day:%b}") for day in days if day.isoweekday() == first_weekday]
    elif length <= 120:
        chosen = [(day, f"{day.day} {day:%b}") for day in days if day.day in (1, 15)]
    elif length <= 800:
        chosen = [(day, _month(day)) for day in days if day.day == 1]
    else:
        chosen = [(date(year, 1, 1), str(year)) for year in _years(days)]
    inside = [
        (at, label)
        for day, label in chosen
        if 2 <= (at := round(100 * ((day - days.start).days + 0.5) / length, 2)) <= 98
    ]
    is_tight = len(inside) > _MOST_LABELS
    return [
        Tick(at, label, is_tight and place % 2 == 1) for place, (at, label) in enumerate(inside)
    ]


def _month(day: date) -> str:
    return f"{day:%Y}" if day.month == 1 else f"{day:%b}"


def _years(days: Days) -> range:
    return range(days.start.year + 1, days.end.year + 1)
