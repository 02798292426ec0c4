"""The values of a type on a day, beside what is usual for the person.

Pages show days by these cards alone, so that all of them say the same of a day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from accounts.models import User
from dashboard.comparisons import Comparison, compare
from dashboard.days import day_detail
from dashboard.hours import HourChart, hour_chart
from dashboard.marks import describe_mark
from dashboard.queries import Warnings, database_alias, rows_of_user
from dashboard.remarks import revision_sentences, text_in_words, warning_sentences
from dashboard.sparklines import Sparkline
from dashboard.templatetags.figures import UNKNOWN, with_unit
from dashboard.trends import Trend, all_measures, find_trends
from dashboard.units import shown_unit
from dashboard.usual import Usual
from ingest.models import METRIC_MODELS, MetricSource, unpack
from metrics import TYPES, MetricType
from metrics.columns import Column, Contributors, Number
from metrics.measures import Measure, measures_of
from myhealth.days import utc_today
from myhealth.states import State

_SCORE = "score"
# The shortest period that trends are read for: what is usual on a day comes from the days before.
_PERIOD, _LINKED_PERIOD = "30d", "90d"
# At least so many contributors are shown first.
_FIRST_CONTRIBUTORS = 3


class Bar(NamedTuple):
    """A contributor's bar, and the usual behind it, in percent of its width."""

    width: float
    usual_at: float | None
    usual_width: float


class Shown(NamedTuple):
    """A value as pages show it. `compared` are words about `usual`; `query` is that of its trend.

    The `unit` is that at the end of the text; times have none. Texts, and contributors that no type
    declares, are compared with nothing.
    """

    title: str
    text: str
    unit: str = ""
    compared: str = ""
    usual: str = ""
    query: str = ""
    so_far: str = ""
    comparison: Comparison | None = None
    bar: Bar | None = None

    @property
    def amount(self) -> str:
        """Return the text without the unit."""
        return self.text.removesuffix(f" {self.unit}") if self.unit else self.text

    @property
    def words(self) -> str:
        return "; ".join(filter(None, (self.so_far, self.compared)))

    @property
    def place(self) -> str:
        """Return where the value lies beside the usual; empty if they can't be compared."""
        known = self.comparison
        return known.place if known and known.words == self.compared else ""


class Figures(NamedTuple):
    """A list of values. The note is how much is missing until the usual of any is known."""

    values: list[Shown]
    note: str = ""


def listed(values: Iterable[Shown]) -> Figures:
    """Return values as a list; where the usual of none is known, only the note says so."""
    shown = list(values)
    compared = [each.comparison for each in shown if each.comparison]
    if not compared or any(each.usual for each in compared):
        return Figures(shown)
    most = max(compared, key=lambda each: each.days_known)
    return Figures([each._replace(compared="") for each in shown], most.words)


def until_usual(cards: Iterable["DayCard"]) -> str:
    """Return how much is missing until what is usual is known; empty if it is.

    A page says it once, of all types.
    """
    titles: dict[str, list[str]] = {}
    for card in cards:
        if note := card.until_usual:
            titles.setdefault(note, []).append(card.metric_type.title.lower())
    if len(titles) < 2:
        found = next(iter(titles), "")
    else:
        found = "; ".join(f"{', '.join(named)}: {note}" for note, named in titles.items())
    return f"{found[:1].upper()}{found[1:]}"


def unit_of(text: str, measure: Measure) -> str:
    """Return the unit if it is at the end of the text; empty for times, which have several."""
    unit = shown_unit(measure).name
    return unit if text.endswith(f" {unit}") and unit not in ("", "s", "min") else ""


