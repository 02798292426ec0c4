"""Marks: days on which the provenance changed. Values before and after are not comparable.

A day is a mark if its provenance (the sleep algorithm, the ring) differs from that of the last
earlier day that has one. Days without provenance are skipped; the first day with one is no mark.
"""

from datetime import date
from typing import Any

from django.db import connections

from dashboard.queries import database_alias
from ingest.models import MetricSource
from metrics import TYPES

_Mark = dict[str, Any]
# Reads the days of the range and, for each kind of provenance in it, the last earlier day that has
# it: a week's marks don't need ten years of days.
_CHANGES = """
    WITH inside AS (
        SELECT day, key AS mark, value
        FROM {table}, jsonb_each_text(provenance)
        WHERE user_id = %(user)s AND type = %(type)s AND day BETWEEN %(start)s AND %(end)s
            AND key = ANY(%(marks)s) AND value <> ''
    ), earlier AS (
        SELECT last.day, mark, last.value
        FROM (SELECT DISTINCT mark FROM inside) AS kinds
        CROSS JOIN LATERAL (
            SELECT day, provenance ->> mark AS value FROM {table}
            WHERE user_id = %(user)s AND type = %(type)s AND day < %(start)s
                AND provenance ->> mark <> ''
            ORDER BY day DESC LIMIT 1
        ) AS last
    ), nights AS (
        SELECT day, mark, value, lag(value) OVER (PARTITION BY mark ORDER BY day) AS before
        FROM (SELECT * FROM inside UNION ALL SELECT * FROM earlier) AS every
    )
    SELECT day, mark, before, value FROM nights WHERE before <> value
    ORDER BY day DESC, mark"""


def find_marks(user_id: int, start: date, end: date) -> list[_Mark]:
    """Return a person's marks from start to end, newest first.

    Each has the `day`, the `mark` (the kind of provenance) and its values, `from` and `to`.
    """
    statement = _CHANGES.format(table=f'"{MetricSource._meta.db_table}"')
    marks: list[_Mark] = []
    with connections[database_alias()].cursor() as cursor:
        for name, metric_type in TYPES.items():
            if metric_type.provenance:
                params: dict[str, Any] = {"user": user_id, "type": name, "start": start, "end": end}
                cursor.execute(statement, params | {"marks": list(metric_type.provenance)})
                names = ("day", "mark", "from", "to")
                marks += [dict(zip(names, values, strict=True)) for values in cursor]
    return sorted(marks, key=lambda mark: (-mark["day"].toordinal(), mark["mark"]))


def change_texts() -> dict[str, str]:
    """Return the sentence about a change of each kind of provenance."""
    return {kind: text for each in TYPES.values() for kind, text in each.provenance.items()}


def marks_within(marks: list[_Mark], start: date, end: date) -> list[_Mark]:
    return [mark for mark in marks if start <= mark["day"] <= end]


def describe_mark(mark: _Mark) -> str:
    """Return a sentence about the mark."""
    change = change_texts()[mark["mark"]].format(before=mark["from"], after=mark["to"])
    return (
        f"On {mark['day'].day} {mark['day']:%B} {change}: "
        "values before and after this date aren't comparable."
    )
