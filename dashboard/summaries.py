"""Summaries: sums and averages over weeks and other periods. Without data they are null, not 0.

Averages leave out days that are not full, as far as their figures declare it: a day under way or
without the ring, a nap instead of a night.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import orjson

from accounts.models import User
from dashboard.full_days import Reader, load_rows, read_columns, rows_fact
from dashboard.marks import find_marks, marks_within, may_have_marks
from dashboard.periods import last_weeks
from dashboard.queries import database_alias, load_row, row_fact
from ingest.coverage import Edges, api_summary, edge_facts, load_edges
from ingest.facts import facts_parameters, general_facts, json_object, load_facts, type_facts
from ingest.ledger import Ledger, first_derived_day, ledger_from
from ingest.models import METRIC_MODELS
from metrics import TYPES, MetricType
from metrics.columns import Figure
from myhealth.days import Days
from myhealth.postgresql.prepared import fetch_all

Summary = dict[str, Any]
# One row: the values of `_columns`.
_Row = list[Any]


def may_compare(figure: Figure, now: Summary, before: Summary) -> bool:
    """Return whether a figure of a period says something beside that of the period before.

    That has values on half of its days at least; a sum is one of as many values. Both summaries
    have counts.
    """
    days = (before["end"] - before["start"]).days + 1
    values, values_before = (each["counts"][figure.name] for each in (now, before))
    return 2 * values_before >= days and (figure.is_mean or values == values_before)


class _Rows(NamedTuple):
    """One type's rows of a period, and those of them that are of full days."""

    rows: list[_Row]
    full: list[_Row]


def weekly_summaries(user: User, today: date, weeks: int) -> list[Summary]:
    """Return the figures of the last weeks with counts, newest first; the newest ends today."""
    periods = last_weeks(today, weeks)
    parameters = [user.pk, periods[-1].start, today]
    [[text]] = fetch_all(_rows_query(), parameters, using=database_alias())
    return _summaries(orjson.loads(text), user, today, periods, full_days=True, counts=True)


def period_summaries(
    user: User, today: date, periods: Sequence[Days], *, utc: date, counts: bool = False
) -> list[Summary]:
    """Return the answer of `GET /api/v1/summaries`; the periods follow one another, newest first.

    A period under way is summed up to today. With `counts`, there is also how many values each
    figure was computed from.
    """
    read = _read(_periods_query(), user, today, periods, utc=utc)
    return _complete(read, user, today, periods, full_days=True, counts=counts)


