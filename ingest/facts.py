"""What the ledger is derived from: rows, fetches, rejected documents, time without the ring.

One statement reads it all, so that no ingest between two reads can make a day look missing.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import Model

from ingest.models import METRIC_MODELS, Fetch, MetricSource, RejectedDocument
from ingest.wear import NIGHT_OFF_MINUTES, ActivityDay, night_off
from metrics import TYPES
from metrics.activity import DAY_OFF_MINUTES
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day
from myhealth.states import Failure, FailureKind, RingOff

# No rejected document is of a later day: the ledger looks two weeks ahead of each.
_LAST_DAY = date(9999, 12, 1)


@dataclass(frozen=True)
class Stretch(Days):
    """Stored days one after another, all with the same collection missing, if any.

    `created_at` is when the first of them was stored. `minutes_off` is for how long the ring was
    off on each of the days, if it was off all day.
    """

    missing_collection: str
    created_at: datetime
    minutes_off: int | None = None


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

    `first` is the first day stored, which may be before all of `stored`; `renewed` has days whose
    last fetch failed, but which a newer document has reached without a fetch; `rejected` has the
    primary keys of documents; `nights_off` has the nights in which the ring was not worn.
    """

    first: dict[str, date] = field(default_factory=dict)
    stored: dict[str, list[Stretch]] = field(default_factory=lambda: defaultdict(list))
    complete: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    renewed: dict[str, list[Days]] = field(default_factory=lambda: defaultdict(list))
    rejected: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))
    nights_off: dict[date, RingOff] = field(default_factory=dict)


def read_facts(user_id: int, since: date, using: str) -> Facts:
    """Return what the states of the days from `since` on depend on."""
    facts = Facts()
    with connections[using].cursor() as cursor:
        cursor.execute(facts_query(), facts_parameters(user_id, since))
        for part, type_, first, last, details in cursor:
            match part:
                case "stored":
                    facts.stored[type_].append(_stretch(first, last, details))
                case "complete":
                    at = datetime.fromisoformat(details["asked_at"])
                    facts.complete[type_].append(Attempt(first, last, at, None, details["times"]))
                case "failed":
                    failure = _failure(details)
                    facts.failed[type_].append(
                        Attempt(first, last, failure.at, failure, failure.attempts)
                    )
                case "renewed":
                    facts.renewed[type_].append(Days(first, last))
                case "first":
                    facts.first[type_] = first
                case "off":
                    if off := night_off(first, *map(_activity_day, details)):
                        facts.nights_off[first] = off
                case "rejected":
                    day = parse_day(details["day"])
                    if day and FIRST_DAY <= day < _LAST_DAY:
                        facts.rejected[type_][day] = details["pk"]
    return facts


def _stretch(first: date, last: date, details: dict[str, Any]) -> Stretch:
    created_at = datetime.fromisoformat(details["created_at"])
    return Stretch(
        first, last, details["missing_collection"], created_at, details.get("minutes_off")
    )


def _activity_day(details: dict[str, Any]) -> ActivityDay:
    fetched_at = datetime.fromisoformat(details["fetched_at"])
    return ActivityDay(details["minutes_off"], details["wear"], fetched_at)


def _failure(details: dict[str, Any]) -> Failure:
    return Failure(
        FailureKind(details["kind"]),
        details["status"],
        details["collection"],
        details["page"],
        details["times"],
        datetime.fromisoformat(details["asked_at"]),
        details["alike"],
        datetime.fromisoformat(details["since"]),
    )


def facts_parameters(user_id: int, since: date) -> dict[str, Any]:
    # Two days earlier begins the day before a night, and ends the stretch before it.
    return {
        "user": user_id,
        "since": since - 2 * ONE_DAY,
        "day_off": DAY_OFF_MINUTES,
        "night_off": NIGHT_OFF_MINUTES,
    }


@cache
def facts_query() -> str:
    """Return the statement that reads all facts: part, type, first day, last day, details."""
    stretches, parts = [], [_FETCHES, _REJECTED]
    for type_, model in METRIC_MODELS.items():
        off = f'"{name}"' if (name := TYPES[type_].off_minutes) else ""
        names = {"type": type_, "table": _table(model), "off": off}
        all_off = {key: value.format(**names) if off else "" for key, value in _ALL_OFF.items()}
        stretches.append(_STORED.format(**all_off, **names))
        parts += [
            f"SELECT * FROM {type_}_stored",
            _FIRST.format(**names),
            _RENEWED.format(**names),
        ]
        if off:
            parts.append(_OFF.format(worn=_worn_nights(), **names))
    return f"WITH {', '.join(stretches)} {' UNION ALL '.join(parts)} ORDER BY 1, 2, 3"


def _table(model: type[Model]) -> str:
    return f'"{model._meta.db_table}"'


def _worn_nights() -> str:
    return " UNION ALL ".join(
        f"SELECT first_day, last_day FROM {type_}_stored"
        for type_ in METRIC_MODELS
        if TYPES[type_].shows_wear
    )


