"""Rows of a range of days, read by a prepared statement and ready to be written as JSON."""

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from django.db import connection, models

from ingest.models import Metric
from myhealth.days import Days
from myhealth.postgresql.prepared import fetch_all

# An object with an attribute for each of its columns: of all that Python can make of a row, msgspec
# makes it and writes it as JSON in the shortest time.
MetricRow = msgspec.Struct


def fetch_rows(
    model: type[Metric],
    user_id: int,
    days: Days,
    columns: tuple[str, ...],
    *,
    using: str = "default",
) -> list[MetricRow]:
    """Return the rows of the days, newest first.

    Dates and times are text in ISO 8601, contributors are JSON text (`msgspec.Raw`).
    """
    sql, make_row = _statement(model, columns)
    rows = fetch_all(sql, [user_id, days.start, days.end], using=using, raw_json=True)
    return [make_row(*row) for row in rows]


class _Statement(NamedTuple):
    sql: str
    row: type[MetricRow]


# Of the many selections of columns that there are, people use few.
@lru_cache(maxsize=256)
def _statement(model: type[Metric], columns: tuple[str, ...]) -> _Statement:
    selected = ", ".join(_selected(model._meta.get_field(name)) for name in columns)
    sql = f"""
        SELECT {selected} FROM {connection.ops.quote_name(model._meta.db_table)} AS row
        WHERE row.user_id = %s AND row.day BETWEEN %s AND %s ORDER BY row.day DESC"""
    # Rows refer to nothing, so the garbage collector need not look at them.
    row = msgspec.defstruct(f"{model.metric_type.class_name}Row", columns, gc=False)
    return _Statement(sql, row)


def _selected(field: Any) -> str:
    """Return the expression for a column. PostgreSQL writes dates and times faster than Python."""
    column = f"row.{connection.ops.quote_name(field.column)}"
    match field:
        case models.DateTimeField():
            text = f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')"
            # As Python writes them: a whole second has no fraction.
            return f"replace({text}, '.000000', '')"
        case models.DateField():
            return f"{column}::text"
    return column
