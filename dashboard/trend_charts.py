"""The chart of one measure over a period, as the template draws it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard import charts
from dashboard.charts import Scale, Tick
from dashboard.comparisons import range_text
from dashboard.marks import describe_mark
from dashboard.templatetags.figures import number, with_unit
from dashboard.trends import Trend
from dashboard.usual import runs
from ingest.ledger import Range
from metrics.columns import in_words, mean
from metrics.measures import Measure
from myhealth.days import Days

# The height of the drawing.
PIXELS = 200
# Up to so many days each has a link, and the usual is drawn for each; beyond, for each week.
_MOST_LINKS = 400
_MANY_DAYS = 1200
_WEEK = 7
# A gap of so many percent of the width has room for its label.
_ROOM_FOR_LABEL = 12


class Gap(NamedTuple):
    """Missing days at the bottom of a chart, in percent of its width."""

    at: float
    width: float
    middle: float
    label: str


@dataclass(frozen=True)
class TrendChart:
    """A trend, drawn. `missing` are the missing days of its type, newest first."""

    trend: Trend
    missing: Sequence[Range]

    @property
    def days(self) -> Days:
        return self.trend.period

    @cached_property
    def scale(self) -> Scale:
        # What is left out may be far away, and would make the others flat.
        values = [value for day, value in self.trend.points if day not in self.trend.left_out]
        measure = self.trend.measure
        return charts.fit_scale(values, unit=measure.unit, from_zero=measure.is_count)

    @property
    def lines(self) -> list[tuple[float, str]]:
        """Return the horizontal lines: their place in pixels, and the label."""
        ticks = self.scale.ticks(lambda value: _short(self.trend.measure, value))
        return [(tick.at * PIXELS / charts.HEIGHT, tick.label) for tick in ticks]

    @property
    def labels(self) -> list[Tick]:
        return charts.day_ticks(self.days)

    @property
    def weekends(self) -> list[tuple[int, int]]:
        return charts.weekends(self.days) if len(self.days) <= _MOST_LINKS else []

    @property
    def is_many(self) -> bool:
        return len(self.days) > _MOST_LINKS

    def _x(self, day: int) -> float:
        """Return the middle of a day."""
        return day - self.days.start.toordinal() + 0.5

    @property
    def dots(self) -> str:
        return self._dots(left_out=False)

    @property
    def dots_left_out(self) -> str:
        return self._dots(left_out=True)

    def _dots(self, *, left_out: bool) -> str:
        y, days = self.scale.y_within, self.trend.left_out
        return charts.dots(
            (self._x(day), y(value))
            for day, value in self.trend.points
            if (day in days) == left_out
        )

    @cached_property
    def _runs(self) -> list[list[int]]:
        """Return the days that lines are drawn through, without a gap or a mark between.

        In many days a week is about a pixel, so that a day of each is enough, and the last of all.
        """
        step = _WEEK if len(self.days) > _MANY_DAYS else 1
        found = runs(self.trend.days, self.trend.breaks)
        return [[*range(first, last, step), last] for first, last in found]

    @property
    def medians(self) -> str:
        """Return the paths of the moving median."""
        y = self.scale.y
        return self._paths(
            self.trend.medians_at,
            lambda points: charts.line([(self._x(day), y(median)) for day, median in points]),
        )

    @property
    def bands(self) -> str:
        """Return the paths of the usual range."""
        y = self.scale.y
        return self._paths(
            self.trend.usual_at,
            lambda points: charts.band(
                [(self._x(day), y(usual.q1), y(usual.q3)) for day, usual in points]
            ),
        )

    def _paths(
        self, read: Callable[[list[int]], list[Any]], draw: Callable[[list[Any]], str]
    ) -> str:
        """Return the paths of what is read of the days: one for each run of days that have it."""
        known = iter(read([day for run in self._runs for day in run]))
        paths: list[str] = []
        for run in self._runs:
            values = [(day, next(known)) for day in run]
            for has_value, group in groupby(values, key=lambda each: each[1] is not None):
                if has_value:
                    paths.append(draw(list(group)))
        return "".join(paths)

    @property
    def gaps(self) -> list[Gap]:
        return [self._gap(each) for each in self.missing]

    def _gap(self, missing: Range) -> Gap:
        length = len(self.days)
        at = 100 * (missing.start - self.days.start).days / length
        width = 100 * len(missing) / length
        label = missing.state.label if width >= _ROOM_FOR_LABEL else ""
        return Gap(round(at, 2), round(width, 2), round(at + width / 2, 2), label)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Return the marks: the place in percent, and what is new there."""
        return [
            (
                round(100 * (mark["day"] - self.days.start).days / len(self.days), 2),
                f"new {in_words(mark['mark']).lower()}",
            )
            for mark in self.trend.marks
            if mark["day"] in self.days
        ]

    @property
    def mark_sentences(self) -> list[str]:
        return [describe_mark(each) for each in self.trend.marks if each["day"] in self.days]

    @property
    def description(self) -> str:
        """Return what the chart shows, for those who can't see it."""
        values = [value for _, value in self.trend.points]
        lowest, highest = (with_unit(each(values), self.trend.measure) for each in (min, max))
        day, value = self.trend.points[-1]
        newest = with_unit(value, self.trend.measure)
        return (
            f"{len(values)} values from {lowest} to {highest}. "
            f"The newest, of {_day(date.fromordinal(day))}, is {newest}."
        )

    @property
    def table(self) -> SafeString:
        """Return the values by day, or their averages by month."""
        measure = self.trend.measure
        rows = self._months() if self.is_many else self._days()
        heads = ("Month", "Average", "Days") if self.is_many else ("Day", "Value", "Your usual")
        return format_html(
            "<table><caption class=hidden>{}</caption><thead><tr>{}</tr></thead>"
            "<tbody>{}</tbody></table>",
            measure.title,
            format_html_join("", "<th scope=col>{}</th>", ((each,) for each in heads)),
            format_html_join(
                "", '<tr><th scope=row><a href="{}">{}</a></th><td>{}</td><td>{}</td></tr>', rows
            ),
        )

    def _days(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the rows of the table: address, day, value and usual range, newest first."""
        measure = self.trend.measure
        usual = self.trend.usual_at(self.trend.days)
        page = _page_of(measure)
        for (ordinal, value), before in zip(
            reversed(self.trend.points), reversed(usual), strict=True
        ):
            day = date.fromordinal(ordinal)
            known = range_text(measure, before.q1, before.q3) if before else "–"
            note = " (not counted)" if ordinal in self.trend.left_out else ""
            yield reverse(page, args=[day]), _day(day), with_unit(value, measure) + note, known

    def _months(self) -> Iterator[tuple[str, str, str, str]]:
        measure, counted = self.trend.measure, dict(self.trend.counted)
        for month in reversed(_months(self.days)):
            values = [counted[day.toordinal()] for day in month if day.toordinal() in counted]
            average = with_unit(mean(values), measure)
            yield f"?{self._query(month)}", f"{month.start:%B %Y}", average, str(len(values))

    def _query(self, month: Days) -> str:
        return f"measure={self.trend.measure.name}&period=30d&end={month.end}"

    @property
    def links(self) -> SafeString:
        """Return a column for each day with a value, or each month, which leads there."""
        if self.is_many:
            return self._links_to_months()
        measure = self.trend.measure
        page = _page_of(measure)
        return format_html_join(
            "",
            '<a href="{}" tabindex="-1"><rect x="{}" width="1" height="100"/><title>{}</title></a>',
            (
                (
                    reverse(page, args=[day]),
                    ordinal - self.days.start.toordinal(),
                    f"{_day(day)}: {with_unit(value, measure)}",
                )
                for ordinal, value in self.trend.points
                if (day := date.fromordinal(ordinal))
            ),
        )

    def _links_to_months(self) -> SafeString:
        return format_html_join(
            "",
            '<a href="?{}" tabindex="-1">'
            '<rect x="{}" width="{}" height="100"/><title>{}</title></a>',
            (
                (
                    self._query(month),
                    (month.start - self.days.start).days,
                    len(month),
                    f"{month.start:%B %Y}",
                )
                for month in _months(self.days)
            ),
        )


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _page_of(measure: Measure) -> str:
    return "night" if measure.metric_type.of_night else "day-page"


def _months(days: Days) -> list[Days]:
    """Return the months of the days, the first and the last perhaps in part."""
    months = (list(group) for _, group in groupby(days, key=lambda day: (day.year, day.month)))
    return [Days(month[0], month[-1]) for month in months]


def _short(measure: Measure, value: float) -> str:
    """Return a value for the label of a line, in few characters."""
    text = with_unit(value, measure)
    if measure.unit in ("s", "min"):
        return text.replace(" h 00 min", " h").removesuffix(" min") if " h" in text else text
    return number(value, measure)
