"""Queries on the metric tables: rows, and the versions that ETags are made from."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q

from accounts.models import User
from ingest.models import Metric, MetricQuerySet, MetricSource
from metrics import TYPES, MetricType
from myhealth import __version__
from myhealth.days import utc_today
from myhealth.postgresql.prepared import fetch_all

# Documents of so many days are in memory at once: two megabytes as they are stored.
DAYS_AT_ONCE = 200
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


def row_fact(model: type[Metric], which: str) -> str:
    """Return the SQL expression of a row of the person $1 as a JSON array, for `load_row`."""
    as_text = {"contributors", *float_columns(model.metric_type)}
    columns = ", ".join(
        f'"{name}"::text' if name in as_text else f'"{name}"'
        for name in row_columns(model.metric_type)
    )
    table = connection.ops.quote_name(model._meta.db_table)
    return f"SELECT json_build_array({columns}) FROM {table} WHERE user_id = $1 {which}"


def load_row(metric_type: MetricType, values: list[Any] | None) -> dict[str, Any] | None:
    """Return a row as a dictionary. Dates are text, contributors are JSON text."""
    if values is None:
        return None
    row = dict(zip(row_columns(metric_type), values, strict=True))
    for name in float_columns(metric_type):
        row[name] = None if row[name] is None else float(row[name])
    row["updated_at"] = datetime.fromisoformat(row["updated_at"])
    if "contributors" in row:
        row["contributors"] = orjson.Fragment(row["contributors"])
    return row


@cache
def float_columns(metric_type: MetricType) -> tuple[str, ...]:
    """Return the columns that are read as text: JSON would have -0.0 as 0."""
    return tuple(column.name for column in metric_type.columns if column.is_float)


class About(NamedTuple):
    """What is known of a day's documents: the time without the ring, and the warnings."""

    wear: Any = None
    warnings: Warnings = {}


def about_rows(user_id: int, rows: Iterable[Metric]) -> dict[str, About]:
    """Return what is known of the documents of one row of each type."""
    found = {name: About() for name in TYPES}
    if each := [Q(type=row.metric_type.name, day=row.day) for row in rows]:
        stored = MetricSource.objects.using(database_alias()).filter(
            Q(*each, _connector=Q.OR), user_id=user_id, type__in=TYPES
        )
        found |= {
            name: About(*about) for name, *about in stored.values_list("type", "wear", "warnings")
        }
    return found


class _Versions(NamedTuple):
    """The counters of one type: `rows` rises when rows change, `ledger` when states may."""

    rows: int = 0
    ledger: int = 0


_NO_VERSIONS = _Versions()


class Basis(NamedTuple):
    """All that the answer to a read depends on, besides the request and the account's id."""

    versions: dict[str, _Versions]
    # The person's date, and the date in UTC.
    today: date
    utc: date
    time_zone: str
    first_weekday: int
    is_staff: bool


def read_basis(user: User) -> Basis:
    rows = fetch_all(_VERSIONS, [user.pk], using=database_alias())
    versions = {name: _Versions(*counters) for name, *counters in rows}
    by_type = {name: versions.get(name, _NO_VERSIONS) for name in TYPES}
    days = user.today(), utc_today(), user.zone.key, user.first_weekday
    return Basis(by_type, *days, user.is_staff)


def etag(*parts: Any) -> str:
    """Return the ETag of an answer that depends on these parts alone.

    It is weak, so that a proxy that compresses the answer may keep it. It depends on the version of
    myhealth as well, because another version may answer differently.
    """
    text = "\0".join(map(str, (__version__, *parts)))
    return f'W/"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
