"""Rows of a range of days, and which of the days are full: the others are left out of averages.

Whether a day is full depends on when it was fetched, for some days also on the documents that it
was made from (`MetricType.is_full`). Those take long to read, and few days need them.
"""

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dashboard.queries import DAYS_AT_ONCE, database_alias, float_columns
from ingest.models import METRIC_MODELS, MetricSource, unpack
from metrics import TYPES, MetricType
from metrics.base import StoredDay
from myhealth.days import over_at, over_at_sql
from myhealth.postgresql.prepared import fetch_all

# The rows of some days, newest first: the day, when it was fetched if that was before it was over
# everywhere (with the time without the ring, if the type's days grow), then columns.
_ROWS = """
    SELECT json_agg(json_build_array(
        day,
        CASE WHEN fetched_at < {over}
            THEN json_build_array({fetched})
        END{columns}))
    FROM (
        SELECT * FROM "{table}" WHERE user_id = $1 AND day BETWEEN {first} AND {last}
        ORDER BY day DESC
    ) AS days"""
_WEAR = f"""(
    SELECT json_build_array(wear) FROM "{MetricSource._meta.db_table}"
    WHERE user_id = $1 AND type = '{{type}}' AND day = days.day)"""
# When a day was over everywhere, which stands for all moments after that; people read few days.
_over_at = lru_cache(maxsize=4096)(over_at)
_SOURCES = f"""
    SELECT day, content FROM "{MetricSource._meta.db_table}"
    WHERE user_id = %s AND type = %s AND day BETWEEN %s AND %s AND day = ANY(%s)"""


class Reader(NamedTuple):
    """Whose rows they are, and what day it is for them."""

    user_id: int
    today: date
    zone: ZoneInfo


class DayRow(NamedTuple):
    """A row's columns, as `rows_fact` names them, and whether its day is full."""

    day: date
    values: list[Any]
    is_full: bool


def rows_fact(name: str, columns: Iterable[str], first: str, last: str) -> str:
    """Return the SQL expression of a type's rows of the person $1, for `load_rows`.

    `first` and `last` are parameters. Columns are those of the type, or `contributors.` and one of
    its contributors; those that `full_columns` names are added in front.
    """
    metric_type = TYPES[name]
    selected = "".join(
        f", {_expression(metric_type, column)}" for column in read_columns(metric_type, columns)
    )
    fetched = f"fetched_at, {_WEAR.format(type=name)}" if metric_type.grows else "fetched_at"
    return _ROWS.format(
        over=over_at_sql("day"),
        fetched=fetched,
        columns=selected,
        table=METRIC_MODELS[name]._meta.db_table,
        first=first,
        last=last,
    )


def _expression(metric_type: MetricType, column: str) -> str:
    name, _, contributor = column.partition(".")
    if contributor:
        return f"\"{name}\" -> '{contributor}'"
    return f'"{name}"::text' if name in float_columns(metric_type) else f'"{name}"'


def read_columns(metric_type: MetricType, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that decide whether a day is full, then the others."""
    full = metric_type.full_columns
    return (*full, *(column for column in dict.fromkeys(columns) if column not in full))


def load_rows(
    metric_type: MetricType,
    rows: Iterable[list[Any]] | None,
    columns: tuple[str, ...],
    reader: Reader,
    *,
    check: bool = True,
) -> list[DayRow]:
    """Return the rows that `rows_fact` selects, newest first.

    `columns` are those of `read_columns`. Without the check, all days are full.
    """
    names, today, zone = metric_type.full_columns, reader.today, reader.zone
    full_value, float_names = metric_type.full_value, float_columns(metric_type)
    floats = [at for at, name in enumerate(columns) if name in float_names]
    if not check and not floats:
        return [DayRow(date.fromisoformat(text), values, True) for text, _, *values in rows or ()]
    found: list[DayRow] = []
    doubtful: dict[int, StoredDay] = {}
    for text, before_over, *values in rows or ():
        day = date.fromisoformat(text)
        for place in floats:
            if values[place] is not None:
                values[place] = float(values[place])
        is_full: bool | None = True
        if check and not (full_value and values[0] == full_value):
            at = datetime.fromisoformat(before_over[0]) if before_over else _over_at(day)
            stored = StoredDay(day, dict(zip(names, values, strict=False)), at, today, zone)
            is_full = metric_type.is_full(stored)
            if is_full is None and before_over:
                is_full = _is_full_by_wear(metric_type, stored, *before_over[1:])
            if is_full is None:
                doubtful[len(found)] = stored
        found.append(DayRow(day, values, bool(is_full)))
    items = list(doubtful.items())
    for first in range(0, len(items), DAYS_AT_ONCE):
        batch = items[first : first + DAYS_AT_ONCE]
        contents = _contents(metric_type.name, reader.user_id, [each.day for _, each in batch])
        for place, stored in batch:
            content = contents.get(stored.day)
            source = None if content is None else unpack(content)
            source = source if isinstance(source, dict) else None
            is_full = metric_type.is_full_by_source(stored, source)
            found[place] = found[place]._replace(is_full=is_full)
    return found


def _is_full_by_wear(
    metric_type: MetricType, stored: StoredDay, of_source: list[Any] | None = None
) -> bool | None:
    """Return whether a day of a type that grows is full, if that needs no more of its source.

    `of_source` has the source's `wear`; it is None if there is no source.
    """
    if not metric_type.grows:
        return None
    if of_source is None:
        return metric_type.is_full_by_source(stored, None)
    [wear] = of_source
    return None if wear is None else metric_type.is_full_by_wear(stored, wear)


def _contents(name: str, user_id: int, days: list[date]) -> dict[date, bytes]:
    # With both ends of the days, PostgreSQL keeps its plan for the statement.
    parameters = [user_id, name, min(days), max(days), days]
    return dict(fetch_all(_SOURCES, parameters, using=database_alias()))