_ACTIVITY_DAY = """json_build_object(
                'minutes_off', CASE
                    WHEN {day}.fetched_at >= ({day}.day + 1 + time '16:00') AT TIME ZONE 'UTC'
                    THEN {day}.{{off}}
                END,
                'wear', {day}_wear.wear, 'fetched_at', {day}.fetched_at
            )"""
_WEAR = f"""LEFT JOIN LATERAL (
            SELECT wear, (
                SELECT sum((span->>1)::int - (span->>0)::int)
                FROM jsonb_array_elements(wear->'off') AS span
            ) AS minutes
            FROM "{MetricSource._meta.db_table}"
            WHERE user_id = %(user)s AND type = '{{{{type}}}}' AND day = {{day}}.day
            LIMIT 1
        ) AS {{day}}_wear ON true"""
# What a type with a column of minutes without the ring adds to the stretches.
_ALL_OFF = {
    "and_details": ", 'minutes_off', minutes_off",
    "and_columns": ", minutes_off, lag(minutes_off) OVER by_day AS off_before",
    "and_off": ", CASE WHEN {off} >= %(day_off)s THEN {off} END AS minutes_off",
    "or_off": " OR off_before IS DISTINCT FROM minutes_off",
}
# A stretch starts at each row that does not continue the row before it, and ends with the row
# before the next start.
_STORED = """
    {type}_stored (part, type, first_day, last_day, details) AS (
        SELECT 'stored', '{type}', day, coalesce(
                lead(day_before) OVER (ORDER BY day),
                (SELECT max(day) FROM {table} WHERE user_id = %(user)s)
            ),
            json_build_object('missing_collection', missing_collection, 'created_at', created_at
                {and_details})
        FROM (
            SELECT day, missing_collection, created_at, lag(day) OVER by_day AS day_before,
                lag(missing_collection) OVER by_day AS missing_before{and_columns}
            FROM (
                SELECT day, missing_collection, created_at{and_off}
                FROM {table} WHERE user_id = %(user)s AND day >= %(since)s
            ) AS days
            WINDOW by_day AS (ORDER BY day)
        ) AS stored
        WHERE day_before IS NULL OR day_before <> day - 1
            OR missing_before <> missing_collection{or_off}
    )"""
_FIRST = """
    SELECT * FROM (
        SELECT 'first', '{type}', day, day, NULL::json
        FROM {table} WHERE user_id = %(user)s ORDER BY day LIMIT 1
    ) AS first"""
# Days that were stored after their last failed fetch was made; neighbours have the same number.
_RENEWED = f"""
    SELECT 'renewed', '{{type}}', min(day), max(day), NULL::json
    FROM (
        SELECT day, day - (row_number() OVER (ORDER BY day))::int AS number
        FROM "{Fetch._meta.db_table}" AS failed
        JOIN {{table}} AS stored ON stored.user_id = %(user)s
            AND stored.day BETWEEN failed.start AND failed."end"
            AND stored.day >= %(since)s AND stored.fetched_at >= failed.asked_at
        WHERE failed.user_id = %(user)s AND failed.type = '{{type}}' AND NOT failed.complete
    ) AS renewed
    GROUP BY number"""
# Each night without a row that shows wear, with both its activity days, if the ring was off for
# long enough. Minutes count when the day is over: the rest of a day under way is in no class.
# Written such that PostgreSQL expects few nights, and looks up their days only.
_OFF = f"""
    SELECT * FROM (
        SELECT 'off', NULL, same.day, same.day, json_build_array(
            {_ACTIVITY_DAY.format(day="before")}, {_ACTIVITY_DAY.format(day="same")})
        FROM {{table}} AS same
        JOIN {{table}} AS before ON before.user_id = %(user)s AND before.day = same.day - 1
        {_WEAR.format(day="before")}
        {_WEAR.format(day="same")}
        WHERE same.user_id = %(user)s AND same.day <@ (
            SELECT datemultirange(daterange(%(since)s, NULL))
                - coalesce(range_agg(daterange(first_day, last_day, '[]')), '{{{{}}}}')
            FROM ({{worn}}) AS worn
        ) AND greatest(
            coalesce(before.{{off}}, 0) + coalesce(same.{{off}}, 0),
            coalesce(before_wear.minutes, 0) + coalesce(same_wear.minutes, 0)
        ) >= %(night_off)s
    ) AS off"""
_FETCHES = f"""
    SELECT CASE WHEN complete THEN 'complete' ELSE 'failed' END, type, start, "end",
        json_build_object('asked_at', asked_at, 'times', attempts, 'kind', kind,
            'status', status, 'collection', collection, 'page', page,
            'alike', greatest(alike, 1), 'since', coalesce(since, asked_at))
    FROM "{Fetch._meta.db_table}" WHERE user_id = %(user)s AND "end" >= %(since)s"""
_REJECTED = f"""
    SELECT 'rejected', type, NULL, NULL, json_build_object('day', day, 'pk', max(id))
    FROM "{RejectedDocument._meta.db_table}" WHERE user_id = %(user)s GROUP BY type, day"""
