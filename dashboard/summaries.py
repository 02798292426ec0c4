"""The dashboard's weeks: sums and averages over seven days. Without data they are null, not 0.

Averages leave out days that are not full, as far as their figures declare it: a day under way or
without the ring, a nap instead of a night.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from accounts.models import User
from dashboard.marks import find_marks, marks_within, may_have_marks
from dashboard.queries import database_alias, float_columns, load_row, row_fact
from ingest.coverage import api_summary, edge_facts, load_edges
from ingest.facts import facts_parameters, general_facts, json_object, load_facts, type_facts
from ingest.ledger import first_derived_day, ledger_from
from ingest.models import METRIC_MODELS, MetricSource, unpack
from metrics import TYPES, MetricType
from metrics.base import StoredDay
from metrics.columns import Figure
from myhealth.days import over_at, over_at_sql
from myhealth.postgresql.prepared import fetch_all

_WEEK = 7
# The rows of some days, newest first: the day, when it was fetched if that was before it was over
# everywhere (with the time without the ring, if the type's days grow), the columns for figures.
_ROWS = """
    SELECT json_agg(json_build_array(
        day,
        CASE WHEN fetched_at < {over}
            THEN json_build_array({fetched})
        END{columns}))
    FROM (
        SELECT * FROM "{table}" WHERE user_id = $1 AND day BETWEEN {first} AND {last}
        ORDER BY day DESC
    ) AS days"""
_WEAR = f"""(
    SELECT json_build_array(wear) FROM "{MetricSource._meta.db_table}"
    WHERE user_id = $1 AND type = '{{type}}' AND day = days.day)"""
# When a day was over everywhere, which stands for all moments after that; people read few days.
_over_at = lru_cache(maxsize=1024)(over_at)
_SOURCES = f"""
    SELECT day, content FROM "{MetricSource._meta.db_table}"
    WHERE user_id = %s AND type = %s AND day BETWEEN %s AND %s AND day = ANY(%s)"""
# One row: the values of `_columns`.
_Row = list[Any]


class _Week(NamedTuple):
    """One type's rows of a week, and those of them that are of full days."""

    rows: list[_Row]
    full: list[_Row]


def weekly_summaries(user: User, today: date, weeks: int) -> list[dict[str, Any]]:
    """Return the figures of the last weeks, newest first; the newest week ends today."""
    parameters = [user.pk, _first_day(today, weeks), today]
    [[text]] = fetch_all(_rows_query(), parameters, using=database_alias())
    return _weekly_summaries(orjson.loads(text), user, today, weeks)


def _first_day(today: date, weeks: int) -> date:
    return today - timedelta(days=_WEEK * weeks - 1)


@cache
def _rows_query() -> str:
    types = {name: json_object({"rows": _rows_fact(name, "$2", "$3")}) for name in METRIC_MODELS}
    return f"SELECT {json_object(types)}::text"


def _rows_fact(name: str, first: str, last: str) -> str:
    """Return the SQL expression of a type's rows between two parameters."""
    # A type may have none.
    columns = "".join(
        f', "{column}"::text' if column in float_columns(TYPES[name]) else f', "{column}"'
        for column in _columns(TYPES[name])
    )
    fetched = f"fetched_at, {_WEAR.format(type=name)}" if TYPES[name].grows else "fetched_at"
    table = METRIC_MODELS[name]._meta.db_table
    return _ROWS.format(
        over=over_at_sql("day"),
        fetched=fetched,
        columns=columns,
        table=table,
        first=first,
        last=last,
    )


@cache
def _columns(metric_type: MetricType) -> tuple[str, ...]:
    """Return the columns that decide whether a day is full, then the others that figures need."""
    full = metric_type.full_columns
    figures = dict.fromkeys(figure.column for figure in metric_type.figures)
    return (*full, *(column for column in figures if column not in full))


def _weekly_summaries(
    document: Mapping[str, Any], user: User, today: date, weeks: int
) -> list[dict[str, Any]]:
    zone = user.zone
    by_type = {
        name: _in_weeks(metric_type, document[name]["rows"] or (), user.pk, today, weeks, zone)
        for name, metric_type in TYPES.items()
    }
    return [
        _summary(
            today - timedelta(days=_WEEK * week),
            {name: of_type[week] for name, of_type in by_type.items()},
        )
        for week in range(weeks)
    ]


