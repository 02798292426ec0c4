"""Sparklines: the last days of a measure beside its value, drawn small."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from dashboard import charts
from dashboard.charts import Scale
from dashboard.templatetags.figures import with_unit
from dashboard.trends import Points, Trend
from dashboard.usual import Usual, runs
from myhealth.days import Days, shift

_DAYS = 14


@dataclass(frozen=True)
class Sparkline:
    """The days of a trend up to its end; `usual` is the person's usual of the newest one."""

    trend: Trend
    usual: Usual | None

    @cached_property
    def days(self) -> Days:
        end = self.trend.period.end
        return Days(shift(end, 1 - _DAYS), end)

    @cached_property
    def points(self) -> Points:
        first = self.days.start.toordinal()
        return [point for point in self.trend.points if point[0] >= first]

    @cached_property
    def _scale(self) -> Scale:
        usual = (self.usual.q1, self.usual.q3) if self.usual else ()
        return charts.fit_scale([*(value for _, value in self.points), *usual])

    def _place(self, point: tuple[int, float]) -> tuple[float, float]:
        return point[0] - self.days.start.toordinal() + 0.5, self._scale.y(point[1])

    @cached_property
    def _stretches(self) -> list[list[tuple[float, float]]]:
        """The days between gaps: a day without a value, or a mark, is one."""
        return [
            [self._place(each) for each in self.points if first <= each[0] <= last]
            for first, last in runs([day for day, _ in self.points], self.trend.breaks)
        ]

    @property
    def path(self) -> str:
        return charts.lines(self._stretches)

    @property
    def lone(self) -> str:
        """Return the path of the days that have a gap on both sides."""
        return charts.lone_points(self._stretches)

    @property
    def newest(self) -> str:
        """Return the path of the newest point."""
        return charts.dots([self._place(self.points[-1])])

    @property
    def band(self) -> str:
        """Return the path of the usual range, since the last mark."""
        if not self.usual:
            return ""
        start, breaks = self.days.start.toordinal(), self.trend.breaks
        first = max([0, *(each - start for each in breaks if each <= self.points[-1][0])])
        low, high = self._scale.y(self.usual.q1), self._scale.y(self.usual.q3)
        return charts.band([(first, low, high), (len(self.days), low, high)])

    @property
    def title(self) -> str:
        return f"{self.trend.measure.heading}, {len(self.days)} days"

    @property
    def description(self) -> str:
        """Return what the sparkline shows, for those who can't see it."""
        values = [value for _, value in self.points]
        lowest, highest, newest = (
            with_unit(each, self.trend.measure) for each in (min(values), max(values), values[-1])
        )
        day = date.fromordinal(self.points[-1][0])
        return f"From {lowest} to {highest}. The newest, from {day.day} {day:%B}, is {newest}."
