"""The dashboard's weeks: sums and means over seven days. No data is null, never 0."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from dashboard import coverage, marks
from dashboard.reading import latest, rows_of
from ingest.registry import METRICS

WEEK = 7
DECIMALS = 2
Values = list[float]


def mean(values: Values) -> float | None:
    return round(fmean(values), DECIMALS) if values else None


def total(values: Values) -> float | None:
    return sum(values) if values else None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a week: its name, and what it is computed from."""

    name: str
    type: str
    column: str
    compute: Any


# Units as in the tables: seconds, beats a minute, milliseconds, kilocalories, degrees Celsius.
FIGURES = (
    Figure("avg_sleep_score", "sleep", "score", mean),
    Figure("avg_activity_score", "activity", "score", mean),
    Figure("avg_readiness_score", "readiness", "score", mean),
    Figure("total_steps", "activity", "steps", total),
    Figure("avg_steps", "activity", "steps", mean),
    Figure("total_active_calories", "activity", "active_calories", total),
    Figure("avg_sleep_duration", "sleep", "duration", mean),
    Figure("avg_sleep_efficiency", "sleep", "efficiency", mean),
    Figure("avg_lowest_heart_rate", "sleep", "lowest_heart_rate", mean),
    Figure("avg_hrv", "sleep", "average_hrv", mean),
    Figure("avg_temperature_deviation", "readiness", "temperature_deviation", mean),
)


def weekly(user_id: int, today: date, weeks: int) -> list[dict[str, Any]]:
    """Summaries of the last `weeks` times seven days, the one that ends today first."""
    first = today - timedelta(days=WEEK * weeks - 1)
    held = {
        name: [
            [row for row in rows if (today - row["day"]).days // WEEK == week]
            for week in range(weeks)
        ]
        for name, rows in ((name, rows_between(name, user_id, first, today)) for name in METRICS)
    }
    return [
        summary(today - timedelta(days=WEEK * week), {name: held[name][week] for name in METRICS})
        for week in range(weeks)
    ]


def rows_between(name: str, user_id: int, first: date, last: date) -> list[dict[str, Any]]:
    wanted = {figure.column for figure in FIGURES if figure.type == name}
    found = rows_of(METRICS[name], user_id).filter(day__range=(first, last))
    return list(found.values("day", *sorted(wanted)))


def summary(end: date, rows: dict[str, Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """One week's figures, with how many of its days each type has."""
    rows = {name: list(each) for name, each in rows.items()}
    figures = {
        figure.name: figure.compute(
            [row[figure.column] for row in rows[figure.type] if row[figure.column] is not None]
        )
        for figure in FIGURES
    }
    days = {f"{name}_days": len(list(each)) for name, each in rows.items()}
    return {"start": end - timedelta(days=WEEK - 1), "end": end, **figures, **days}


def dashboard(user_id: int, today: date, weeks: int, *, utc: date) -> dict[str, Any]:
    """What `GET /api/v1/dashboard` answers; the days are accounted for once, for all weeks."""
    found = weekly(user_id, today, weeks)
    first = found[-1]["start"]
    changes = marks.between(user_id, first, today)
    held = coverage.ranges(user_id, first, today, utc=utc)
    edges = coverage.edges(user_id, first)
    for week in found:
        period = (week["start"], week["end"])
        week["coverage"] = coverage.summary(held, edges, *period)
        week["marks"] = marks.within(changes, *period)
    return {
        "today": today,
        **{f"latest_{name}": latest(kind, user_id) for name, kind in METRICS.items()},
        "weekly_summary": found[0],
        "weekly_summaries": found,
        "coverage": coverage.summary(held, edges, first, today),
        "marks": changes,
    }
