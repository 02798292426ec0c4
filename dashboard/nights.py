"""One night of a person: the day's sleep periods, with their stages and series."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dashboard import queries
from ingest.ledger import ledger
from ingest.models import MetricSource, SleepMetric, unpack
from metrics import SLEEP
from metrics.series import Point, Run
from metrics.sleep import Period
from myhealth.postgresql.prepared import fetch_all

_TABLE = f'"{SleepMetric._meta.db_table}"'
_NIGHT = f"""
    SELECT
        (
            SELECT content FROM "{MetricSource._meta.db_table}"
            WHERE user_id = $1 AND type = '{SLEEP.name}' AND day = $2
        ),
        (SELECT max(day) FROM {_TABLE} WHERE user_id = $1 AND day < $2),
        (SELECT min(day) FROM {_TABLE} WHERE user_id = $1 AND day > $2)"""
# A day has some ten periods at most, but a program may send thousands, each with its series.
_MOST_PERIODS = 24
# The series of a period that the answer has as they are.
SERIES = {"heart_rate": "night_heart_rate", "hrv": "night_hrv", "movement": "movement"}


@dataclass(frozen=True)
class Night:
    """The sleep periods of a day, the main one first, then by start.

    Of very many, those that count are kept first; `left_out` is the number of the others.
    `others_counted` is how many count besides the main one. `previous` and `following` are the
    nearest days with a row.
    """

    previous: date | None
    following: date | None
    periods: list[Period]
    left_out: int
    others_counted: int

    @property
    def main(self) -> Period | None:
        return next((each for each in self.periods if each.is_main), None)


def find_night(user_id: int, day: date) -> Night:
    [row] = fetch_all(_NIGHT, [user_id, day], using=queries.database_alias())
    content, previous, following = row
    source = None if content is None else unpack(content)
    periods = SLEEP.periods_of(source) if isinstance(source, dict) else []
    counting_first = sorted(range(len(periods)), key=lambda place: not periods[place].counts)
    shown = sorted(counting_first[:_MOST_PERIODS])
    return Night(
        previous,
        following,
        [periods[place] for place in shown],
        len(periods) - len(shown),
        sum(each.counts and not each.is_main for each in periods),
    )


def night_detail(user_id: int, day: date, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/nights/{day}`."""
    night = find_night(user_id, day)
    by_type = ledger(user_id, day, day, today=utc, using=queries.database_alias())
    [only] = by_type[SLEEP.name]
    return {
        "day": day,
        "previous": night.previous,
        "next": night.following,
        "coverage": {"state": only.state, "reason": only.reason},
        "periods": [_period_to_dict(period, day) for period in night.periods],
        "periods_left_out": night.left_out,
    }


def runs_of(period: Period, day: date) -> dict[str, Run | None]:
    """Return the runs of a period by series; without those that can't be of the day."""
    return {name: run if run and run.is_near(day) else None for name, run in period.runs.items()}


def _period_to_dict(period: Period, day: date) -> dict[str, Any]:
    values = period.values
    runs = runs_of(period, day)
    return {
        "id": period.id,
        **{name: values.pop(name) for name in ("type", "bedtime_start", "bedtime_end")},
        "counts": period.counts,
        "why_not_counted": period.why_not_counted or None,
        "main": period.is_main,
        **values,
        "stages": stage_changes(runs["sleep_stage"], period),
        **{name: _points(runs[series]) for name, series in SERIES.items()},
    }


def _points(run: Run | None) -> list[Point]:
    return run.points() if run else []


def stage_changes(run: Run | None, period: Period) -> list[tuple[Any, Any]]:
    """Return each stage with the moment at which it begins; null from where it is not known."""
    if not run:
        return []
    values = [*run.values, None]
    changes = [
        (run.moment(index), value)
        for index, value in enumerate(values)
        if value != (values[index - 1] if index else None)
    ]
    last, value = changes[-1]
    # Where the night ends, that nothing is known from there on says nothing.
    at_end = period.end is not None and period.end - last < timedelta(seconds=run.step)
    return changes[:-1] if value is None and at_end else changes
