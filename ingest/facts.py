"""What the ledger is derived from: rows, fetches, rejected documents, time without the ring.

One statement reads all that decides whether a day is missing, so that no ingest between two reads
can make one look so. When the ring was off is read only of nights that are missing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from itertools import chain
from typing import Any, TypeVar, cast

import orjson
from django.db.models import Model

from ingest.models import METRIC_MODELS, Fetch, MetricSource, RejectedDocument
from ingest.wear import ActivityDay, night_off
from metrics import TYPES
from metrics.base import DAY_OFF_MINUTES
from myhealth.days import (
    FIRST_DAY,
    ONE_DAY,
    Days,
    from_days,
    merge,
    over_at,
    over_at_sql,
    parse_day,
    subtract,
)
from myhealth.postgresql.prepared import fetch_all
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


def read_facts(
    user_id: int, since: date, using: str, *, until: date = date.max, all_fetches: bool = False
) -> Facts:
    """Return what the states of the days from `since` on depend on.

    With `until`, they are those of the days before the `next_stored_day` that this is.
    """
    [[text]] = fetch_all(facts_query(), facts_parameters(user_id, since, until), using=using)
    return load_facts(orjson.loads(text), user_id, using, all_fetches=all_fetches)


def next_stored_day(user_id: int, types: Iterable[str], day: date, using: str) -> date:
    """Return the first day after a day on which each of the types has had a row since."""
    firsts = (_NEXT.format(table=_table(METRIC_MODELS[type_])) for type_ in types)
    query = f"SELECT greatest({', '.join(firsts)})"
    [[found]] = fetch_all(query, [user_id, day], using=using)
    return cast(date, found)


def read_stretches(user_id: int, type_: str, since: date, using: str) -> list[Stretch]:
    """Return the stored days of one type from `since` on."""
    query = f"SELECT ({type_facts(type_)['stored']})::text"
    [[text]] = fetch_all(query, [user_id, since, date.max], using=using)
    last, starts = orjson.loads(text)
    return list(_stretches(starts, last)) if starts else []


def load_facts(
    document: Mapping[str, Any], user_id: int, using: str, *, all_fetches: bool = False
) -> Facts:
    """Return the facts of a document with the `type_facts` of each type, and the `general_facts`.

    Unless all fetches are asked for, those that decide no state are left out: complete ones of days
    that are all stored, of a type of which none failed.
    """
    facts = Facts()
    for type_ in METRIC_MODELS:
        found = document[type_]
        if found["first"]:
            facts.first[type_] = date.fromisoformat(found["first"])
        last, starts = found["stored"]
        if starts:
            facts.stored[type_] = list(_stretches(starts, last))
        complete = []
        for *fetch, failure in found["fetches"] or ():
            if failure:
                _add_failed(facts, type_, fetch, failure)
            else:
                complete.append(fetch)
        if not all_fetches and type_ not in facts.failed:
            complete = _of_missing_days(complete, starts, last)
        facts.complete[type_] = [_attempt(fetch) for fetch in complete]
    for type_, text, pk in document["rejected"] or ():
        day = parse_day(text)
        if day and FIRST_DAY <= day < _LAST_DAY:
            facts.rejected[type_][day] = pk
    if nights := _nights_in_doubt(facts):
        facts.nights_off = _read_nights_off(user_id, nights, using)
    return facts


def _stretches(starts: list[list[Any]], last: str) -> Iterator[Stretch]:
    """Return the stretches that start like this, each with the day before as well."""
    ends = [*(each[1] for each in starts[1:]), last]
    for (start, _, missing, created_at, *off), end in zip(starts, ends, strict=True):
        days = date.fromisoformat(start), date.fromisoformat(end)
        yield Stretch(*days, missing, datetime.fromisoformat(created_at), *off)


# The first day, the last day, when Oura was asked, and how often, as in JSON.
_Fetch = list[Any]


def _of_missing_days(
    fetches: Iterable[_Fetch], starts: list[list[Any]] | None, last: str
) -> list[_Fetch]:
    """Return the fetches with a day that is not stored; all are oldest first.

    Days are compared as texts, which have the same order.
    """
    starts = starts or []
    ends = [*(each[1] for each in starts[1:]), last]
    stretches = zip((each[0] for each in starts), ends, strict=False)
    start, end = next(stretches, ("", ""))
    found = []
    for fetch in fetches:
        while end < fetch[0] and end:
            start, end = next(stretches, ("", ""))
        if fetch[0] < start or end < fetch[1]:
            found.append(fetch)
    return found


def _attempt(fetch: _Fetch, failure: Failure | None = None) -> Attempt:
    start, end, at, times = fetch
    days = date.fromisoformat(start), date.fromisoformat(end)
    return Attempt(*days, datetime.fromisoformat(at), failure, times)


def _add_failed(facts: Facts, type_: str, fetch: _Fetch, details: list[Any]) -> None:
    _, _, at, attempts = fetch
    kind, status, collection, page, alike, since, renewed = details
    failure = Failure(
        FailureKind(kind),
        status,
        collection,
        page,
        attempts,
        datetime.fromisoformat(at),
        alike,
        datetime.fromisoformat(since),
    )
    facts.failed[type_].append(_attempt(fetch, failure))
    facts.renewed[type_] += from_days(map(date.fromisoformat, renewed or ()))


def _nights_in_doubt(facts: Facts) -> list[date]:
    """Return the nights that may be without a row because the ring was off.

    A fetch brought nothing when they were over, and both their activity days are stored.
    """
    active = [facts.stored[name] for name, each in TYPES.items() if each.off_minutes]
    nights = [
        Days(days.start + ONE_DAY, days.end)
        for days in merge(chain.from_iterable(active))
        if days.start < days.end
    ]
    worn = [facts.stored[name] for name, each in TYPES.items() if each.shows_wear]
    fetches = [facts.complete[name] for name, each in TYPES.items() if each.of_night]
    return [
        night
        for days in subtract(nights, chain.from_iterable(worn))
        for night in days
        if any((fetch := range_at(each, night)) and fetch.at >= over_at(night) for each in fetches)
    ]


def _read_nights_off(user_id: int, nights: list[date], using: str) -> dict[date, RingOff]:
    [[text]] = fetch_all(_nights_query(), [user_id, nights], using=using)
    found = {}
    for day, *days in orjson.loads(text or b"[]"):
        night = date.fromisoformat(day)
        if off := night_off(night, *(_activity_day(*each) for each in days)):
            found[night] = off
    return found


def _activity_day(
    minutes_off: int | None, wear: dict[str, Any] | None, fetched_at: str
) -> ActivityDay:
    return ActivityDay(minutes_off, wear, datetime.fromisoformat(fetched_at))


_R = TypeVar("_R", bound=Days)


def range_at(ranges: list[_R], day: date) -> _R | None:
    """Return the one of the ranges (oldest first, no two overlap) that has the day."""
    index = bisect_right(ranges, day, key=_start) - 1
    return ranges[index] if index >= 0 and day <= ranges[index].end else None


def _start(days: Days) -> date:
    return days.start


# The statements -----------------------------------------------------------------------------------


def facts_parameters(user_id: int, since: date, until: date = date.max) -> list[Any]:
    """Return the parameters $1 to $3 of a statement that reads facts."""
    # Two days earlier begins the day before a night, and ends the stretch before it.
    return [user_id, since - 2 * ONE_DAY, until]


@cache
def facts_query() -> str:
    """Return the statement that reads all facts, as one JSON document."""
    types = {type_: json_object(type_facts(type_)) for type_ in METRIC_MODELS}
    return f"SELECT {json_object(types | general_facts())}::text"


def json_object(values: Mapping[str, str]) -> str:
    """Return the SQL expression of a JSON object with these expressions as values."""
    pairs = (f"'{name}', ({value})" for name, value in values.items())
    return f"json_build_object({', '.join(pairs)})"


def type_facts(type_: str) -> dict[str, str]:
    """Return the SQL expressions of one type's facts, by name. Their parameters are $1 to $3."""
    off = f'"{name}"' if (name := TYPES[type_].off_minutes) else ""
    names = {"type": type_, "table": _table(METRIC_MODELS[type_]), "off": off}
    all_off = {key: value.format(**names) if off else "" for key, value in _ALL_OFF.items()}
    return {name: sql.format(**all_off, **names) for name, sql in _TYPE_FACTS.items()}


