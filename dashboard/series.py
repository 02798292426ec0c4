"""The series inside the documents that are stored, over a range of days."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from math import inf
from typing import Any, NamedTuple

from dashboard import queries
from ingest.models import MetricSource, unpack
from metrics import MetricType
from metrics.series import (
    Bucket,
    Run,
    Series,
    Span,
    add_to_buckets,
    bucket_of_day,
)
from myhealth.days import ONE_DAY, Days
from myhealth.errors import Invalid
from myhealth.postgresql.prepared import fetch_all

_CONTENTS = f"""
    SELECT day, content FROM "{MetricSource._meta.db_table}"
    WHERE user_id = $1 AND type = $2 AND day BETWEEN $3 AND $4
    ORDER BY day LIMIT {queries.DAYS_AT_ONCE}"""


class Every(NamedTuple):
    """How finely a series is asked for: the seconds of a bucket, and how many days at a time."""

    seconds: int
    most_days: int | None


RAW = "raw"
_DAY = 24 * 60 * 60
EVERY = {
    RAW: Every(0, 31),
    "5m": Every(5 * 60, 31),
    "15m": Every(15 * 60, 92),
    "1h": Every(60 * 60, 366),
    "1d": Every(_DAY, None),
}


def check_range(days: Days, every: str) -> None:
    """Raise Invalid if these are too many days at a time."""
    most = EVERY[every].most_days
    if most is not None and len(days) > most:
        coarser = [name for name, each in EVERY.items() if (each.most_days or inf) >= len(days)]
        message = (
            f"'{every}' returns at most {most} days, but start to end is {len(days)} days; "
            f"expected fewer days or, for a series with a mean, {' or '.join(coarser)}."
        )
        raise Invalid({"every": [message]})


def series_answer(
    user_id: int, metric_type: MetricType, series: Series, days: Days, every: str
) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/series/{name}`."""
    runs = _runs(user_id, metric_type, series, days)
    points = _raw_points(runs) if every == RAW else _aggregates(runs, EVERY[every].seconds)
    return {"series": series.name, "unit": series.unit, "every": every, "points": points}


def _raw_points(runs: Iterable[tuple[date, list[Run]]]) -> list[tuple[Any, ...]]:
    points = [point for _, of_day in runs for run in of_day for point in run.points()]
    return sorted(points, key=_moment)


def _aggregates(runs: Iterable[tuple[date, list[Run]]], seconds: int) -> list[tuple[Any, ...]]:
    if seconds == _DAY:
        # Not by their starts: across the date line, two days may begin at the same moment.
        found = [each for day, of_day in runs for each in bucket_of_day(of_day, day).items()]
    else:
        buckets: dict[datetime, Bucket] = {}
        for _, of_day in runs:
            for run in of_day:
                add_to_buckets(buckets, run, seconds)
        found = list(buckets.items())
    return sorted(((start, *bucket.figures) for start, bucket in found), key=_moment)


def _moment(point: tuple[Any, ...]) -> datetime:
    moment: datetime = point[0]
    return moment


def _runs(
    user_id: int, metric_type: MetricType, series: Series, days: Days
) -> Iterator[tuple[date, list[Run]]]:
    """Yield each day's runs, oldest first. The same sleep may be stored under two days."""
    spans: list[Span] | None = [] if metric_type.has_spans else None
    for day, content in _contents(user_id, metric_type.name, days):
        yield day, series.runs(unpack(content), day, spans)


def _contents(user_id: int, type_: str, days: Days) -> Iterator[tuple[date, bytes]]:
    start = days.start
    while True:
        found = fetch_all(
            _CONTENTS, [user_id, type_, start, days.end], using=queries.database_alias()
        )
        yield from found
        if len(found) < queries.DAYS_AT_ONCE or found[-1][0] == days.end:
            return
        start = found[-1][0] + ONE_DAY
