"""The newest day of a type: its values beside what is usual for the person, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

from dashboard.comparisons import Comparison, compare
from dashboard.queries import Warnings
from dashboard.remarks import text_in_words, warning_sentences
from dashboard.sparklines import Sparkline
from dashboard.templatetags.figures import UNKNOWN
from dashboard.trends import Trend
from ingest.ledger import Range
from ingest.models import Metric
from metrics import MetricType
from metrics.columns import PERCENT, Column, Contributors
from metrics.measures import Measure, measures_of

_SCORE = "score"


class Value(NamedTuple):
    """A value with its unit, and how it compares: words, then what it is compared with.

    The `unit` is at the end of the text; it is empty where the text has none, or is a time.
    """

    label: str
    text: str
    unit: str = ""
    words: str = ""
    range: str = ""
    comparison: Comparison | None = None

    @property
    def amount(self) -> str:
        """Return the text without the unit."""
        return self.text.removesuffix(f" {self.unit}") if self.unit else self.text

    @property
    def percent(self) -> float:
        """Return how far the value is on the way to the highest possible one."""
        return self._percent(self.number or 0)

    @property
    def band(self) -> tuple[float, float] | None:
        """Return where the usual range begins on that way, and how long it is."""
        usual = self.comparison and self.comparison.usual
        if not usual:
            return None
        start = self._percent(usual.q1)
        return start, round(self._percent(usual.q3) - start, 1)

    def _percent(self, value: float) -> float:
        kind = self.comparison.measure.kind if self.comparison else None
        bounds = kind.value if isinstance(kind, Contributors) else PERCENT
        return round(100 * (value - bounds.lowest) / (bounds.highest - bounds.lowest), 1)

    @property
    def number(self) -> float | None:
        return self.comparison.value if self.comparison else None


class Values(NamedTuple):
    """Values of one card. The note says how much is missing until the usual of any is known."""

    values: list[Value]
    note: str = ""


@dataclass(frozen=True)
class NewestDay:
    """A row and the trends of its type, by name; `judged` is what the ledger says of the day."""

    row: Metric
    trends: Mapping[str, Trend]
    judged: Range | None
    warnings: Warnings

    @property
    def metric_type(self) -> MetricType:
        return self.row.metric_type

    @property
    def day(self) -> date:
        return self.row.day

    @cached_property
    def is_full(self) -> bool:
        return self.day.toordinal() not in left_out_days(self.trends.values())

    @property
    def is_under_way(self) -> bool:
        """Whether the values are those so far: the day is not full, and the ring was worn."""
        ring_off = self.judged and self.judged.verdict.off
        return self.metric_type.grows and not self.is_full and not ring_off

    @cached_property
    def score(self) -> Value:
        return self._value(self.metric_type.column(_SCORE))

    @cached_property
    def card(self) -> Values:
        columns = map(self.metric_type.column, self.metric_type.card)
        return with_note([self._value(each) for each in columns])

    @cached_property
    def contributors(self) -> Values:
        """Return the contributors to the score, the lowest first."""
        measures = [each for each in measures_of(self.metric_type).values() if each.contributor]
        values = [self._compared(each) for each in measures]
        known = [(each.number, each) for each in values if each.number is not None]
        return with_note([each for _, each in sorted(known, key=lambda pair: pair[0])])

    @property
    def remarks(self) -> list[str]:
        return warning_sentences(self.metric_type, self.warnings)

    @property
    def sparkline(self) -> Sparkline | None:
        trend = self.trends[f"{self.metric_type.name}.{_SCORE}"]
        sparkline = Sparkline(trend, trend.usual_before(self.day))
        return sparkline if sparkline.points else None

    def _value(self, column: Column) -> Value:
        measure = measures_of(self.metric_type).get(f"{self.metric_type.name}.{column.name}")
        if measure:
            return self._compared(measure)
        text = getattr(self.row, column.name)
        return Value(column.title, text_in_words(text) if text else UNKNOWN)

    def _compared(self, measure: Measure) -> Value:
        stored = getattr(self.row, measure.column.name)
        if measure.contributor:
            stored = (stored or {}).get(measure.contributor)
        trend = self.trends[measure.name]
        value = measure.number(self.day, stored)
        comparison = compare(measure, value, trend.known_before(self.day))
        is_comparable = value is not None and (self.is_full or not measure.of_full_days)
        words = comparison.words if is_comparable or not comparison.usual else "usually"
        return Value(
            measure.title,
            comparison.text,
            unit_of(comparison.text, measure.unit),
            words,
            # It may be broken after its dash alone.
            comparison.range.replace(" ", "\N{NO-BREAK SPACE}"),
            comparison,
        )


def unit_of(text: str, unit: str) -> str:
    """Return the unit if it is at the end of the text; empty for times, which have several."""
    return unit if text.endswith(f" {unit}") and unit not in ("", "s", "min") else ""


def left_out_days(trends: Iterable[Trend]) -> frozenset[int]:
    """Return the days that averages leave out, of trends of one type."""
    return frozenset().union(*(trend.left_out for trend in trends))


def with_note(values: Iterable[Value]) -> Values:
    """Return the values; where the usual of none is known, that is said once, of all.

    What has neither a value nor a usual is left out: there is nothing to say of it.
    """
    shown = [each for each in values if each.text != UNKNOWN or each.range]
    compared = [each.comparison for each in shown if each.comparison]
    if not compared or any(each.usual for each in compared):
        return Values(shown)
    most = max(compared, key=lambda each: each.days_known)
    note = most.words.replace("yours", "your usual")
    return Values([each._replace(words="") for each in shown], note)
