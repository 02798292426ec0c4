"""The dashboard's weeks: sums and means over seven days. No data is null, never 0."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from dashboard import marks
from dashboard.reading import database, latest, rows_of
from ingest.coverage import api_summary, edges
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS
from metrics import TYPES

WEEK = 7


def weekly(user_id: int, today: date, weeks: int) -> list[dict[str, Any]]:
    """Summaries of the last `weeks` times seven days, the one that ends today first."""
    first = today - timedelta(days=WEEK * weeks - 1)
    held = {
        name: [
            [row for row in rows if (today - row["day"]).days // WEEK == week]
            for week in range(weeks)
        ]
        for name, rows in ((name, rows_between(name, user_id, first, today)) for name in TYPES)
    }
    return [
        summary(today - timedelta(days=WEEK * week), {name: held[name][week] for name in TYPES})
        for week in range(weeks)
    ]


def rows_between(name: str, user_id: int, first: date, last: date) -> list[dict[str, Any]]:
    wanted = {figure.column for figure in TYPES[name].figures}
    found = rows_of(METRIC_MODELS[name], user_id).between(first, last)
    return list(found.values("day", *sorted(wanted)))


def summary(end: date, rows: dict[str, Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """One week's figures, with how many of its days each type has."""
    rows = {name: list(each) for name, each in rows.items()}
    figures = {
        figure.name: figure.compute(
            [row[figure.column] for row in rows[name] if row[figure.column] is not None]
        )
        for name, metric_type in TYPES.items()
        for figure in metric_type.figures
    }
    days = {f"{name}_days": len(list(each)) for name, each in rows.items()}
    return {"start": end - timedelta(days=WEEK - 1), "end": end, **figures, **days}


def dashboard(user_id: int, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """What `GET /api/v1/dashboard` answers; the days are accounted for once, for all weeks."""
    found = weekly(user_id, today, weeks)
    first = found[-1]["start"]
    changes = marks.between(user_id, first, today)
    by_type = ledger(user_id, first, today, today=utc, using=database())
    edges_by_type = edges(user_id, first, database())
    for week in found:
        period = (week["start"], week["end"])
        week["coverage"] = api_summary(by_type, edges_by_type, *period)
        week["marks"] = marks.within(changes, *period)
    return {
        "today": today,
        **{f"latest_{name}": latest(model, user_id) for name, model in METRIC_MODELS.items()},
        "weekly_summary": found[0],
        "weekly_summaries": found,
        "coverage": api_summary(by_type, edges_by_type, first, today),
        "marks": changes,
    }
