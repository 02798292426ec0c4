"""The dashboard's weeks: sums and averages over seven days. Without data they are null, not 0.

Averages leave out days that are not full, as far as their figures declare it: a day under way or
without the ring, a nap instead of a night.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

import orjson

from accounts.models import User
from dashboard.full_days import Reader, load_rows, read_columns, rows_fact
from dashboard.marks import find_marks, marks_within, may_have_marks
from dashboard.queries import database_alias, load_row, row_fact
from ingest.coverage import api_summary, edge_facts, load_edges
from ingest.facts import facts_parameters, general_facts, json_object, load_facts, type_facts
from ingest.ledger import first_derived_day, ledger_from
from ingest.models import METRIC_MODELS
from metrics import TYPES, MetricType
from metrics.columns import Figure
from myhealth.postgresql.prepared import fetch_all

_WEEK = 7
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
    types = {
        name: json_object({"rows": rows_fact(name, _columns(TYPES[name]), "$2", "$3")})
        for name in METRIC_MODELS
    }
    return f"SELECT {json_object(types)}::text"


@cache
def _columns(metric_type: MetricType) -> tuple[str, ...]:
    return read_columns(metric_type, (figure.column for figure in metric_type.figures))


def _weekly_summaries(
    document: Mapping[str, Any], user: User, today: date, weeks: int
) -> list[dict[str, Any]]:
    reader = Reader(user.pk, today, user.zone)
    by_type = {
        name: _in_weeks(metric_type, document[name]["rows"], reader, weeks)
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
    metric_type: MetricType, rows: Iterable[_Row] | None, reader: Reader, weeks: int
) -> list[_Week]:
    """Return the rows by week, the newest first."""
    by_week = [_Week([], []) for _ in range(weeks)]
    check = any(figure.of_full_days for figure in metric_type.figures)
    for day, row, is_full in load_rows(
        metric_type, rows, _columns(metric_type), reader, check=check
    ):
        week = by_week[(reader.today - day).days // _WEEK]
        week.rows.append(row)
        if is_full:
            week.full.append(row)
    return by_week


@cache
def _places(metric_type: MetricType) -> tuple[tuple[Figure, int], ...]:
    """Return the figures, each with the place of its column."""
    columns = _columns(metric_type)
    return tuple((figure, columns.index(figure.column)) for figure in metric_type.figures)


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
                "rows": rows_fact(name, _columns(TYPES[name]), "$4", "$5"),
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
