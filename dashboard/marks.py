"""Marks: days from which on the figures of sleep don't compare with those before.

A mark is a day whose night tells another sleep algorithm, or another ring, than the last earlier
night that tells one. Nights that don't tell it are skipped, and the first that does is no mark.
"""

from datetime import date
from typing import Any

from django.db import connections

from dashboard.reading import database
from ingest.models import MetricSource

Mark = dict[str, Any]
# What of a night's traits is a mark, in words.
MARKS = {"sleep_algorithm": "Oura's sleep algorithm", "ring": "the ring"}

# The range's nights, with the last earlier one for each trait that they tell: ten years of nights
# need not be read for a week of them.
CHANGES = """
    WITH inside AS (
        SELECT day, key AS mark, value
        FROM {table}, jsonb_each_text(traits)
        WHERE user_id = %(user)s AND type = 'sleep' AND day BETWEEN %(start)s AND %(end)s
            AND key = ANY(%(marks)s) AND value <> ''
    ), earlier AS (
        SELECT last.day, mark, last.value
        FROM (SELECT DISTINCT mark FROM inside) AS told
        CROSS JOIN LATERAL (
            SELECT day, traits ->> mark AS value FROM {table}
            WHERE user_id = %(user)s AND type = 'sleep' AND day < %(start)s
                AND traits ->> mark <> ''
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
    asked: dict[str, Any] = {"user": user_id, "start": start, "end": end, "marks": list(MARKS)}
    with connections[database()].cursor() as cursor:
        cursor.execute(statement, asked)
        return [
            {"day": day, "mark": mark, "from": before, "to": after}
            for day, mark, before, after in cursor
        ]


def within(marks: list[Mark], start: date, end: date) -> list[Mark]:
    return [each for each in marks if start <= each["day"] <= end]


def sentence(mark: Mark) -> str:
    """A mark in words; a ring's id says nothing to people."""
    versions = f" ({mark['from']} to {mark['to']})" if mark["mark"] == "sleep_algorithm" else ""
    what = f"{MARKS[mark['mark']]} changed{versions}"
    return f"On {mark['day'].day} {mark['day']:%B} {what}: figures before and after don't compare."