@dataclass(frozen=True)
class DayCard:
    """One type on one day. `values` are the row's columns, if there is a row.

    `found` are the warnings that were stored with it, by column.
    """

    metric_type: MetricType
    day: date
    values: Mapping[str, Any] | None = None
    trends: Mapping[str, Trend] = field(default_factory=dict)
    found: Warnings = field(default_factory=dict)
    state: State = State.HELD
    reason: str | None = None
    charts: list[HourChart] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)

    @property
    def is_scored(self) -> bool:
        return _SCORE in self.metric_type.column_names

    @property
    def warnings(self) -> list[str]:
        """Return the warnings as sentences."""
        return warning_sentences(self.metric_type, self.found)

    @property
    def has_night(self) -> bool:
        """Whether there is more of it on the page of the night."""
        return self.values is not None and self.metric_type.has_spans

    @cached_property
    def is_left_out(self) -> bool:
        """Whether the day counts in averages of scores alone: in progress, without the ring …"""
        return any(self.day.toordinal() in each.not_full for each in self.trends.values())

    @property
    def is_ring_off(self) -> bool:
        """Whether the ring was off all day, which the reason of its state says."""
        return self.values is not None and self.metric_type.is_off(self.values)

    @cached_property
    def is_under_way(self) -> bool:
        """Whether the values are those so far."""
        return self.metric_type.grows and self.is_left_out and not self.is_ring_off

    @property
    def note(self) -> str:
        """Return why the day says less than others; empty if it doesn't."""
        if self.is_under_way:
            return "The day was not over when it was fetched, so these are its values so far."
        if self.is_left_out and not self.is_ring_off:
            return f"Averages, except of scores, leave out {self.metric_type.not_full}."
        return ""

    @property
    def remarks(self) -> list[str]:
        """Return what is to be said of the day where `so far` stands in the heading."""
        note = "" if self.is_under_way else self.note
        return [*filter(None, [note]), *self.warnings]

    @property
    def marks(self) -> list[str]:
        marks = next((each.marks for each in self.trends.values()), [])
        return [describe_mark(each) for each in marks if each["day"] == self.day]

    @property
    def why_no_score(self) -> str:
        """Return why there is no score; empty if there is one, or the state says why."""
        if not self.is_scored or self._value(_SCORE) is not None or self.state != State.HELD:
            return ""
        if _SCORE in self.found:
            return "Oura's score for this day could not be stored."
        return f"Oura has no score for this day{' yet' if self.is_under_way else ''}."

    @cached_property
    def score(self) -> Shown:
        return self._shown(self.metric_type.column(_SCORE))

    @property
    def score_words(self) -> str:
        """Return what the score's tile says under it, but for the usual range."""
        if self.values is None:
            return self.state.label
        if self._value(_SCORE) is not None:
            return listed([self.score]).values[0].words
        if _SCORE in self.found:
            return "Oura's score could not be stored"
        if not self.is_under_way:
            return "no score from Oura"
        known = (f", {each.text} {each.title.lower()} so far" for each in self.main if each.so_far)
        return f"no score yet{next(known, '')}"

    @cached_property
    def sparkline(self) -> Sparkline | None:
        trend = self.trends.get(f"{self.metric_type.name}.{_SCORE}")
        sparkline = Sparkline(trend, trend.usual_before(self.day)) if trend else None
        return sparkline if sparkline and sparkline.points else None

    @cached_property
    def main(self) -> list[Shown]:
        """Return the columns that the type's declaration names for the page of today.

        What has neither a value nor a usual is left out: there is nothing to say of it.
        """
        shown = (self._shown(self.metric_type.column(name)) for name in self.metric_type.card)
        return [each for each in shown if each.text != UNKNOWN or each.usual]

    @cached_property
    def figures(self) -> Figures:
        """Return all columns but contributors, and the score, which has its tile.

        There are none if all are unknown.
        """
        shown = [
            self._shown(column)
            for column in self.metric_type.columns
            if column.name != _SCORE and not isinstance(column.kind, Contributors)
        ]
        return listed(shown if any(each.text != UNKNOWN for each in shown) else [])

    @cached_property
    def measured(self) -> list[Shown]:
        """Return the columns that can be compared, but for the score; none if all are unknown."""
        shown = [
            self._compared(measure)
            for measure in measures_of(self.metric_type).values()
            if not measure.contributor and measure.column.name != _SCORE
        ]
        return shown if any(each.text != UNKNOWN for each in shown) else []

    @cached_property
    def until_usual(self) -> str:
        """Return how much is missing until what is usual is known; empty if it is."""
        scores = listed([self.score] if self.is_scored else [])
        notes = (scores.note, listed(self.measured).note, self.contributors.note)
        return next(filter(None, notes), "")

    @cached_property
    def contributors(self) -> Figures:
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
        return listed(self._contributor(*each) for each in found)

    @cached_property
    def known_contributors(self) -> Figures:
        """Return the contributors that have a value."""
        values, note = self.contributors
        return Figures([each for each in values if each.text != UNKNOWN], note)

    @cached_property
    def first_contributors(self) -> Figures:
        """Return those below the usual, with the lowest others if they are few."""
        values, note = self.known_contributors
        below_first = sorted(values, key=lambda each: each.place != "below")
        below = sum(each.place == "below" for each in values)
        first = below_first[: max(below, _FIRST_CONTRIBUTORS)]
        return Figures([each for each in values if each in first], note)

    def _value(self, column: str) -> Any:
        return self.values.get(column) if self.values else None

    def _shown(self, column: Column) -> Shown:
        measure = measures_of(self.metric_type).get(f"{self.metric_type.name}.{column.name}")
        if measure:
            return self._compared(measure)
        value = self._value(column.name)
        return Shown(column.title, text_in_words(value) if value else UNKNOWN)

    def _contributor(self, measure: Measure, value: float | None, kind: Number) -> Shown:
        def at(number: float) -> float:
            place = 100 * (number - kind.lowest) / (kind.highest - kind.lowest)
            return round(min(max(place, 0), 100), 1)

        shown = self._compared(measure)
        usual: Usual | None = shown.comparison.usual if shown.comparison else None
        bar = Bar(
            0 if value is None else at(value),
            # The bar of a single value is one wide, and must not begin at the end.
            min(at(usual.q1), 99) if usual else None,
            # A single value is to be seen as well.
            max(round(at(usual.q3) - at(usual.q1), 1), 1) if usual else 0,
        )
        return shown._replace(bar=bar)

    def _compared(self, measure: Measure) -> Shown:
        value, trend = self._number(measure), self.trends.get(measure.name)
        text = with_unit(value, measure)
        shown = Shown(measure.title, text, unit_of(text, measure))
        if measure.name in measures_of(self.metric_type):
            shown = shown._replace(query=self._query(measure))
        comparison = compare(measure, value, trend.known_before(self.day)) if trend else None
        if comparison is None or (value is None and comparison.usual is None):
            return shown
        return shown._replace(
            compared=self._words_of(comparison),
            # It may be broken after its dash alone.
            usual=comparison.range.replace(" ", "\N{NO-BREAK SPACE}"),
            so_far="so far" if self.is_under_way and value is not None else "",
            comparison=comparison,
        )

    def _words_of(self, comparison: Comparison) -> str:
        """Return how a value compares, as far as its day can be compared with whole days."""
        measure, value = comparison.measure, comparison.value
        is_left_out = self.is_under_way or (self.is_left_out and measure.of_full_days)
        if comparison.usual is None or not (value is None or is_left_out):
            return comparison.words
        if not self.is_under_way or value is None:
            return "usually"
        # What is counted can only become more.
        grows = measure.is_count or measure.unit in ("s", "min")
        if grows and comparison.place == "above":
            return "already above your usual"
        return "a whole day is usually"

    def _number(self, measure: Measure) -> Any:
        value = self._value(measure.column.name)
        if measure.contributor:
            return (value or {}).get(measure.contributor)
        return measure.number(self.day, value)

    def _query(self, measure: Measure) -> str:
        return urlencode({"measure": measure.name, "period": _LINKED_PERIOD, "end": self.day})


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
            _values(detail[name]),
            trends_of(each, trends),
            detail["warnings"][name],
            State(detail["coverage"][name]["state"]),
            detail["coverage"][name]["reason"],
            charts.get(name, []),
            revision_sentences(
                each,
                [found for found in detail["revisions"] if found["type"] == name],
                user.zone,
                today,
            ),
        )
        for name, each in types.items()
    ]


def trends_of(metric_type: MetricType, trends: Mapping[str, Trend]) -> dict[str, Trend]:
    return {name: each for name, each in trends.items() if each.measure.metric_type is metric_type}


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
        rows = rows_of_user(METRIC_MODELS[name], user_id).filter(day=day)
        # A document may name hours of which it can't know anything yet.
        if until := rows.values_list("fetched_at", flat=True).first():
            found = (hour_chart(each, each.runs(source, day), until) for each in series[name])
            charts[name] = [chart for chart in found if chart]
    return charts