def _in_weeks(
    metric_type: MetricType,
    rows: Iterable[_Row],
    user_id: int,
    today: date,
    weeks: int,
    zone: ZoneInfo,
) -> list[_Week]:
    """Return the rows by week, the newest first."""
    by_week = [_Week([], []) for _ in range(weeks)]
    names, floats = metric_type.full_columns, _float_places(metric_type)
    matters = any(figure.of_full_days for figure in metric_type.figures)
    found: list[tuple[_Week, _Row, StoredDay, bool | None]] = []
    for text, before_over, *row in rows:
        day = date.fromisoformat(text)
        for place in floats:
            if row[place] is not None:
                row[place] = float(row[place])
        week = by_week[(today - day).days // _WEEK]
        week.rows.append(row)
        if matters:
            at = datetime.fromisoformat(before_over[0]) if before_over else _over_at(day)
            stored = StoredDay(day, dict(zip(names, row, strict=False)), at, today, zone)
            is_full = metric_type.is_full(stored)
            if is_full is None and before_over:
                is_full = _is_full_by_wear(metric_type, stored, *before_over[1:])
            found.append((week, row, stored, is_full))
    # Sources take long to read, and only few days depend on theirs.
    doubtful = [stored.day for _, _, stored, is_full in found if is_full is None]
    sources = _sources(metric_type.name, user_id, doubtful) if doubtful else {}
    for week, row, stored, is_full in found:
        if is_full is None:
            is_full = metric_type.is_full_by_source(stored, sources.get(stored.day))
        if is_full:
            week.full.append(row)
    return by_week


def _is_full_by_wear(
    metric_type: MetricType, stored: StoredDay, of_source: list[Any] | None = None
) -> bool | None:
    """Return whether a day of a type that grows is full, if that needs no more of its source.

    `of_source` has the source's `wear`; it is None if there is no source.
    """
    if not metric_type.grows:
        return None
    if of_source is None:
        return metric_type.is_full_by_source(stored, None)
    [wear] = of_source
    return None if wear is None else metric_type.is_full_by_wear(stored, wear)


@cache
def _float_places(metric_type: MetricType) -> tuple[int, ...]:
    floats = float_columns(metric_type)
    return tuple(at for at, name in enumerate(_columns(metric_type)) if name in floats)


@cache
def _places(metric_type: MetricType) -> tuple[tuple[Figure, int], ...]:
    """Return the figures, each with the place of its column."""
    columns = _columns(metric_type)
    return tuple((figure, columns.index(figure.column)) for figure in metric_type.figures)


def _sources(name: str, user_id: int, days: list[date]) -> dict[date, dict[str, Any]]:
    # With both ends of the days, PostgreSQL keeps its plan for the statement.
    parameters = [user_id, name, min(days), max(days), days]
    stored = fetch_all(_SOURCES, parameters, using=database_alias())
    documents = {day: unpack(content) for day, content in stored}
    return {day: source for day, source in documents.items() if isinstance(source, dict)}


def _summary(end: date, weeks: dict[str, _Week]) -> dict[str, Any]:
    """Return one week's figures, and for each type on how many of its days there is a row."""
    figures = {
        figure.name: figure.compute(
            [
                value
                for row in (week.full if figure.of_full_days else week.rows)
                if (value := row[place]) is not None
            ]
        )
        for name, week in weeks.items()
        for figure, place in _places(TYPES[name])
    }
    days = {f"{name}_days": len(week.rows) for name, week in weeks.items()}
    return {"start": end - timedelta(days=_WEEK - 1), "end": end, **figures, **days}


@cache
def _dashboard_query() -> str:
    """Return the statement that reads all of a dashboard, from $4 to $5, as one JSON document."""
    types = {
        name: json_object(
            {
                **type_facts(name),
                **edge_facts(name),
                "rows": _rows_fact(name, "$4", "$5"),
                "latest": row_fact(METRIC_MODELS[name], "ORDER BY day DESC LIMIT 1"),
            }
        )
        for name in METRIC_MODELS
    }
    facts = {**general_facts(), "has_marks": may_have_marks("$4", "$5")}
    return f"SELECT {json_object(types | facts)}::text"


def dashboard_data(user: User, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/dashboard`."""
    user_id, database, first = user.pk, database_alias(), _first_day(today, weeks)
    since = first_derived_day(first, today, utc) or first
    parameters = [*facts_parameters(user_id, since), first, today]
    [[text]] = fetch_all(_dashboard_query(), parameters, using=database)
    document = orjson.loads(text)
    summaries = _weekly_summaries(document, user, today, weeks)
    marks = find_marks(user_id, first, today) if document["has_marks"] else []
    # One ledger serves all weeks.
    facts = load_facts(document, user_id, database)
    by_type = ledger_from(facts, first, today, today=utc)
    edges_by_type = load_edges(document)
    for week in summaries:
        period = (week["start"], week["end"])
        week["coverage"] = api_summary(by_type, edges_by_type, *period)
        week["marks"] = marks_within(marks, *period)
    return {
        "today": today,
        **{
            f"latest_{name}": load_row(metric_type, document[name]["latest"])
            for name, metric_type in TYPES.items()
        },
        "weekly_summary": summaries[0],
        "weekly_summaries": summaries,
        "coverage": api_summary(by_type, edges_by_type, first, today),
        "marks": marks,
    }
