"""Measures: what has one number a day, so that it can be compared between days.

They are the columns with numbers, the times of day, and each contributor to a score. A measure has
the name of its type, then that of its column in CSV: `sleep.duration`,
`readiness.contributors.hrv_balance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from metrics.base import MetricType
from metrics.columns import Column, Contributors, Integer, Kind, Moment, Number, in_words

_SCORE = "score"
# The units of what is counted: steps, energy, distance.
_COUNTED = ("", "kcal", "m")


@dataclass(frozen=True)
class Measure:
    """One number a day, of a column or of a contributor in it."""

    metric_type: MetricType
    column: Column
    contributor: str = ""

    @property
    def name(self) -> str:
        return f"{self.metric_type.name}.{self.key}"

    @property
    def key(self) -> str:
        """Return the name without the type's."""
        return ".".join(filter(None, (self.column.name, self.contributor)))

    @property
    def title(self) -> str:
        """Return what people call it; beside its type, not without it."""
        return in_words(self.contributor) if self.contributor else self.column.title

    @property
    def heading(self) -> str:
        """Return what people call it where its type is not named beside it."""
        if self.contributor:
            return f"{self.title} ({self.metric_type.title.lower()} contributor)"
        return f"{self.metric_type.title} score" if self.column.name == _SCORE else self.title

    @property
    def is_clock(self) -> bool:
        """Whether it is a time of day: seconds after midnight of its day, negative before."""
        return isinstance(self.column.kind, Moment)

    @property
    def kind(self) -> Kind:
        return self.column.kind

    @property
    def unit(self) -> str:
        return "s" if self.is_clock else self.column.unit

    @property
    def shown_decimals(self) -> int:
        return 0 if self.contributor else self.column.shown_decimals

    @property
    def signed(self) -> bool:
        return self.column.signed

    @property
    def meaning(self) -> str:
        if self.contributor:
            return f"Oura's contributor to the {self.metric_type.name} score, 0 to 100"
        if self.is_clock:
            return (
                f"{self.column.meaning}: seconds after the day's midnight, negative before midnight"
            )
        return self.column.meaning

    @property
    def is_count(self) -> bool:
        """Whether charts begin at zero: the measure counts something, such as steps."""
        is_score = self.column.name == _SCORE or self.contributor
        return not is_score and isinstance(self.column.kind, Integer) and self.unit in _COUNTED

    @property
    def of_full_days(self) -> bool:
        """Whether only full days are counted, as in `Figure`: scores count on every day."""
        is_score = self.column.name == _SCORE or self.contributor
        return bool(self.metric_type.full_columns) and not is_score

    def number(self, day: date, value: Any) -> Any:
        """Return the number that a stored value is; None if there is none."""
        if value is None or not self.is_clock:
            return value
        clock = datetime.fromisoformat(value).replace(tzinfo=None)
        return (clock - datetime.combine(day, datetime.min.time())).total_seconds()


@cache
def measures_of(metric_type: MetricType) -> dict[str, Measure]:
    """Return the measures of a type by name: those of its columns, then of its contributors."""
    found = sorted(_measures(metric_type), key=lambda each: bool(each.contributor))
    return {measure.name: measure for measure in found}


def _measures(metric_type: MetricType) -> Iterator[Measure]:
    for column in metric_type.columns:
        match column.kind:
            case Number() | Moment():
                yield Measure(metric_type, column)
            case Contributors(names):
                yield from (Measure(metric_type, column, name) for name in names)
