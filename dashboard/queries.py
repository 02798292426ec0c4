"""Queries on the metric tables: rows, and the versions that ETags are made from."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import User
from ingest.models import Metric, MetricQuerySet, MetricSource
from metrics import TYPES, MetricType
from myhealth import __version__
from myhealth.days import utc_today
from myhealth.postgresql.prepared import fetch_all

# Messages by column, contributor (`contributors.timing`), or `day` if about the whole day.
Warnings = dict[str, list[str]]

_VERSIONS = "SELECT type, version, ledger_version FROM metric_streams WHERE user_id = %s"


@cache
def database_alias() -> str:
    """Return the alias of the database to read from."""
    return "replica" if "replica" in settings.DATABASES else "default"


def row_columns(metric_type: MetricType) -> tuple[str, ...]:
    """Return the names of the columns that the API shows of a row."""
    return ("oura_id", "day", *metric_type.column_names, "updated_at")


def rows_of_user(model: type[Metric], user_id: int) -> MetricQuerySet:
    return model.objects.using(database_alias()).of(user_id)


def newest_first(
    queryset: "QuerySet[Any]",
    columns: tuple[str, ...],
    *,
    limit: int | None = None,
    load_contributors: Callable[[str], Any] = orjson.Fragment,
) -> list[dict[str, Any]]:
    """Return the rows as dictionaries of these columns, newest first.

    `load_contributors` takes the JSON text that is stored; by default it is copied into a JSON
    answer without being parsed.
    """
    selected = ["as_text" if name == "contributors" else name for name in columns]
    if "contributors" in columns:
        queryset = queryset.annotate(as_text=Cast("contributors", TextField()))
    values = queryset.order_by("-day").values_list(*selected)[:limit]
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    if "contributors" in columns:
        for row in rows:
            row["contributors"] = load_contributors(row["contributors"])
    return rows


def latest_row(model: type[Metric], user_id: int) -> dict[str, Any] | None:
    columns = row_columns(model.metric_type)
    return next(iter(newest_first(rows_of_user(model, user_id), columns, limit=1)), None)


def warnings_by_type(user_id: int, days: Mapping[str, date]) -> dict[str, Warnings]:
    """Return the warnings about one day of each type; none for a day without."""
    found: dict[str, Warnings] = {name: {} for name in TYPES}
    if days:
        each = [Q(type=name, day=day) for name, day in days.items()]
        stored = MetricSource.objects.using(database_alias()).filter(
            Q(*each, _connector=Q.OR), user_id=user_id, type__in=days
        )
        found |= dict(stored.exclude(warnings={}).values_list("type", "warnings"))
    return found


class _Versions(NamedTuple):
    """The counters of one type: `rows` rises when rows change, `ledger` when states may."""

    rows: int = 0
    ledger: int = 0


_NO_VERSIONS = _Versions()


class State(NamedTuple):
    """All that the answer to a read depends on, besides the request and the account's id."""

    versions: dict[str, _Versions]
    # The person's date, and the date in UTC.
    today: date
    utc: date
    time_zone: str
    is_staff: bool


def read_state(user: User) -> State:
    rows = fetch_all(_VERSIONS, [user.pk], using=database_alias())
    versions = {name: _Versions(*counters) for name, *counters in rows}
    by_type = {name: versions.get(name, _NO_VERSIONS) for name in TYPES}
    return State(by_type, user.today(), utc_today(), user.time_zone, user.is_staff)


def etag(*parts: Any) -> str:
    """Return the ETag of an answer that depends on these parts alone.

    It is weak, so that a proxy that compresses the answer may keep it. It depends on the version of
    myhealth as well, because another version may answer differently.
    """
    text = "\0".join(map(str, (__version__, *parts)))
    return f'W/"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
