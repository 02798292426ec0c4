"""Charts of a day's series of categories: for each hour the minutes of each, stacked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from metrics.series import Run, Series, Value
from myhealth.preferences import clock, short_clock

# The height of the drawing.
PIXELS = 160
_HOUR = timedelta(hours=1)
_MINUTES = 60
# A day has so many hours, some of which may be still to come; a day of travel may have more.
_HOURS = 24
# The share of an hour's width between its column and the next.
_GAP = 0.2
# An hour's label stands at every third; on narrow screens at every sixth.
_LABEL_EVERY, _MAJOR_EVERY = 3, 6
# A category is the stronger drawn the later its series names it, and quietly in the first half.
_FAINTEST, _CURVE = 0.1, 1.8


class Level(NamedTuple):
    """A category of a series: its name, and how strongly it is drawn; the first one is hatched."""

    value: Value
    name: str
    opacity: float
    is_first: bool


class Part(NamedTuple):
    """A part of an hour's column, in pixels from the top."""

    level: Level
    y: float
    height: float


class Hour(NamedTuple):
    """An hour: its place, when it begins, and the minutes of each level in it."""

    place: int
    start: datetime
    minutes: dict[Value, float]

    @property
    def time(self) -> str:
        return clock(self.start)


class Column(NamedTuple):
    """An hour's column: its place and width in percent, what it has in words, and its parts."""

    x: float
    width: float
    words: str
    parts: list[Part]


@dataclass(frozen=True)
class HourChart:
    """A series of categories of one day, by the hours of the clock on which the day began."""

    series: Series
    hours: Sequence[Hour]

    @cached_property
    def levels(self) -> list[Level]:
        """Return the categories, the last one first: it stands lowest in the columns."""
        names = list(self.series.names.items())
        most = max(len(names) - 1, 1)
        return [
            Level(value, name, round(max((place / most) ** _CURVE, _FAINTEST), 2), place == 0)
            for place, (value, name) in reversed(list(enumerate(names)))
        ]

    @property
    def columns(self) -> list[Column]:
        """Return a column for each hour that has anything."""
        share = 100 / self._most_hours
        return [
            Column(
                round((hour.place + _GAP / 2) * share, 2),
                round((1 - _GAP) * share, 2),
                self._in_words(hour),
                list(self._parts(hour)),
            )
            for hour in self.hours
            if hour.minutes
        ]

    @property
    def _most_hours(self) -> int:
        return max(len(self.hours), _HOURS)

    def _parts(self, hour: Hour) -> Iterator[Part]:
        y = float(PIXELS)
        for level in self.levels:
            if minutes := hour.minutes.get(level.value):
                height = minutes * PIXELS / _MINUTES
                y -= height
                yield Part(level, round(y, 1), round(height, 1))

    def _in_words(self, hour: Hour) -> str:
        found = (
            f"{level.name} {hour.minutes[level.value]:.0f} min"
            for level in self.levels
            if level.value in hour.minutes
        )
        return f"{hour.time}: {', '.join(found)}"

    @property
    def labels(self) -> list[tuple[float, str, bool]]:
        """Return the labels of hours: the place in percent, the time, whether it is minor."""
        first = self.hours[0].start
        return [
            (
                round(100 * place / self._most_hours, 2),
                short_clock(first + place * _HOUR),
                place % _MAJOR_EVERY > 0,
            )
            for place in range(0, self._most_hours, _LABEL_EVERY)
        ]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the rows of the table: the hour, and the minutes of each level."""
        return [
            (hour.time, [f"{hour.minutes.get(level.value, 0):.0f}" for level in self.levels])
            for hour in self.hours
            if hour.minutes
        ]

    @property
    def description(self) -> str:
        """Return what the chart shows, for those who can't see it."""
        known = [hour for hour in self.hours if hour.minutes]
        level = next(
            each for each in self.levels if any(each.value in hour.minutes for hour in known)
        )
        most = max(known, key=lambda hour: hour.minutes.get(level.value, 0))
        return (
            f"One column for each hour, starting at {self.hours[0].time}. "
            f"The hour with the most {level.name} starts at {most.time}: "
            f"{most.minutes[level.value]:.0f} min."
        )


def hour_chart(series: Series, runs: Iterable[Run], until: datetime) -> HourChart | None:
    """Return the chart of a day's runs up to a moment; None if they have no values."""
    minutes: dict[datetime, dict[Value, float]] = {}
    for run in runs:
        for moment, value in run.points():
            if value not in series.names or moment >= until:
                continue
            hour = moment.replace(minute=0, second=0, microsecond=0, tzinfo=None)
            in_hour = minutes.setdefault(hour, {})
            in_hour[value] = in_hour.get(value, 0) + run.step / _MINUTES
    if not minutes:
        return None
    first, count = min(minutes), (max(minutes) - min(minutes)) // _HOUR + 1
    hours = (first + place * _HOUR for place in range(count))
    return HourChart(
        series,
        [Hour(place, hour, minutes.get(hour, {})) for place, hour in enumerate(hours)],
    )
