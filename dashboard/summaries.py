"""The dashboard's weeks: sums and averages over seven days. Without data they are null, not 0.

Averages leave out days that are not full, as far as their figures declare it: a day under way or
without the ring, a nap instead of a night.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import User
from dashboard.marks import find_marks, marks_within
from dashboard.queries import database_alias, latest_row, rows_of_user
from ingest.coverage import api_summary, edges
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, MetricSource
from metrics import TYPES
from metrics.base import StoredDay

_WEEK = 7
_Row = dict[str, Any]
_FULL = "full"


def weekly_summaries(user: User, today: date, weeks: int) -> list[dict[str, Any]]:
    """Return the figures of the last weeks, newest first; the newest week ends today."""
    first = today - timedelta(days=_WEEK * weeks - 1)
    rows: list[dict[str, list[_Row]]] = [{name: [] for name in TYPES} for _ in range(weeks)]
    for name in TYPES:
        for row in _rows_with_figures(name, user, first, today):
            rows[(today - row["day"]).days // _WEEK][name].append(row)
    return [_summary(today - timedelta(days=_WEEK * week), rows[week]) for week in range(weeks)]


def _rows_with_figures(name: str, user: User, first: date, today: date) -> list[_Row]:
    """Return the rows of one type with the columns that its figures need, and if they are full."""
    metric_type = TYPES[name]
    columns = {figure.column for figure in metric_type.figures} | {*metric_type.full_columns}
    rows = rows_of_user(METRIC_MODELS[name], user.pk).between(first, today)
    found = list(rows.values("day", "fetched_at", *sorted(columns)))
    zone = ZoneInfo(user.time_zone)
    stored = [StoredDay(row["day"], row, row["fetched_at"], today, zone) for row in found]
    for row, day in zip(found, stored, strict=True):
        row[_FULL] = metric_type.is_full(day)
    # Sources take long to read, and only few days depend on theirs.
    doubtful = {day.day: day for row, day in zip(found, stored, strict=True) if row[_FULL] is None}
    if doubtful:
        sources = _sources(name, user.pk, doubtful)
        for row in found:
            if row["day"] in doubtful:
                source = sources.get(row["day"])
                row[_FULL] = metric_type.is_full_by_source(doubtful[row["day"]], source)
    return found


def _sources(name: str, user_id: int, days: Iterable[date]) -> dict[date, dict[str, Any]]:
    stored = MetricSource.objects.using(database_alias()).filter(user_id=user_id, type=name)
    documents = {each.day: each.documents for each in stored.filter(day__in=list(days))}
    return {day: source for day, source in documents.items() if isinstance(source, dict)}


def _summary(end: date, rows: dict[str, list[_Row]]) -> dict[str, Any]:
    """Return one week's figures, and for each type on how many of its days there is a row."""
    figures = {
        figure.name: figure.compute(
            [
                row[figure.column]
                for row in rows[name]
                if row[figure.column] is not None and (row[_FULL] or not figure.of_full_days)
            ]
        )
        for name, metric_type in TYPES.items()
        for figure in metric_type.figures
    }
    days = {f"{name}_days": len(of_type) for name, of_type in rows.items()}
    return {"start": end - timedelta(days=_WEEK - 1), "end": end, **figures, **days}


def dashboard_data(user: User, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/dashboard`."""
    summaries, user_id = weekly_summaries(user, today, weeks), user.pk
    first = summaries[-1]["start"]
    marks = find_marks(user_id, first, today)
    # One ledger serves all weeks.
    by_type = ledger(user_id, first, today, today=utc, using=database_alias())
    edges_by_type = edges(user_id, first, database_alias())
    for week in summaries:
        period = (week["start"], week["end"])
        week["coverage"] = api_summary(by_type, edges_by_type, *period)
        week["marks"] = marks_within(marks, *period)
    return {
        "today": today,
        **{f"latest_{name}": latest_row(model, user_id) for name, model in METRIC_MODELS.items()},
        "weekly_summary": summaries[0],
        "weekly_summaries": summaries,
        "coverage": api_summary(by_type, edges_by_type, first, today),
        "marks": marks,
    }
