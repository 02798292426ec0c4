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

# All earlier nights are read, since the last that tells a trait may be any of them.
CHANGES = """
    SELECT day, mark, before, after
    FROM (
        SELECT day, key AS mark, value AS after,
            lag(value) OVER (PARTITION BY key ORDER BY day) AS before
        FROM {table}, jsonb_each_text(traits)
        WHERE user_id = %(user)s AND type = 'sleep' AND day <= %(end)s
            AND key = ANY(%(marks)s) AND value <> ''
    ) AS nights
    WHERE before <> after AND day >= %(start)s
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
