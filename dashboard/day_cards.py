"""What the page of a day shows of each type: what `day_detail` returns, beside the usual."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from django.http import QueryDict

from accounts.models import User
from dashboard.comparisons import Comparison, compare
from dashboard.days import day_detail
from dashboard.hours import HourChart, hour_chart
from dashboard.marks import describe_mark
from dashboard.queries import database_alias
from dashboard.remarks import revision_sentences, text_in_words, warning_sentences
from dashboard.templatetags.figures import with_unit
from dashboard.trends import Trend, all_measures, find_trends
from dashboard.usual import Usual
from ingest.models import MetricSource, unpack
from metrics import TYPES, MetricType
from metrics.activity import DAY_OFF_MINUTES
from metrics.columns import Column, Contributors, Number
from metrics.measures import Measure, measures_of
from myhealth.days import utc_today
from myhealth.states import State

_SCORE = "score"
# The shortest period that trends are read for: what is usual on a day comes from the days before.
_PERIOD, _LINKED_PERIOD = "30d", "90d"


class Bar(NamedTuple):
    """A contributor's bar, and the usual behind it, in percent of its width."""

    width: float
    usual_at: float | None
    usual_width: float


@dataclass(frozen=True)
class Shown:
    """A value as the page shows it. `words` compare it with `usual`; `query` is that of its trend.

    Texts, and contributors that no type declares, are compared with nothing. The `unit` is that at
    the end of the text; times have none.
    """

    title: str
    text: str
    words: str = ""
    usual: str = ""
    query: str = ""
    bar: Bar | None = None
    unit: str = ""

    @property
    def amount(self) -> str:
        """Return the text without the unit."""
        return self.text.removesuffix(f" {self.unit}") if self.unit else self.text


@dataclass(frozen=True)
class DayCard:
    """One type on one day. `values` are the row's columns, if there is a row."""

    metric_type: MetricType
    day: date
    state: State
    reason: str | None
    values: Mapping[str, Any] | None
    trends: Mapping[str, Trend]
    charts: list[HourChart]
    warnings: list[str]
    revisions: list[str]

    @property
    def is_scored(self) -> bool:
        return _SCORE in self.metric_type.column_names

    @property
    def has_night(self) -> bool:
        """Whether there is more of it on the page of the night."""
        return self.values is not None and self.metric_type.has_spans

    @cached_property
    def is_left_out(self) -> bool:
        """Whether the day counts in no average: it is under way, was without the ring …"""
        return any(self.day.toordinal() in each.left_out for each in self.trends.values())

    @property
    def is_ring_off(self) -> bool:
        """Whether the ring was off all day, which the reason of its state says."""
        minutes_off = self._value(self.metric_type.off_minutes) or 0
        return bool(minutes_off >= DAY_OFF_MINUTES)

    @cached_property
    def is_under_way(self) -> bool:
        return self.metric_type.grows and self.is_left_out and not self.is_ring_off

    @property
    def note(self) -> str:
        """Return why the day says less than others; empty if it doesn't."""
        if self.is_under_way:
            return "This day was not over when it was fetched: these are its values so far."
        if self.is_left_out and not self.is_ring_off:
            return f"Not counted in averages: {self.metric_type.not_full}."
        return ""

    @property
    def marks(self) -> list[str]:
        marks = next((each.marks for each in self.trends.values()), [])
        return [describe_mark(each) for each in marks if each["day"] == self.day]

    @property
    def why_no_score(self) -> str:
        """Return why there is no score; empty if there is one, or the state says why."""
        if not self.is_scored or self._value(_SCORE) is not None or self.state != State.HELD:
            return ""
        return f"Oura has no score for this day{' yet' if self.is_under_way else ''}."

    @property
    def score_words(self) -> str:
        """Return what the score's tile says under it, but for the usual range."""
        if self.values is None:
            return self.state.label
        if self._value(_SCORE) is None:
            return "no score yet" if self.is_under_way else "no score"
        return self.score.words or self.days_known

    @property
    def days_known(self) -> str:
        """Return how much is missing until any usual range is known; empty if one is."""
        found = [each for each in self._comparisons.values() if each.value is not None]
        if not found or self._knows_usual:
            return ""
        return max(found, key=lambda each: each.days_known).words

    @cached_property
    def score(self) -> Shown:
        return self._shown(self.metric_type.column(_SCORE))

    @property
    def figures(self) -> list[Shown]:
        """Return all columns but contributors."""
        return [
            self._shown(column)
            for column in self.metric_type.columns
            if not isinstance(column.kind, Contributors)
        ]

    @property
    def measured(self) -> list[Shown]:
        """Return the columns that can be compared, but for the score."""
        return [
            self._shown(measure.column)
            for measure in measures_of(self.metric_type).values()
            if not measure.contributor and measure.column.name != _SCORE
        ]

    @property
    def contributors(self) -> list[Shown]:
        """Return the contributors, lowest first, those without a value last."""
        found = [
            (measure, stored.get(measure.contributor), kind.value)
            for column in self.metric_type.columns
            if isinstance(kind := column.kind, Contributors)
            for stored in [self._value(column.name) or {}]
            for name in dict.fromkeys((*kind.names, *stored))
            for measure in [Measure(self.metric_type, column, name)]
        ]
        found.sort(key=lambda each: (each[1] is None, each[1] or 0, each[0].title))
        return [self._contributor(*each) for each in found]

    def _value(self, column: str) -> Any:
        return self.values.get(column) if self.values else None

    def _shown(self, column: Column) -> Shown:
        value = self._value(column.name)
        measure = measures_of(self.metric_type).get(f"{self.metric_type.name}.{column.name}")
        if measure is None:
            return Shown(column.title, text_in_words(value) if value else with_unit(None, column))
        text = with_unit(value, column)
        is_number = value is not None and column.unit not in ("", "s", "min")
        return replace(self._compared(measure, text), unit=column.unit if is_number else "")

    def _contributor(self, measure: Measure, value: float | None, kind: Number) -> Shown:
        def at(number: float) -> float:
            place = 100 * (number - kind.lowest) / (kind.highest - kind.lowest)
            return round(min(max(place, 0), 100), 1)

        usual = self._usual_of(measure)
        bar = Bar(
            0 if value is None else at(value),
            at(usual.q1) if usual else None,
            # A single value is to be seen as well.
            max(round(at(usual.q3) - at(usual.q1), 1), 1) if usual else 0,
        )
        return replace(self._compared(measure, with_unit(value, measure)), bar=bar)

    @cached_property
    def _comparisons(self) -> dict[str, Comparison]:
        return {
            name: compare(trend.measure, self._number(trend.measure), trend.known_before(self.day))
            for name, trend in self.trends.items()
        }

    def _number(self, measure: Measure) -> Any:
        value = self._value(measure.column.name)
        if measure.contributor:
            return (value or {}).get(measure.contributor)
        return measure.number(self.day, value)

    @cached_property
    def _knows_usual(self) -> bool:
        return any(each.usual for each in self._comparisons.values())

    def _usual_of(self, measure: Measure) -> Usual | None:
        compared = self._comparisons.get(measure.name)
        return compared.usual if compared else None

    def _compared(self, measure: Measure, text: str) -> Shown:
        compared = self._comparisons.get(measure.name)
        if compared is None:
            return Shown(measure.title, text)
        if compared.value is None and compared.usual is None:
            return Shown(measure.title, text, query=self._query(measure))
        words = compared.words if self._knows_usual else ""
        if compared.usual and self._is_incomparable(compared):
            words = "usually"
        if self.is_under_way and compared.value is not None:
            words = ", ".join(filter(None, ("so far", words)))
        return Shown(measure.title, text, words, compared.range, self._query(measure))

    def _is_incomparable(self, compared: Comparison) -> bool:
        is_left_out = self.is_left_out and compared.measure.of_full_days
        return compared.value is None or self.is_under_way or is_left_out

    def _query(self, measure: Measure) -> str:
        query = QueryDict(mutable=True)
        query.update({"measure": measure.name, "period": _LINKED_PERIOD, "end": str(self.day)})
        return query.urlencode()


