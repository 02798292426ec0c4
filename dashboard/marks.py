"""Marks: nights from which on sleep can't be compared with before.

A night is a mark if its provenance (the sleep algorithm, the ring) is new: neither the night before
nor any of the 30 nights before that one had it. So two rings worn in turn are one mark, on the
first night of the second, and so is a ring that is given up while the other goes on; a third ring
is a mark, and so is a ring that comes back after more than 30 nights.

Only nights with provenance count: the others, naps, and nights without the ring are skipped
(`MetricType.provenance_of`). The first night of all is no mark.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from dashboard.queries import database_alias
from ingest.models import MetricSource
from metrics import TYPES
from metrics.columns import in_words
from myhealth.postgresql.prepared import fetch_all

_Mark = dict[str, Any]
_TABLE = f'"{MetricSource._meta.db_table}"'
# The last night and 30 before it: people who wear two rings in turn change by the day, the week or
# the fortnight, and what was away for longer had been given up. These are nights, not days: both
# rings may have been away for months, and go on in turn.
_NIGHTS_IN_TURN = 1 + 30
# Reads the days of the range and, for each kind of provenance in it, as many earlier nights that
# have it as matter: a week's marks don't need ten years of days.
CHANGES = f"""
    WITH inside AS (
        SELECT day, mark, provenance ->> mark AS value
        FROM {_TABLE}, unnest($5::text[]) AS mark
        WHERE user_id = $1 AND type = $2 AND day BETWEEN $3 AND $4 AND provenance ->> mark <> ''
    ), earlier AS (
        SELECT day, mark, value
        FROM (SELECT DISTINCT mark FROM inside) AS kinds
        CROSS JOIN LATERAL (
            SELECT day, provenance ->> mark AS value FROM {_TABLE}
            WHERE user_id = $1 AND type = $2 AND day < $3 AND provenance ->> mark <> ''
            ORDER BY day DESC LIMIT $6
        ) AS last
    ), numbered AS (
        SELECT day, mark, value, lag(value) OVER by_kind AS before,
            row_number() OVER by_kind AS number
        FROM (SELECT * FROM inside UNION ALL SELECT * FROM earlier) AS every
        WINDOW by_kind AS (PARTITION BY mark ORDER BY day)
    )
    SELECT day, mark, before, value, number FROM numbered
    WHERE before IS DISTINCT FROM value
    ORDER BY mark, day"""
# Whether there is a change at all: it takes two provenances among the nights of the range and the
# last one before.
_MAY_CHANGE = """
    SELECT count(DISTINCT provenance) > 1
    FROM (
        (SELECT provenance {inside})
        UNION ALL
        (
            SELECT provenance FROM {table}
            WHERE user_id = $1 AND type = '{type}' AND day < {start} AND provenance <> '{{}}'
                AND EXISTS (SELECT {inside})
            ORDER BY day DESC LIMIT 1
        )
    ) AS nights"""
_INSIDE = """FROM {table}
    WHERE user_id = $1 AND type = '{type}' AND day BETWEEN {start} AND {end}
        AND provenance <> '{{}}'"""


def may_have_marks(start: str, end: str) -> str:
    """Return the SQL expression that is true where the person $1 may have marks.

    `start` and `end` are parameters.
    """
    of_types = []
    for name, metric_type in TYPES.items():
        if metric_type.provenance:
            names = {"table": _TABLE, "type": name, "start": start, "end": end}
            of_types.append(_MAY_CHANGE.format(inside=_INSIDE.format(**names), **names))
    return f"SELECT {' OR '.join(f'({each})' for each in of_types) or 'false'}"


def find_marks(user_id: int, start: date, end: date) -> list[_Mark]:
    """Return a person's marks from start to end, newest first.

    Each has the `day`, the `mark` (the kind of provenance) and its values, `from` and `to`.
    """
    marks: list[_Mark] = []
    for name, metric_type in TYPES.items():
        if metric_type.provenance:
            parameters = changes_parameters(user_id, name, start, end)
            changes = fetch_all(CHANGES, parameters, using=database_alias())
            marks += [each for each in _marks_of(changes) if each["day"] >= start]
    return sorted(marks, key=lambda mark: (-mark["day"].toordinal(), mark["mark"]))


def changes_parameters(user_id: int, name: str, start: date, end: date) -> list[Any]:
    """Return the parameters of `CHANGES` for a type with provenance."""
    return [user_id, name, start, end, list(TYPES[name].provenance), _NIGHTS_IN_TURN]


def _marks_of(changes: Iterable[tuple[Any, ...]]) -> Iterator[_Mark]:
    """Return the marks among changes: day, kind, value before, value, number of the night.

    The changes of a kind are in order, and begin with its first night, before which is no value.
    """
    last: dict[str, int] = {}
    for day, kind, before, value, number in changes:
        if before is None:
            last = {}
        else:
            last[before] = number - 1
            if value not in last or number - last[value] > _NIGHTS_IN_TURN:
                yield {"day": day, "mark": kind, "from": before, "to": value}


def change_texts() -> dict[str, str]:
    """Return the sentence about a change of each kind of provenance."""
    return {kind: text for each in TYPES.values() for kind, text in each.provenance.items()}


def marks_within(marks: list[_Mark], start: date, end: date) -> list[_Mark]:
    return [mark for mark in marks if start <= mark["day"] <= end]


def name_mark(mark: _Mark) -> str:
    """Return what is new since the mark, in few words."""
    return f"new {in_words(mark['mark']).lower()}"


def describe_mark(mark: _Mark) -> str:
    """Return a sentence about the mark."""
    change = change_texts()[mark["mark"]].format(before=mark["from"], after=mark["to"])
    return (
        f"On {mark['day'].day} {mark['day']:%B %Y} {change}: "
        "values before and after this date aren't comparable."
    )