def dashboard_data(user: User, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/dashboard`."""
    periods = last_weeks(today, weeks)
    read = _read(_periods_query(latest=True), user, today, periods, utc=utc)
    summaries = _complete(read, user, today, periods)
    latest = {
        f"latest_{name}": load_row(metric_type, read.document[name]["latest"])
        for name, metric_type in TYPES.items()
    }
    return {
        "today": today,
        **latest,
        "weekly_summary": summaries[0],
        "weekly_summaries": summaries,
        "coverage": api_summary(read.ledger, read.edges, periods[-1].start, today),
        "marks": read.marks,
    }


# Reading ------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """What was read of all periods together."""

    document: dict[str, Any]
    ledger: Ledger
    edges: dict[str, Edges]
    marks: list[dict[str, Any]]


def _read(query: str, user: User, today: date, periods: Sequence[Days], *, utc: date) -> _Read:
    user_id, database = user.pk, database_alias()
    first, last = periods[-1].start, min(periods[0].end, today)
    # One ledger serves all periods.
    since = first_derived_day(first, last, utc) or utc
    parameters = [*facts_parameters(user_id, since), first, last]
    [[text]] = fetch_all(query, parameters, using=database)
    document = orjson.loads(text)
    facts = load_facts(document, user_id, database)
    return _Read(
        document,
        ledger_from(facts, first, last, today=utc),
        load_edges(document),
        find_marks(user_id, first, last) if document["has_marks"] else [],
    )


@cache
def _rows_query() -> str:
    types = {
        name: json_object({"rows": rows_fact(name, _columns(TYPES[name]), "$2", "$3")})
        for name in METRIC_MODELS
    }
    return f"SELECT {json_object(types)}::text"


@cache
def _periods_query(*, latest: bool = False) -> str:
    """Return the statement that reads all from $4 to $5 as one JSON document.

    With the latest row of each type, or without.
    """
    types = {
        name: json_object(
            {
                **type_facts(name),
                **edge_facts(name),
                "rows": rows_fact(name, _columns(TYPES[name]), "$4", "$5"),
                **({"latest": row_fact(model, "ORDER BY day DESC LIMIT 1")} if latest else {}),
            }
        )
        for name, model in METRIC_MODELS.items()
    }
    facts = {**general_facts(), "has_marks": may_have_marks("$4", "$5")}
    return f"SELECT {json_object(types | facts)}::text"


@cache
def _columns(metric_type: MetricType) -> tuple[str, ...]:
    return read_columns(metric_type, (figure.column for figure in metric_type.figures))


# Summing up ---------------------------------------------------------------------------------------


def _complete(
    read: _Read, user: User, today: date, periods: Sequence[Days], **more: bool
) -> list[Summary]:
    """Return the summaries of the periods with their coverage and marks."""
    summaries = _summaries(read.document, user, today, periods, **more)
    for period, summary in zip(periods, summaries, strict=True):
        end = min(period.end, today)
        summary["coverage"] = api_summary(read.ledger, read.edges, period.start, end)
        summary["marks"] = marks_within(read.marks, period.start, end)
    return summaries


def _summaries(
    document: Mapping[str, Any],
    user: User,
    today: date,
    periods: Sequence[Days],
    *,
    full_days: bool = False,
    counts: bool = False,
) -> list[Summary]:
    reader = Reader(user.pk, today, user.zone)
    by_type = {
        name: _in_periods(metric_type, document[name]["rows"], reader, periods)
        for name, metric_type in TYPES.items()
    }
    return [
        _summary(
            period,
            {name: of_type[place] for name, of_type in by_type.items()},
            full_days=full_days,
            counts=counts,
        )
        for place, period in enumerate(periods)
    ]


def _in_periods(
    metric_type: MetricType, rows: Iterable[_Row] | None, reader: Reader, periods: Sequence[Days]
) -> list[_Rows]:
    """Return the rows by period. Both are newest first."""
    by_period = [_Rows([], []) for _ in periods]
    check = any(figure.of_full_days for figure in metric_type.figures)
    place = 0
    for day, row, is_full in load_rows(
        metric_type, rows, _columns(metric_type), reader, check=check
    ):
        while day < periods[place].start:
            place += 1
        by_period[place].rows.append(row)
        if is_full:
            by_period[place].full.append(row)
    return by_period


@cache
def _places(metric_type: MetricType) -> tuple[tuple[Figure, int], ...]:
    """Return the figures, each with the place of its column."""
    columns = _columns(metric_type)
    return tuple((figure, columns.index(figure.column)) for figure in metric_type.figures)


def _summary(
    period: Days, by_type: Mapping[str, _Rows], *, full_days: bool, counts: bool
) -> Summary:
    """Return one period's figures, and for each type on how many of its days there is a row."""
    values = {
        figure: [
            value
            for row in (found.full if figure.of_full_days else found.rows)
            if (value := row[place]) is not None
        ]
        for name, found in by_type.items()
        for figure, place in _places(TYPES[name])
    }
    days = {f"{name}_days": len(found.rows) for name, found in by_type.items()}
    full = {f"{name}_full_days": len(found.full) for name, found in by_type.items()}
    return {
        "start": period.start,
        "end": period.end,
        **{figure.name: figure.compute(of_days) for figure, of_days in values.items()},
        **days,
        **(full if full_days else {}),
        **({"counts": {of.name: len(known) for of, known in values.items()}} if counts else {}),
    }
