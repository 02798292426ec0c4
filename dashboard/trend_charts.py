"""The chart of one measure over a period, as the template draws it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from dashboard import charts
from dashboard.charts import Scale, Tick
from dashboard.comparisons import difference, range_text
from dashboard.marks import describe_mark, name_mark
from dashboard.templatetags.figures import number, time_of_day, with_unit
from dashboard.trends import Trend
from dashboard.usual import runs
from ingest.coverage import is_missing, merge_alike
from ingest.ledger import Range
from metrics.columns import mean
from metrics.measures import Measure
from myhealth.days import DAYS_OF_WEEK, ONE_DAY, Days, from_days
from myhealth.preferences import short_clock
from myhealth.states import State

# The height of the drawing.
PIXELS = 200
DOTS_HEIGHT = 1000
# Up to so many days each has a link and a line in the table; beyond, each month.
_MOST_LINKS = 400
_MANY_DAYS = 1200
_STEP = 14
_ANY_DAY = "2000-01-01"
# A gap of so many percent of the width has room for its label.
_ROOM_FOR_LABEL = 12


@dataclass(frozen=True)
class Gap(Days):
    """Days without a value of a measure, and why."""

    label: str
    reason: str | None


def gaps_of(trend: Trend, ranges: Iterable[Range]) -> list[Gap]:
    """Return the days without a value that should have one, newest first.

    `ranges` are those of the ledger. Days that are stored may lack a value all the same.
    """
    have = set(trend.days)
    gaps: list[Gap] = []
    for each in merge_alike(ranges):
        if each.state.has_row:
            without = from_days(day for day in each if day.toordinal() not in have)
            label = "no value" if each.state == State.HELD else each.state.label
            why = each.reason or "There is no usable value from Oura."
            gaps += [Gap(days.start, days.end, label, why) for days in without]
        elif is_missing(each):
            reason = each.reason if each.state != State.NOT_ASKED else None
            gaps.append(Gap(each.start, each.end, each.state.label, reason))
    return gaps[::-1]


@dataclass(frozen=True)
class TrendChart:
    """A trend, drawn, with its gaps."""

    trend: Trend
    gaps: Sequence[Gap]
    days_expected: int
    first_weekday: int

    @property
    def days(self) -> Days:
        return self.trend.period

    @cached_property
    def scale(self) -> Scale:
        # What is left out may be far away, and would make the others flat.
        points, left_out = self.trend.points, self.trend.left_out
        counted = [value for day, value in points if day not in left_out]
        return charts.scale_of(self.trend.measure, counted or [value for _, value in points])

    @property
    def lines(self) -> list[tuple[float, str]]:
        """Return the horizontal lines: their place in pixels, and the label."""
        ticks = self.scale.ticks(lambda value: _short(self.trend.measure, value))
        return [(tick.at * PIXELS / charts.HEIGHT, tick.label) for tick in ticks]

    @property
    def labels(self) -> list[Tick]:
        return charts.day_ticks(self.days, self.first_weekday)

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
        """Return the path of the points that are counted, of `DOTS_HEIGHT`.

        A day is at its place, without the half that the other paths have: ten years have thousands
        of points, and whole numbers are written several times as fast.
        """
        first, left_out = self.days.start.toordinal(), self.trend.left_out
        high, per_unit = self.scale.high, DOTS_HEIGHT / (self.scale.high - self.scale.low)
        return charts.dots(
            [
                (day - first, round((high - value) * per_unit))
                for day, value in self.trend.points
                if day not in left_out
            ]
        )

    @cached_property
    def dots_left_out(self) -> str:
        """Return the path of the others, which may be beyond the scale."""
        days, y = self.trend.left_out, self.scale.y_within
        points = self.trend.points if days else ()
        return charts.dots([(self._x(day), y(value)) for day, value in points if day in days])

    @cached_property
    def _runs(self) -> list[list[int]]:
        """Return the days that lines are drawn through, without a gap or a mark between.

        Two weeks of ten years are four pixels, so that one day of them is enough, and the last.
        """
        step = _STEP if len(self.days) > _MANY_DAYS else 1
        found = runs(self.trend.days, self.trend.breaks)
        return [[*range(first, last, step), last] for first, last in found]

    @cached_property
    def medians(self) -> str:
        """Return the paths of the moving median."""
        y = self.scale.y
        return self._paths(
            self.trend.medians_at,
            lambda points: charts.line([(self._x(day), y(median)) for day, median in points]),
        )

    @cached_property
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
    def gap_path(self) -> str:
        """Return the path of the gaps, at the bottom of the chart."""
        first = self.days.start
        return "".join(f"M{(each.start - first).days} 0h{len(each)}" for each in self.gaps)

    @property
    def gap_dots(self) -> str:
        """Return the path of the gaps as points: in many days, one day is too short to be seen."""
        first = self.days.start
        return charts.dots(((each.start - first).days + len(each) / 2, 0) for each in self.gaps)

    @property
    def gap_labels(self) -> list[tuple[float, str]]:
        """Return the labels of long gaps, with their middle in percent."""
        length, first = len(self.days), self.days.start
        return [
            (round(100 * ((each.start - first).days + len(each) / 2) / length, 2), each.label)
            for each in self.gaps
            if 100 * len(each) / length >= _ROOM_FOR_LABEL
        ]

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Return the marks: the place in percent, and what is new there."""
        return [
            (
                round(100 * (mark["day"] - self.days.start).days / len(self.days), 2),
                name_mark(mark),
            )
            for mark in self.trend.marks
            if mark["day"] in self.days
        ]

    @property
    def summary(self) -> str:
        """Return the average, how many days it is of, and how it compares; empty without values."""
        return " · ".join(filter(None, (self._average, self._comparison)))

    @property
    def _average(self) -> str:
        trend = self.trend
        have, expected, counted = len(trend.points), self.days_expected, trend.mean.days
        days = "night" if trend.measure.metric_type.of_night else "day"
        days += "" if expected == 1 else "s"
        if not have:
            return ""
        if not counted:
            return f"{have:,} of {expected:,} {days} with data, none of them counted"
        average = f"average {with_unit(trend.mean.mean, trend.measure)} over {counted:,}"
        if counted == have == expected:
            return f"{average} {days}"
        if have in (counted, expected):
            return f"{average} of {expected:,} {days}"
        return f"{average} of the {have:,} {days} with data; {expected:,} {days} in this period"

    @property
    def _comparison(self) -> str:
        """Return how the average compares with that of the period before; empty if it doesn't."""
        now, before = self.trend.mean.mean, self.trend.mean_before.mean
        if now is None or before is None or not self.trend.is_known_before:
            return ""
        measure, days = self.trend.measure, f"in the {len(self.days)} days before"
        if not self.trend.is_comparable:
            return f"not comparable with {with_unit(before, measure)} {days}"
        words = difference(measure, now, before)
        return f"{words} {'as' if words == 'the same' else 'than'} {days}"

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
            f"{len(values)} value{'s' if len(values) > 1 else ''} from {lowest} to {highest}. "
            f"The newest, from {_day(date.fromordinal(day))}, is {newest}."
        )

    @cached_property
    def weekdays(self) -> list[dict[str, Any]]:
        """Return a line for each weekday, with a bar from quartile to quartile; empty if unknown.

        Places are in percent of the width, which is that of all bars together.
        """
        known = [usual for _, usual in self.trend.weekdays if usual]
        if not known:
            return []
        low, high = min(each.q1 for each in known), max(each.q3 for each in known)
        found: list[dict[str, Any]] = []
        for place in range(7):
            weekday = (self.first_weekday - 1 + place) % 7
            _, usual = self.trend.weekdays[weekday]
            line: dict[str, Any] = {"name": DAYS_OF_WEEK[weekday], "median": "–"}
            if usual:
                start, middle, end = (
                    round(100 * (value - low) / (high - low), 1) if high > low else 50
                    for value in usual
                )
                line |= {
                    "median": with_unit(usual.median, self.trend.measure),
                    "range": range_text(self.trend.measure, usual.q1, usual.q3),
                    # A single value is to be seen as well.
                    "start": min(start, 99),
                    "width": max(round(end - start, 1), 1),
                    "middle": middle,
                }
            found.append(line)
        return found

    @property
    def table(self) -> SafeString:
        """Return the values by day, or their averages by month, newest first."""
        heads = (
            ("Month, with its last 30 days", "Average", "Days")
            if self.is_many
            else ("Day", "Value", "Your usual range")
        )
        rows = (
            f'<tr><th scope=row><a href="{address}">{text}</a></th>'
            f"<td>{escape(value)}</td><td>{escape(beside)}</td></tr>"
            for address, text, value, beside in (self._months() if self.is_many else self._days())
        )
        head = "".join(f"<th scope=col>{each}</th>" for each in heads)
        return mark_safe(
            f"<table><caption class=hidden>{escape(self.trend.measure.heading)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )

    def _days(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the rows of the table: address, day, value and usual range, newest first."""
        measure = self.trend.measure
        usual, page = self.trend.usual_at(self.trend.days), self._page
        for (ordinal, value), before in zip(
            reversed(self.trend.points), reversed(usual), strict=True
        ):
            day = date.fromordinal(ordinal)
            known = range_text(measure, before.q1, before.q3) if before else "–"
            note = " (not counted)" if ordinal in self.trend.left_out else ""
            yield page.format(day), _day(day), with_unit(value, measure) + note, known

    def _months(self) -> Iterator[tuple[str, str, str, str]]:
        for month in reversed(_months(self.days)):
            values = self.trend.counted.between(month.start.toordinal(), month.end.toordinal())
            average = with_unit(mean(values), self.trend.measure)
            yield f"?{self._query(month)}", f"{month.start:%B %Y}", average, str(len(values))

    def _query(self, month: Days) -> str:
        return f"measure={self.trend.measure.name}&amp;period=30d&amp;end={month.end}"

    @property
    def links(self) -> SafeString:
        """Return a column for each day with a value, or each month, which leads there."""
        return mark_safe(
            "".join(
                f'<a href="{address}" tabindex="-1"><rect x="{at}" width="{width}" height="100"/>'
                f"<title>{escape(text)}</title></a>"
                for address, at, width, text in (
                    self._links_to_months() if self.is_many else self._links_to_days()
                )
            )
        )

    def _links_to_days(self) -> Iterator[tuple[str, int, int, str]]:
        """Yield the address, the place and the width of each day, and what it says."""
        measure, first, page = self.trend.measure, self.days.start.toordinal(), self._page
        for ordinal, value in self.trend.points:
            day = date.fromordinal(ordinal)
            text = f"{_day(day)}: {with_unit(value, measure)}"
            yield page.format(day), ordinal - first, 1, text

    def _links_to_months(self) -> Iterator[tuple[str, int, int, str]]:
        for month in _months(self.days):
            place = (month.start - self.days.start).days
            text = f"The 30 days up to {_day(month.end)}"
            yield f"?{self._query(month)}", place, len(month), text

    @property
    def _page(self) -> str:
        """Return the address of a day, with {} for the day: reversing it each time takes long."""
        name = "night" if self.trend.measure.metric_type.of_night else "day-page"
        return reverse(name, args=[_ANY_DAY]).replace(_ANY_DAY, "{}")


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _months(days: Days) -> list[Days]:
    """Return the months of the days, the first and the last perhaps in part."""
    numbers = range(_month_number(days.start), _month_number(days.end) + 1)
    firsts = [date(number // 12, number % 12 + 1, 1) for number in numbers]
    starts = [days.start, *firsts[1:]]
    ends = [*(first - ONE_DAY for first in firsts[1:]), days.end]
    return list(map(Days, starts, ends))


def _month_number(day: date) -> int:
    return 12 * day.year + day.month - 1


def _short(measure: Measure, value: float) -> str:
    """Return a value for the label of a line, in few characters."""
    if measure.is_clock:
        return short_clock(time_of_day(value))
    text = with_unit(value, measure)
    if measure.unit in ("s", "min"):
        return text.replace(" h 00 min", " h").removesuffix(" min") if " h" in text else text
    return number(value, measure)
