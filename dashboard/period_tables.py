"""Weeks or months beside one another: figures of each, and how they differ, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from dashboard import charts
from dashboard.comparisons import difference
from dashboard.day_cards import Shown, unit_of
from dashboard.marks import describe_mark, name_mark
from dashboard.periods import MONTH
from dashboard.queries import database_alias
from dashboard.summaries import Summary, may_compare
from dashboard.templatetags.figures import UNKNOWN, days_in_words, number, with_unit
from dashboard.units import shown_unit
from ingest.coverage import missing_ranges
from ingest.ledger import ledger
from metrics import MetricType
from metrics.columns import Figure
from metrics.measures import Measure
from myhealth.days import Days, utc_today
from myhealth.states import State

# The period of a trend that a figure links to.
_TREND = {"week": "90d", "month": "365d"}


def _day_of(metric_type: MetricType) -> str:
    return "night" if metric_type.of_night else "day"


class Missing(NamedTuple):
    """How many days have no row, and how many are partly stored."""

    days: int
    partial: int

    @classmethod
    def of(cls, by_state: Mapping[str, int]) -> "Missing":
        partial = by_state.get(State.PARTIAL, 0)
        return cls(sum(by_state.values()) - partial, partial)

    def in_words(self, days: str = "") -> str:
        named = f" {days}{'' if self.days == 1 else 's'}" if days else ""
        return ", ".join(
            [
                *([f"{self.days}{named} missing"] if self.days else []),
                *([f"{self.partial} {State.PARTIAL.label}"] if self.partial else []),
            ]
        )


@dataclass(frozen=True)
class Period:
    """A week or month with its summary, as pages name it."""

    days: Days
    by: str
    summary: Summary
    today: date

    @property
    def is_under_way(self) -> bool:
        return self.today in self.days

    @property
    def label(self) -> str:
        """Return its name in few characters, such as `9–15 Nov` or `Nov`."""
        start, end = self.days.start, self.days.end
        if self.by == MONTH:
            return f"{start:%b}"
        first = f"{start.day}" if start.month == end.month else f"{start.day} {start:%b}"
        # It may be broken after its dash alone.
        return f"{first}–{end.day} {end:%b}".replace(" ", "\N{NO-BREAK SPACE}")

    @property
    def year(self) -> str:
        """Return the year, if it is not this one."""
        end = self.days.end
        return "" if end.year == self.today.year else str(end.year)

    @property
    def title(self) -> str:
        if self.is_under_way:
            return f"This {self.by} so far"
        start, end = self.days.start, self.days.end
        year = f" {self.year}" if self.year else ""
        if self.by == MONTH:
            return f"{start:%B}{year}"
        first = f"{start.day}" if start.month == end.month else f"{start.day} {start:%B}"
        return f"{first} to {end.day} {end:%B}{year}"

    @property
    def is_expected(self) -> bool:
        """Whether any day of it should be stored."""
        return any(each["days_expected"] for each in self.summary["coverage"].values())

    @property
    def has_rows(self) -> bool:
        return any(each["days_present"] for each in self.summary["coverage"].values())

    def days_of(self, metric_type: MetricType) -> int:
        days: int = self.summary[f"{metric_type.name}_days"]
        return days

    def full_days_of(self, metric_type: MetricType) -> int:
        days: int = self.summary[f"{metric_type.name}_full_days"]
        return days

    def expected_of(self, metric_type: MetricType) -> int:
        """Return how many days are stored or missing: those before the type's first are neither."""
        present: int = self.summary["coverage"][metric_type.name]["days_present"]
        return present + self.missing_of(metric_type).days

    def missing_of(self, metric_type: MetricType) -> Missing:
        """Return how many days are missing, and of how many a part is."""
        return Missing.of(self.summary["coverage"][metric_type.name]["missing"])