def general_facts() -> dict[str, str]:
    return {"rejected": _REJECTED}


@cache
def _nights_query() -> str:
    [(type_, off)] = [(name, off) for name, each in TYPES.items() if (off := each.off_minutes)]
    return _NIGHTS.format(type=type_, table=_table(METRIC_MODELS[type_]), off=f'"{off}"')


def _table(model: type[Model]) -> str:
    return f'"{model._meta.db_table}"'


# What a type with a column of minutes without the ring adds to the stretches.
_ALL_OFF = {
    "and_details": ", minutes_off",
    "and_columns": ", lag(minutes_off) OVER by_day AS off_before",
    "and_off": f", CASE WHEN {{off}} >= {DAY_OFF_MINUTES} THEN {{off}} END AS minutes_off",
    "or_off": " OR off_before IS DISTINCT FROM minutes_off",
}
# A stretch starts at each row that does not continue the row before it. Both ends of the days are
# given, because PostgreSQL expects few rows then, and keeps a plan for few.
_STORED = """
    SELECT json_build_array(max(day), json_agg(
        json_build_array(day, day_before, missing_collection, created_at{and_details}) ORDER BY day
    ) FILTER (
        WHERE day_before IS NULL OR day_before <> day - 1
            OR missing_before <> missing_collection{or_off}
    ))
    FROM (
        SELECT *, lag(day) OVER by_day AS day_before,
            lag(missing_collection) OVER by_day AS missing_before{and_columns}
        FROM (
            SELECT day, missing_collection, created_at{and_off}
            FROM {table} WHERE user_id = $1 AND day BETWEEN $2 AND $3
        ) AS days
        WINDOW by_day AS (ORDER BY day)
    ) AS stored"""
