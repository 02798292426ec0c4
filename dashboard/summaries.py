"""The dashboard's weeks: sums and averages over seven days. Without data they are null, not 0."""

from datetime import date, timedelta
from typing import Any

from dashboard.marks import find_marks, marks_within
from dashboard.queries import database_alias, latest_row, rows_of_user
from ingest.coverage import api_summary, edges
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS
from metrics import TYPES

_WEEK = 7
_Row = dict[str, Any]


def weekly_summaries(user_id: int, today: date, weeks: int) -> list[dict[str, Any]]:
    """Return the figures of the last weeks, newest first; the newest week ends today."""
    first = today - timedelta(days=_WEEK * weeks - 1)
    rows: list[dict[str, list[_Row]]] = [{name: [] for name in TYPES} for _ in range(weeks)]
    for name in TYPES:
        for row in _rows_with_figures(name, user_id, first, today):
            rows[(today - row["day"]).days // _WEEK][name].append(row)
    return [_summary(today - timedelta(days=_WEEK * week), rows[week]) for week in range(weeks)]


def _rows_with_figures(name: str, user_id: int, first: date, last: date) -> list[_Row]:
    """Return the rows of one type with the columns that its figures need."""
    columns = {figure.column for figure in TYPES[name].figures}
    rows = rows_of_user(METRIC_MODELS[name], user_id).between(first, last)
    return list(rows.values("day", *sorted(columns)))


def _summary(end: date, rows: dict[str, list[_Row]]) -> dict[str, Any]:
    """Return one week's figures, and for each type on how many of its days there is a row."""
    figures = {
        figure.name: figure.compute(
            [row[figure.column] for row in rows[name] if row[figure.column] is not None]
        )
        for name, metric_type in TYPES.items()
        for figure in metric_type.figures
    }
    days = {f"{name}_days": len(of_type) for name, of_type in rows.items()}
    return {"start": end - timedelta(days=_WEEK - 1), "end": end, **figures, **days}


def dashboard_data(user_id: int, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/dashboard`."""
    summaries = weekly_summaries(user_id, today, weeks)
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
