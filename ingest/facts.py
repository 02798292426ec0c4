"""What the ledger is derived from: rows, fetches, rejected documents, time without the ring.

One statement reads it all, so that no ingest between two reads can make a day look missing.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db import connections

from ingest.models import METRIC_MODELS, Fetch, RejectedDocument
from metrics import TYPES
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day
from myhealth.states import Failure, FailureKind

# Off for less than that in a day, the ring is charging.
_CHARGING_MINUTES = 100
# No rejected document is of a later day: the ledger looks two weeks ahead of each.
_LAST_DAY = date(9999, 12, 1)


@dataclass(frozen=True)
class Stretch(Days):
    """Stored days one after another, all with the same collection missing, if any.

    `created_at` is when the first of them was stored.
    """

    missing_collection: str
    created_at: datetime


@dataclass(frozen=True)
class Attempt(Days):
    """Days with the same last fetch; `times` is how many in a row had that result.

    `failure` is None for a complete fetch.
    """

    at: datetime
    failure: Failure | None
    times: int


@dataclass
class Facts:
    """All that the states of a person's days depend on, by type; ranges are oldest first.

    `first` is the first day stored, which may be before all of `stored`; `rejected` has the
    primary keys of documents; `minutes_off` those of the activity day without the ring.
    """

    first: dict[str, date] = field(default_factory=dict)
    stored: dict[str, list[Stretch]] = field(default_factory=lambda: defaultdict(list))
    complete: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    rejected: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))
    minutes_off: dict[date, int] = field(default_factory=dict)


def read_facts(user_id: int, since: date, using: str) -> Facts:
    """Return what the states of the days from `since` on depend on."""
    facts = Facts()
    with connections[using].cursor() as cursor:
        cursor.execute(facts_query(), facts_parameters(user_id, since))
        for part, type_, first, last, details in cursor:
            match part:
                case "stored":
                    created_at = datetime.fromisoformat(details["created_at"])
                    stretch = Stretch(first, last, details["missing_collection"], created_at)
                    facts.stored[type_].append(stretch)
                case "complete":
                    at = datetime.fromisoformat(details["asked_at"])
                    facts.complete[type_].append(Attempt(first, last, at, None, details["times"]))
                case "failed":
                    failure = _failure(details)
                    facts.failed[type_].append(
                        Attempt(first, last, failure.at, failure, failure.attempts)
                    )
                case "first":
                    facts.first[type_] = first
                case "off":
                    facts.minutes_off[first] = details["minutes"]
                case "rejected":
                    day = parse_day(details["day"])
                    if day and FIRST_DAY <= day < _LAST_DAY:
                        facts.rejected[type_][day] = details["pk"]
    return facts


def _failure(details: dict[str, Any]) -> Failure:
    return Failure(
        FailureKind(details["kind"]),
        details["status"],
        details["collection"],
        details["page"],
        details["times"],
        datetime.fromisoformat(details["asked_at"]),
    )


def facts_parameters(user_id: int, since: date) -> dict[str, Any]:
    # Two days earlier begins the day before a night, and ends the stretch before it.
    return {"user": user_id, "since": since - 2 * ONE_DAY, "charging": _CHARGING_MINUTES}


@cache
def facts_query() -> str:
    """Return the statement that reads all facts: part, type, first day, last day, details."""
    parts = [_FETCHES, _REJECTED]
    for type_, model in METRIC_MODELS.items():
        names = {"type": type_, "table": f'"{model._meta.db_table}"'}
        parts += [_STORED.format(**names), _FIRST.format(**names)]
        if worn := TYPES[type_].worn_minutes:
            parts.append(_OFF.format(worn=" - ".join(worn), **names))
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3"


# A stretch starts at each row that does not continue the row before it, and ends with the row
# before the next start.
_STORED = """
    SELECT 'stored', '{type}', day, coalesce(lead(day_before) OVER (ORDER BY day), last_day),
        json_build_object('missing_collection', missing_collection, 'created_at', created_at)
    FROM (
        SELECT day, missing_collection, created_at, lag(day) OVER by_day AS day_before,
            lag(missing_collection) OVER by_day AS missing_before, max(day) OVER () AS last_day
        FROM {table} WHERE user_id = %(user)s AND day >= %(since)s
        WINDOW by_day AS (ORDER BY day)
    ) AS stored
    WHERE day_before IS NULL OR day_before <> day - 1 OR missing_before <> missing_collection"""
_FIRST = """
    SELECT * FROM (
        SELECT 'first', '{type}', day, day, NULL::json
        FROM {table} WHERE user_id = %(user)s ORDER BY day LIMIT 1
    ) AS first"""
# A day that is over has 1,440 minutes: in those that no class of activity has, the ring was off.
_OFF = """
    SELECT * FROM (
        SELECT 'off', NULL, day, day, json_build_object('minutes', 1440 - {worn})
        FROM {table}
        WHERE user_id = %(user)s AND day >= %(since)s AND 1440 - {worn} >= %(charging)s
            AND fetched_at >= (day + 1 + time '16:00') AT TIME ZONE 'UTC'
    ) AS off"""
_FETCHES = f"""
    SELECT CASE WHEN complete THEN 'complete' ELSE 'failed' END, type, start, "end",
        json_build_object('asked_at', asked_at, 'times', attempts, 'kind', kind,
            'status', status, 'collection', collection, 'page', page)
    FROM "{Fetch._meta.db_table}" WHERE user_id = %(user)s AND "end" >= %(since)s"""
_REJECTED = f"""
    SELECT 'rejected', type, NULL, NULL, json_build_object('day', day, 'pk', max(id))
    FROM "{RejectedDocument._meta.db_table}" WHERE user_id = %(user)s GROUP BY type, day"""