# What failed, and the days that were stored after that. A type may have a column `start` as well.
_FAILURE = """
    json_build_array(kind, status, collection, page, greatest(alike, 1), coalesce(since, asked_at),
        (
            SELECT json_agg(stored.day ORDER BY stored.day) FROM {table} AS stored
            WHERE stored.user_id = $1 AND stored.day BETWEEN fetches.start AND fetches."end"
                AND stored.day BETWEEN $2 AND $3 AND stored.fetched_at >= fetches.asked_at
        ))"""
_TYPE_FACTS = {
    "first": "SELECT min(day) FROM {table} WHERE user_id = $1",
    "stored": _STORED,
    "fetches": f"""
        SELECT json_agg(json_build_array(start, "end", asked_at, attempts,
            CASE WHEN NOT complete THEN {_FAILURE} END))
        FROM (
            SELECT * FROM "{Fetch._meta.db_table}"
            WHERE user_id = $1 AND type = '{{type}}' AND "end" BETWEEN $2 AND '9999-12-31'
                AND start <= $3
            ORDER BY "end"
        ) AS fetches""",
}
_NEXT = """(
    SELECT coalesce(min(day), '9999-12-31') FROM {table} WHERE user_id = $1 AND day > $2)"""
_REJECTED = f"""
    SELECT json_agg(json_build_array(type, day, pk))
    FROM (
        SELECT type, day, max(id) AS pk
        FROM "{RejectedDocument._meta.db_table}" WHERE user_id = $1 GROUP BY type, day
    ) AS rejected"""
# Both activity days of each night. Minutes count when the day is over: the rest of a day under way
# is in no class.
_ACTIVITY_DAY = """
    json_build_array(
        CASE
            WHEN {day}.fetched_at >= {over}
            THEN {day}.{{off}}
        END,
        (
            SELECT wear FROM "{sources}"
            WHERE user_id = $1 AND type = '{{type}}' AND day = {day}.day
        ),
        {day}.fetched_at)"""
_ACTIVITY_DAYS = ", ".join(
    _ACTIVITY_DAY.format(
        day=day, over=over_at_sql(f"{day}.day"), sources=MetricSource._meta.db_table
    )
    for day in ("before", "same")
)
_NIGHTS = f"""
    SELECT json_agg(json_build_array(same.day, {_ACTIVITY_DAYS}))::text
    FROM unnest($2::date[]) AS nights (night)
    JOIN {{table}} AS same ON same.user_id = $1 AND same.day = nights.night
    JOIN {{table}} AS before ON before.user_id = $1 AND before.day = nights.night - 1"""