class Cell(NamedTuple):
    """A value of one period. The note says how it differs from the one before."""

    period: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class FigureRow:
    """One figure of some periods, oldest first; `earlier` is the period before the first."""

    metric_type: MetricType
    figure: Figure
    periods: Sequence[Period]
    earlier: Period | None
    marks: Sequence[dict[str, Any]]

    @cached_property
    def measure(self) -> Measure:
        return Measure(self.metric_type, self.metric_type.column(self.figure.column))

    @property
    def name(self) -> str:
        return self.figure.name

    @property
    def title(self) -> str:
        if self.figure.label:
            return self.figure.label
        return self.measure.heading if self.figure.is_mean else f"{self.measure.heading}, total"

    @property
    def unit(self) -> str:
        return "" if self._is_time else shown_unit(self.measure).name

    @property
    def _is_time(self) -> bool:
        return self.measure.unit in ("s", "min")

    @property
    def query(self) -> str:
        """Return the query of the figure's trend."""
        newest = self.periods[-1]
        end = min(newest.days.end, newest.today)
        return urlencode({"measure": self.measure.name, "period": _TREND[newest.by], "end": end})

    @property
    def has_values(self) -> bool:
        return any(self._value(period) is not None for period in self.periods)

    @cached_property
    def cells(self) -> list[Cell]:
        """Return the values without their units."""
        befores, unit = [self.earlier, *self.periods], f" {self.unit} "
        return [
            # The unit is in the heading of the row.
            Cell(now.label, self._short(now), self._notes(now, before).replace(unit, " "))
            for before, now in zip(befores, self.periods, strict=False)
        ]

    @property
    def newest(self) -> Shown:
        """Return the value of the newest period, and how it differs from the one before."""
        before, now = [self.earlier, *self.periods][-2], self.periods[-1]
        text = with_unit(self._value(now), self.measure)
        shown = Shown(self.title, text, unit_of(text, self.measure), query=self.query)
        note = self._note(now, before)
        if before is None or not note:
            return shown
        value = f"({with_unit(self._value(before), self.measure)})"
        if mark := self._mark_between(before, now):
            day = mark["day"]
            since = f"{name_mark(mark)} on {day.day} {day:%B}"
            return shown._replace(compared=f"{note}: {since}", usual=value)
        if self._is_sum_so_far(now):
            return shown._replace(compared=note)
        than = "as" if note == "the same" else "than"
        return shown._replace(compared=f"{note} {than} the {now.by} before", usual=value)

    @cached_property
    def sparkline(self) -> "PeriodSparkline | None":
        known = [value for value in self.drawn if value is not None]
        return PeriodSparkline(self, known) if len(known) > 1 else None

    @cached_property
    def drawn(self) -> list[float | None]:
        """Return the values, without a sum so far, beside which the others would look flat."""
        return [None if self._is_sum_so_far(each) else self._value(each) for each in self.periods]

    def is_comparable(self, before: Period, now: Period) -> bool:
        return not self._mark_between(before, now)

    def _value(self, period: Period) -> float | None:
        value: float | None = period.summary[self.figure.name]
        return value

    def _short(self, period: Period) -> str:
        value = self._value(period)
        if value is None:
            return UNKNOWN
        if not self._is_time:
            return number(value, self.measure)
        text = with_unit(value, self.measure)
        return text.removesuffix(" min") if " h " in text else text

    def _notes(self, now: Period, before: Period | None) -> str:
        return ", ".join(filter(None, (self._note(now, before), self._few_values(now))))

    def _few_values(self, period: Period) -> str:
        """Return how many values there are, if days that count lack the value."""
        days = period.full_days_of if self.figure.of_full_days else period.days_of
        values: int = period.summary["counts"][self.name]
        if not 0 < values < days(self.metric_type):
            return ""
        return f"of {values} {_day_of(self.metric_type)}{'' if values == 1 else 's'}"

    def _note(self, now: Period, before: Period | None) -> str:
        value = self._value(now)
        if value is None:
            return ""
        if self._is_sum_so_far(now):
            return "so far"
        value_before = self._value(before) if before else None
        if before is None or value_before is None:
            return ""
        if not may_compare(self.figure, now.summary, before.summary):
            return ""
        if self._mark_between(before, now):
            return "not comparable"
        return difference(self.measure, value, value_before)

    def _is_sum_so_far(self, period: Period) -> bool:
        return period.is_under_way and not self.figure.is_mean

    def _mark_between(self, before: Period, now: Period) -> dict[str, Any] | None:
        """Return a mark that parts the days of two periods."""
        start, end = before.days.start, now.days.end
        return next((mark for mark in self.marks if start < mark["day"] <= end), None)


