"""Queries on the metric tables: rows, and the versions that ETags are made from."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec
import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import User
from ingest.models import Metric, MetricQuerySet, MetricSource
from metrics import TYPES, MetricType
from myhealth import __version__
from myhealth.days import Days, utc_today
from myhealth.postgresql.prepared import fetch_all

# A row: an object with an attribute for each of its columns, which msgspec writes as JSON.
MetricRow = msgspec.Struct
# Messages by column, contributor (`contributors.timing`), or `day` if about the whole day.
Warnings = dict[str, list[str]]

_SELECT = "SELECT {columns} FROM {table} AS row WHERE row.user_id = %s"
_ROWS = f"{_SELECT} AND row.day BETWEEN %s AND %s ORDER BY row.day DESC"
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


class _Statement(NamedTuple):
    """A query template for one table and some of its columns, and the class of its rows."""

    columns: str
    table: str
    row: type[MetricRow]

    def fetch(self, template: str, *parameters: Any) -> list[MetricRow]:
        sql = template.format(columns=self.columns, table=self.table)
        make = self.row
        rows = fetch_all(sql, parameters, using=database_alias(), raw_json=True)
        return [make(*row) for row in rows]


# Of the many selections of columns that there are, people use few.
@lru_cache(maxsize=256)
def _statement(model: type[Metric], columns: tuple[str, ...]) -> _Statement:
    quote = connection.ops.quote_name
    table, selected = quote(model._meta.db_table), ", ".join(map(_selected, columns))
    # Rows refer to nothing, so the garbage collector need not look at them.
    row = msgspec.defstruct(f"{model.metric_type.class_name}Row", columns, gc=False)
    return _Statement(selected, table, row)


def _selected(name: str) -> str:
    column = f"row.{connection.ops.quote_name(name)}"
    if name == "updated_at":
        return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')"
    # PostgreSQL writes dates faster than Python.
    return f"{column}::text" if name == "day" else column


def fetch_rows(
    model: type[Metric], user_id: int, days: Days, columns: tuple[str, ...]
) -> list[MetricRow]:
    """Return the rows of the days, newest first. Dates are text, contributors are JSON text."""
    return _statement(model, columns).fetch(_ROWS, user_id, days.start, days.end)


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