def day_cards(user: User, day: date, *, today: date, of_nights_only: bool = False) -> list[DayCard]:
    """Return what there is of each type, in the order of the types."""
    detail = day_detail(user.pk, day, utc=utc_today())
    types = {name: each for name, each in TYPES.items() if each.of_night or not of_nights_only}
    stored = [name for name in types if detail[name]]
    names = [name for name, each in all_measures().items() if each.metric_type.name in stored]
    trends = find_trends(user, names, _PERIOD, day, today=today) if names else {}
    charts = _charts(user.pk, day, stored)
    return [
        DayCard(
            each,
            day,
            State(detail["coverage"][name]["state"]),
            detail["coverage"][name]["reason"],
            _values(detail[name]),
            {key: trend for key, trend in trends.items() if trend.measure.metric_type is each},
            charts.get(name, []),
            warning_sentences(each, detail["warnings"][name]),
            revision_sentences(
                each,
                [found for found in detail["revisions"] if found["type"] == name],
                user.zone,
                today,
            ),
        )
        for name, each in types.items()
    ]


def _values(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row and "contributors" in row:
        return {**row, "contributors": orjson.loads(orjson.dumps(row["contributors"]))}
    return row


def _charts(user_id: int, day: date, stored: list[str]) -> dict[str, list[HourChart]]:
    """Return the charts of series of categories by type. Those of nights are on their own page."""
    series = {
        name: [each for each in TYPES[name].series if each.names]
        for name in stored
        if not TYPES[name].of_night
    }
    names = [name for name, declared in series.items() if declared]
    if not names:
        return {}
    sources = MetricSource.objects.using(database_alias()).filter(
        user_id=user_id, type__in=names, day=day
    )
    charts: dict[str, list[HourChart]] = {}
    for name, content in sources.values_list("type", "content"):
        source = unpack(content)
        found = (hour_chart(each, each.runs(source, day)) for each in series[name])
        charts[name] = [chart for chart in found if chart]
    return charts