@dataclass(frozen=True)
class PeriodSparkline:
    """A figure over the periods, drawn small; it has a gap where they are not comparable."""

    row: FigureRow
    known: list[float]

    @property
    def width(self) -> int:
        return len(self.row.periods)

    @cached_property
    def _stretches(self) -> list[list[tuple[float, float]]]:
        row, measure = self.row, self.row.measure
        scale = charts.fit_scale(self.known, unit=measure.unit, decimals=measure.shown_decimals)
        stretches: list[list[tuple[float, float]]] = []
        before: Period | None = None
        for place, (period, value) in enumerate(zip(row.periods, row.drawn, strict=True)):
            if value is not None:
                if before is None or not row.is_comparable(before, period):
                    stretches.append([])
                stretches[-1].append((place + 0.5, scale.y(value)))
            before = period if value is not None else None
        return stretches

    @property
    def path(self) -> str:
        return charts.lines(self._stretches)

    @property
    def lone(self) -> str:
        return charts.lone_points(self._stretches)

    @property
    def newest(self) -> str:
        """Return the path of the newest point, if the newest period has a value."""
        last = self._stretches[-1][-1]
        return charts.dots([last]) if last[0] > self.width - 1 else ""

    @property
    def title(self) -> str:
        return f"{self.row.title}, {self.width} {self.row.periods[-1].by}s"

    @property
    def description(self) -> str:
        """Return what the sparkline shows, for those who can't see it."""
        ends = min(self.known), max(self.known)
        lowest, highest = (with_unit(each, self.row.measure) for each in ends)
        return f"From {lowest} to {highest}."


@dataclass(frozen=True)
class PeriodTable:
    """One type over some periods, oldest first."""

    metric_type: MetricType
    periods: Sequence[Period]
    earlier: Period | None
    user_id: int

    @property
    def days(self) -> str:
        """Return what its days are called."""
        return _day_of(self.metric_type)

    @cached_property
    def _marks(self) -> list[dict[str, Any]]:
        every = [*([self.earlier] if self.earlier else []), *self.periods]
        return [
            mark
            for period in every
            for mark in reversed(period.summary["marks"])
            if mark["mark"] in self.metric_type.provenance
        ]

    @cached_property
    def rows(self) -> list[FigureRow]:
        """Return the figures that have a value in any of the periods."""
        rows = (
            FigureRow(self.metric_type, figure, self.periods, self.earlier, self._marks)
            for figure in self.metric_type.figures
        )
        return [row for row in rows if row.has_values]

    @property
    def main_rows(self) -> list[FigureRow]:
        """Return the figures of the newest period that the page of today has as well."""
        newest = self.periods[-1].summary
        return [row for row in self.rows if row.figure.label and newest[row.name] is not None]

    @property
    def counted(self) -> list[Cell]:
        """Return how many days count in averages, and how many are missing."""
        return list(self._counted())

    def _counted(self) -> Iterator[Cell]:
        for period in self.periods:
            expected = period.expected_of(self.metric_type)
            full = period.full_days_of(self.metric_type)
            text = f"{full} of {expected}" if expected else UNKNOWN
            yield Cell(period.label, text, period.missing_of(self.metric_type).in_words())

    @property
    def missing(self) -> str:
        """Return how many days are missing, and between which days; empty if none is.

        Narrow screens don't have all periods.
        """
        lacking = [each for each in self.periods if any(each.missing_of(self.metric_type))]
        if not lacking:
            return ""
        found = (period.missing_of(self.metric_type) for period in lacking)
        counts = Missing(*map(sum, zip(*found, strict=True))).in_words(self.days)
        today = lacking[-1].today
        days = Days(lacking[0].days.start, min(lacking[-1].days.end, today))
        return f"{counts} {'on' if len(days) == 1 else 'from'} {days_in_words(days, today)}"

    @property
    def calendar_query(self) -> str:
        """Return the query of the year with the newest missing days."""
        newest = next(p for p in reversed(self.periods) if any(p.missing_of(self.metric_type)))
        day = min(newest.days.end, newest.today)
        if newest.days.start.year != day.year:
            day = self._newest_missing(newest.days.start, day)
        return urlencode({"type": self.metric_type.name, "by": "state", "year": day.year})

    def _newest_missing(self, start: date, end: date) -> date:
        """Return the newest day that is missing, of a week in two years."""
        by_type = ledger(self.user_id, start, end, today=utc_today(), using=database_alias())
        missing = missing_ranges(by_type[self.metric_type.name])
        return missing[0].end if missing else end

    @property
    def left_out(self) -> str:
        """Return which days averages leave out; empty if they leave out none."""
        of = self.metric_type
        return of.not_full if any(p.days_of(of) > p.full_days_of(of) for p in self.periods) else ""

    @property
    def mark_sentences(self) -> list[str]:
        first = (self.earlier or self.periods[0]).days.start
        return [describe_mark(mark) for mark in reversed(self._marks) if mark["day"] > first]

    @property
    def is_expected(self) -> bool:
        of = self.metric_type
        return any(period.expected_of(of) or period.days_of(of) for period in self.periods)

    @property
    def has_sums(self) -> bool:
        return any(not row.figure.is_mean for row in self.rows)
