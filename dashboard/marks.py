"""Marks: nights from which on sleep can't be compared with before.

A night is a mark if its provenance (the sleep algorithm, the ring) is new: neither the night before
nor any of the 30 nights before that one had it. So two rings worn in turn are one mark, on the
first night of the second, and so is a ring that is given up while the other goes on; a third ring
is a mark, and so is a ring that comes back after more than 30 nights.

Only nights with provenance count: the others, naps, and nights without the ring are skipped
(`MetricType.provenance_of`). The first night of all is no mark.
"""

from datetime import date
from typing import Any

from django.db import connections

from dashboard.queries import database_alias
from ingest.models import MetricSource
from metrics import TYPES

_Mark = dict[str, Any]
# The last night and 30 before it: people who wear two rings in turn change by the day, the week or
# the fortnight, and what was away for longer had been given up. These are nights, not days: both
# rings may have been away for months, and go on in turn.
_NIGHTS_IN_TURN = 1 + 30
# Reads the days of the range and, for each kind of provenance in it, as many earlier nights that
# have it as matter: a week's marks don't need ten years of days.
_CHANGES = """
    WITH inside AS (
        SELECT day, key AS mark, value
        FROM {table}, jsonb_each_text(provenance)
        WHERE user_id = %(user)s AND type = %(type)s AND day BETWEEN %(start)s AND %(end)s
            AND key = ANY(%(marks)s) AND value <> ''
    ), earlier AS (
        SELECT day, mark, value
        FROM (SELECT DISTINCT mark FROM inside) AS kinds
        CROSS JOIN LATERAL (
            SELECT day, provenance ->> mark AS value FROM {table}
            WHERE user_id = %(user)s AND type = %(type)s AND day < %(start)s
                AND provenance ->> mark <> ''
            ORDER BY day DESC LIMIT %(nights)s
        ) AS last
    ), numbered AS (
        SELECT day, mark, value, lag(value) OVER by_kind AS before,
            row_number() OVER by_kind AS number
        FROM (SELECT * FROM inside UNION ALL SELECT * FROM earlier) AS every
        WINDOW by_kind AS (PARTITION BY mark ORDER BY day)
    ), nights AS (
        SELECT *, number - lag(number) OVER (PARTITION BY mark, value ORDER BY day) AS nights_since
        FROM numbered
    )
    SELECT day, mark, before, value FROM nights
    WHERE day BETWEEN %(start)s AND %(end)s AND before <> value
        AND (nights_since IS NULL OR nights_since > %(nights)s)
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
                params: dict[str, Any] = {
                    "user": user_id,
                    "type": name,
                    "start": start,
                    "end": end,
                    "marks": list(metric_type.provenance),
                    "nights": _NIGHTS_IN_TURN,
                }
                cursor.execute(statement, params)
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
