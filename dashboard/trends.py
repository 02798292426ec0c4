"""Trends: measures over a period, with what is usual, medians, and the period before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

import orjson

from accounts.models import User
from dashboard.full_days import DayRow, Reader, load_rows, read_columns, rows_fact
from dashboard.marks import find_marks
from dashboard.queries import database_alias
from dashboard.usual import USUAL_DAYS, Usual, Values, usual_of
from ingest.facts import json_object
from ingest.ledger import expected_from
from ingest.models import METRIC_MODELS
from metrics import TYPES
from metrics.columns import mean
from metrics.measures import Measure, measures_of
from myhealth.days import FIRST_DAY, Days, shift
from myhealth.postgresql.prepared import fetch_all

ALL = "all"
# The periods, with how many days they have.
PERIODS: dict[str, int | None] = {"30d": 30, "90d": 90, "365d": 365, ALL: None}
# The windows of the moving median in days, each for periods of up to so many days.
_MEDIAN_DAYS = ((45, 7), (120, 15))
_LONGEST_MEDIAN_DAYS = 29
# The quartiles of a weekday need so many values.
_WEEKDAY_NEEDS = 4
Points = list[tuple[int, float]]


@cache
def all_measures() -> dict[str, Measure]:
    """Return all measures by name, in the order of the types."""
    return {name: each for of in TYPES.values() for name, each in measures_of(of).items()}


class Mean(NamedTuple):
    """The mean of the days that count, and how many they are."""

    mean: float | None
    days: int


@dataclass(frozen=True)
class Trend:
    """One measure over a period. Days are ordinals, oldest first.

    `points` are all values of the period; those of `left_out` days count in nothing: the day was
    under way, without the ring, or had no night. `not_full` are all such days of the type, with a
    value of the measure or without. `counted` has the other values; the marks of the type are its
    breaks. Both begin before the period, and end as late after it as medians reach.
    """

    measure: Measure
    period: Days
    before: Days | None
    points: Points
    left_out: frozenset[int]
    not_full: frozenset[int]
    counted: Values
    marks: list[dict[str, Any]]
    days_expected: int

    @property
    def breaks(self) -> Sequence[int]:
        return self.counted.breaks

    @cached_property
    def days(self) -> list[int]:
        return [day for day, _ in self.points]

    def usual_at(self, days: Iterable[int]) -> list[Usual | None]:
        """Return the usual range before each of the days, which are in order."""
        return self.counted.usual_at(days)

    @property
    def median_days(self) -> int:
        return _median_days(len(self.period))

    def medians_at(self, days: Iterable[int]) -> list[float | None]:
        """Return the moving median at each of the days, which are in order."""
        return self.counted.medians_at(days, self.median_days)

    @cached_property
    def mean(self) -> Mean:
        return self._mean(self.period)

    @cached_property
    def mean_before(self) -> Mean:
        """The mean of the period of the same length before; of all days there is none."""
        return self._mean(self.before) if self.before else Mean(None, 0)

    @property
    def is_known_before(self) -> bool:
        """Whether at least half of the days of the period before count."""
        return self.before is not None and 2 * self.mean_before.days >= len(self.before)

    @property
    def is_comparable(self) -> bool:
        """Whether no mark lies in the period or the one before."""
        days = self.before
        return days is not None and not any(
            days.start < mark["day"] <= self.period.end for mark in self.marks
        )

    def _mean(self, days: Days) -> Mean:
        values = self.counted.between(days.start.toordinal(), days.end.toordinal())
        return Mean(mean(values), len(values))

    @cached_property
    def weekdays(self) -> list[tuple[int, Usual | None]]:
        """Return how many days of each weekday count, and their quartiles; Monday first.

        Days before the newest mark of the period are left out. The quartiles need four days.
        """
        of_weekday: list[list[float]] = [[] for _ in range(7)]
        days = self.period.start.toordinal(), self.period.end.toordinal()
        for day, value in self.counted.since_break(*days):
            of_weekday[date.fromordinal(day).weekday()].append(value)
        return [(len(values), usual_of(values, _WEEKDAY_NEEDS)) for values in of_weekday]

    def known_before(self, day: date) -> list[float]:
        """Return the values that decide what is usual on a day."""
        return self.counted.before(day.toordinal())

    def usual_before(self, day: date) -> Usual | None:
        """Return what is usual on a day, whether it has a value or not."""
        return usual_of(self.known_before(day))

    def _usual_at_end(self) -> dict[str, float | None]:
        """Return what is usual on the last day, whether it has a value or not."""
        known = self.known_before(self.period.end)
        return _quartiles_dict(len(known), usual_of(known))

    def to_dict(self) -> dict[str, Any]:
        """Return what `GET /api/v1/trends` answers about the measure."""
        dates = list(map(date.fromordinal, self.days))
        return {
            "unit": self.measure.unit,
            "points": [(day, value) for day, (_, value) in zip(dates, self.points, strict=True)],
            "left_out": [day for day in dates if day.toordinal() in self.left_out],
            "usual": [
                (day, *(usual or (None, None, None)))
                for day, usual in zip(dates, self.usual_at(self.days), strict=True)
            ],
            "usual_at_end": self._usual_at_end(),
            "median": [
                (day, median)
                for day, median in zip(dates, self.medians_at(self.days), strict=True)
                if median is not None
            ],
            "median_days": self.median_days,
            "weekdays": [_quartiles_dict(days, usual) for days, usual in self.weekdays],
            "period": self.mean._asdict(),
            "before": self.mean_before._asdict(),
            "marks": [mark for mark in self.marks if mark["day"] in self.period],
            "coverage": {"days": len(self.points), "days_expected": self.days_expected},
        }


def _quartiles_dict(days: int, quartiles: Usual | None) -> dict[str, float | None]:
    return {"days": days, **(quartiles._asdict() if quartiles else dict.fromkeys(Usual._fields))}


def find_trends(
    user: User, names: Sequence[str], period: str, end: date, *, today: date
) -> dict[str, Trend]:
    """Return the trends of measures by name, over the period that ends on a day."""
    length = PERIODS[period]
    first = FIRST_DAY if length is None else shift(end, 1 - 2 * length - USUAL_DAYS)
    last = shift(end, _median_days(length) // 2)
    # In one order, so that those who ask in another one need no statement of their own.
    measures = {name: all_measures()[name] for name in sorted(names)}
    document = _read(user.pk, measures.values(), first, last)
    firsts = {name: date.fromisoformat(day) for name, day in document["firsts"].items() if day}
    expected = {name: expected_from(TYPES[name], firsts) for name in TYPES}
    if length is None:
        starts = [day for each in measures.values() if (day := expected[each.metric_type.name])]
        days, before = Days(min([*starts, end]), end), None
    else:
        days = Days(shift(end, 1 - length), end)
        before = Days(shift(end, 1 - 2 * length), shift(end, -length))
    reader = Reader(user.pk, today, user.zone)
    has_marks = any(each.metric_type.provenance for each in measures.values())
    marks = find_marks(user.pk, first, last)[::-1] if has_marks else []
    start, stop = days.start.toordinal(), days.end.toordinal()
    found: dict[str, Trend] = {}
    for type_, of_type in _by_type(measures.values()).items():
        columns = _columns(of_type)
        check = any(measure.of_full_days for measure in of_type)
        rows = load_rows(TYPES[type_], document[type_], columns, reader, check=check)
        rows.reverse()
        of_type_marks = [each for each in marks if each["mark"] in TYPES[type_].provenance]
        breaks = sorted({mark["day"].toordinal() for mark in of_type_marks})
        not_full = frozenset(row.day.toordinal() for row in rows if not row.is_full)
        for measure in of_type:
            points = _points(measure, rows, columns.index(measure.key))
            left_out = not_full if measure.of_full_days else frozenset()
            counted = [point for point in points if point[0] not in left_out]
            found[measure.name] = Trend(
                measure,
                days,
                before,
                [point for point in points if start <= point[0] <= stop],
                left_out,
                not_full,
                Values([day for day, _ in counted], [value for _, value in counted], breaks),
                of_type_marks,
                _days_expected(days, expected[type_], today),
            )
    return {name: found[name] for name in names}


def find_values(
    user: User, measure: Measure, days: Days, *, today: date
) -> tuple[Points, frozenset[int]]:
    """Return a measure's values on some days, oldest first, and which days don't count."""
    metric_type, columns = measure.metric_type, _columns([measure])
    document = _read(user.pk, [measure], days.start, days.end)
    reader, check = Reader(user.pk, today, user.zone), measure.of_full_days
    rows = load_rows(metric_type, document[metric_type.name], columns, reader, check=check)[::-1]
    left_out = frozenset(row.day.toordinal() for row in rows if not row.is_full)
    return _points(measure, rows, columns.index(measure.key)), left_out


def _read(user_id: int, measures: Iterable[Measure], first: date, last: date) -> dict[str, Any]:
    columns = {type_: _columns(of_type) for type_, of_type in _by_type(measures).items()}
    query = _query(tuple(columns.items()))
    [[text]] = fetch_all(query, [user_id, first, last], using=database_alias())
    document: dict[str, Any] = orjson.loads(text)
    return document


# People look at few combinations of measures, again and again.
@lru_cache(maxsize=256)
def _query(columns: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    rows = {type_: rows_fact(type_, names, "$2", "$3") for type_, names in columns}
    firsts = {
        type_: f'SELECT min(day) FROM "{model._meta.db_table}" WHERE user_id = $1'
        for type_, model in METRIC_MODELS.items()
    }
    return f"SELECT {json_object({**rows, 'firsts': f'SELECT {json_object(firsts)}'})}::text"


def _by_type(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    by_type: dict[str, list[Measure]] = {}
    for measure in measures:
        by_type.setdefault(measure.metric_type.name, []).append(measure)
    return by_type


def _columns(measures: Sequence[Measure]) -> tuple[str, ...]:
    """Return the columns that are read for measures of one type."""
    return read_columns(measures[0].metric_type, [measure.key for measure in measures])


def _points(measure: Measure, rows: Iterable[DayRow], place: int) -> Points:
    """Return the values of a measure, oldest first."""
    return [
        (day.toordinal(), number)
        for day, values, _ in rows
        if (number := measure.number(day, values[place])) is not None
    ]


def _median_days(length: int | None) -> int:
    """Return the window of the moving median in a period of so many days."""
    fitting = (width for days, width in _MEDIAN_DAYS if length is not None and length <= days)
    return next(fitting, _LONGEST_MEDIAN_DAYS)


def _days_expected(days: Days, first: date | None, today: date) -> int:
    expected = days.clamped(first, today) if first else None
    return len(expected) if expected else 0
