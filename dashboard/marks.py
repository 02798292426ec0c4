"""Marks: days from which on the figures of sleep don't compare with those before.

A mark is a day whose documents name another provenance (a sleep algorithm, a ring) than the last
earlier day that names one. Days that name none are skipped, and the first that does is no mark.
"""

from datetime import date
from typing import Any

from django.db import connections

from dashboard.reading import database
from ingest.models import MetricSource
from metrics import TYPES

Mark = dict[str, Any]
# The range's days, with the last earlier one for each provenance that they name: ten years of days
# need not be read for a week of them.
CHANGES = """
    WITH inside AS (
        SELECT day, key AS mark, value
        FROM {table}, jsonb_each_text(provenance)
        WHERE user_id = %(user)s AND type = %(type)s AND day BETWEEN %(start)s AND %(end)s
            AND key = ANY(%(marks)s) AND value <> ''
    ), earlier AS (
        SELECT last.day, mark, last.value
        FROM (SELECT DISTINCT mark FROM inside) AS told
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


def between(user_id: int, start: date, end: date) -> list[Mark]:
    """A person's marks, newest first, both ends included: `day`, `mark`, and `from` what `to`."""
    statement = CHANGES.format(table=f'"{MetricSource._meta.db_table}"')
    found: list[Mark] = []
    with connections[database()].cursor() as cursor:
        for name, metric_type in TYPES.items():
            if metric_type.provenance:
                asked: dict[str, Any] = {"user": user_id, "type": name, "start": start, "end": end}
                cursor.execute(statement, asked | {"marks": list(metric_type.provenance)})
                names = ("day", "mark", "from", "to")
                found += [dict(zip(names, values, strict=True)) for values in cursor]
    return sorted(found, key=lambda each: (-each["day"].toordinal(), each["mark"]))


def words() -> dict[str, str]:
    """What to say of a change of each provenance."""
    return {mark: text for each in TYPES.values() for mark, text in each.provenance.items()}


def within(marks: list[Mark], start: date, end: date) -> list[Mark]:
    return [each for each in marks if start <= each["day"] <= end]


def sentence(mark: Mark) -> str:
    """A mark in words."""
    what = words()[mark["mark"]].format(before=mark["from"], after=mark["to"])
    return f"On {mark['day'].day} {mark['day']:%B} {what}: figures before and after don't compare."
