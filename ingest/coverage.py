"""Coverage: the ledger as the page, the API, the admin and programs show it.

All of them take the same ranges, merged and counted by the functions of this module.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

from django.urls import reverse

from ingest.ledger import Ledger, Range, clamp, expected_from, full_ledger, ledger
from ingest.models import METRIC_MODELS, Fetch
from metrics import TYPES
from myhealth.days import FIRST_DAY, ONE_DAY, utc_date
from myhealth.postgresql.prepared import fetch_all
from myhealth.states import Cause, Failure, Fault, State

_FAILURES = (State.FAILED, State.NO_PERMISSION, State.REJECTED)


def merge_alike(ranges: Iterable[Range]) -> list[Range]:
    """Return fewer ranges: neighbours that differ only in when they were fetched become one."""
    merged: list[Range] = []
    for each in ranges:
        touches = merged and merged[-1].end + ONE_DAY == each.start
        if touches and _shown(merged[-1]) == _shown(each):
            merged[-1] = replace(merged[-1], end=each.end)
        else:
            merged.append(each)
    return merged


def _shown(each: Range) -> tuple[State, str | None, int | None]:
    return each.state, each.reason, each.verdict.rejected


def is_missing(each: Range) -> bool:
    """Return whether its days are missing; those before the first day Oura has are not."""
    return each.state != State.HELD and each.verdict.cause != Cause.BEFORE_FIRST


def missing_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Return the merged ranges of missing days, newest first."""
    return [each for each in reversed(merge_alike(ranges)) if is_missing(each)]


def stored_ranges_with_reason(ranges: Iterable[Range]) -> list[Range]:
    """Return the merged ranges of stored days that have a reason all the same, newest first.

    The ring was off all day, or what is stored may not be the newest that Oura has.
    """
    return [
        each for each in reversed(merge_alike(ranges)) if each.state == State.HELD and each.reason
    ]


def count_missing(ranges: Iterable[Range]) -> Counter[str]:
    """Return the number of missing days by state."""
    counts: Counter[str] = Counter()
    for each in ranges:
        if is_missing(each):
            counts[each.state.value] += len(each)
    return counts


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return days by state in words, most first: `ring not worn: 3, not synced yet: 1`."""
    most_first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    labels = dict(State.choices)
    return ", ".join(f"{labels.get(state, state)}: {days}" for state, days in most_first)


def stored_days(ranges: Iterable[Range]) -> tuple[date | None, date | None, int]:
    """Return the first and the last day stored, and how many there are."""
    stored = [each for each in ranges if each.state.has_row]
    if not stored:
        return None, None, 0
    return stored[0].start, stored[-1].end, sum(map(len, stored))


def first_stored_days(user_id: int, using: str = "default") -> dict[str, date]:
    """Return the first day stored of each type that has any."""
    [firsts] = fetch_all(_firsts_query(), [user_id], using=using)
    return {type_: first for type_, first in zip(METRIC_MODELS, firsts, strict=True) if first}


@cache
def _firsts_query() -> str:
    tables = (model._meta.db_table for model in METRIC_MODELS.values())
    firsts = (f'(SELECT min(day) FROM "{table}" WHERE user_id = $1)' for table in tables)
    return f"SELECT {', '.join(firsts)}"


def expected_ranges(by_type: Ledger, firsts: Mapping[str, date], last: date) -> Ledger:
    """Return the ranges of the days that are expected, up to a day.

    `firsts` has the first day stored of each type that has any.
    """
    return {
        type_: clamp(ranges, first, last) if first else []
        for type_, ranges in by_type.items()
        for first in [expected_from(TYPES[type_], firsts)]
    }


def expected_or_failed(by_type: Ledger, firsts: Mapping[str, date], last: date) -> Ledger:
    """Return the ranges of the expected days, and of earlier ones that could not be stored."""
    expected = expected_ranges(by_type, firsts, last)
    found: dict[str, list[Range]] = {}
    for type_, ranges in by_type.items():
        days = expected[type_]
        before = days[0].start - ONE_DAY if days else last
        failed = [each for each in ranges if each.state in _FAILURES]
        found[type_] = [*clamp(failed, FIRST_DAY, before), *days]
    return found


def missing_today(user_id: int, now: datetime) -> dict[str, dict[str, int]]:
    """Return by type and state how many of the days expected up to today are missing."""
    today = utc_date(now)
    firsts = first_stored_days(user_id)
    if not firsts:
        return {}
    by_type = ledger(user_id, min(firsts.values()), today, today=today)
    expected = expected_ranges(by_type, firsts, today)
    counts = {type_: count_missing(ranges) for type_, ranges in expected.items()}
    return {type_: dict(each) for type_, each in counts.items() if each}


# The API ------------------------------------------------------------------------------------------

_FAULTS = tuple(fault.value for fault in Fault)


def api_coverage(by_type: Ledger, *, links: bool) -> dict[str, Any]:
    """Return what `GET /api/v1/coverage` answers, with `links` to rejected documents or without."""
    return {
        type_: {"ranges": [_api_range(each, links) for each in merge_alike(ranges)]}
        for type_, ranges in by_type.items()
    }


def _api_range(each: Range, links: bool) -> dict[str, Any]:
    shown = {"from": each.start, "to": each.end, "state": each.state, "reason": each.reason}
    if links and each.verdict.rejected:
        shown["link"] = reverse(
            "admin:ingest_rejecteddocument_change", args=[each.verdict.rejected]
        )
    return shown


class Edges(NamedTuple):
    """The first day stored of one type, the newest before some day, and its last complete fetch."""

    first: date | None
    newest: date | None
    fetched_at: datetime | None


def edge_facts(type_: str) -> dict[str, str]:
    """Return the SQL expressions of a type's edges before the day $4, but for its first day.

    Each reads one entry of an index, however long the history is.
    """
    table, fetches = METRIC_MODELS[type_]._meta.db_table, Fetch._meta.db_table
    return {
        "newest": f'SELECT max(day) FROM "{table}" WHERE user_id = $1 AND day < $4',
        "fetched_at": f"""
            SELECT max(asked_at) FROM "{fetches}"
            WHERE user_id = $1 AND type = '{type_}' AND complete""",
    }


def load_edges(document: Mapping[str, Any]) -> dict[str, Edges]:
    """Return the edges of each type of a document with its `type_facts` and `edge_facts`."""
    return {
        type_: Edges(
            _loaded(date, document[type_]["first"]),
            _loaded(date, document[type_]["newest"]),
            _loaded(datetime, document[type_]["fetched_at"]),
        )
        for type_ in METRIC_MODELS
    }


_D = TypeVar("_D", bound=date)


def _loaded(kind: type[_D], text: str | None) -> _D | None:
    return None if text is None else kind.fromisoformat(text)


def last_complete_fetch(user_id: int, using: str) -> datetime | None:
    """Return when the last complete fetch of any type asked Oura."""
    complete = Fetch.objects.using(using).filter(user_id=user_id, complete=True)
    return complete.order_by("-asked_at").values_list("asked_at", flat=True).first()


def api_summary(
    by_type: Ledger, edges_by_type: Mapping[str, Edges], start: date, end: date
) -> dict[str, Any]:
    """Return by type how many of the days from start to end are expected, stored and missing.

    `by_type` has at least those days; `edges_by_type` was read for the first day that it has. Days
    before the first that is expected are not counted.
    """
    firsts = {type_: each.first for type_, each in edges_by_type.items() if each.first}
    return {
        type_: _summary(
            by_type[type_], edges_by_type[type_], expected_from(metric_type, firsts), start, end
        )
        for type_, metric_type in TYPES.items()
    }


def _summary(
    ranges: Sequence[Range], edges: Edges, expected: date | None, start: date, end: date
) -> dict[str, Any]:
    """Return the summary of one type, whose days are expected from a day on, if any are."""
    # Of ten years by week, going through all ranges each time would take long.
    place = max(bisect_right(ranges, start, key=lambda each: each.start) - 1, 0)
    before = (each.end for each in reversed(ranges[:place]) if each.state.has_row)
    newest = next(before, edges.newest)
    start = date.max if expected is None else max(start, expected)
    days_expected, days_present = 0, 0
    missing: dict[str, int] = {}
    for each in islice(ranges, place, None):
        if each.start > end:
            break
        has_row = each.state.has_row
        last = min(each.end, end)
        if has_row:
            newest = last
        days = (last - max(each.start, start)).days + 1
        if days <= 0:
            continue
        days_expected += days
        if has_row:
            days_present += days
        if is_missing(each):
            missing[each.state.value] = missing.get(each.state.value, 0) + days
    faults = dict.fromkeys(_FAULTS, 0)
    for state, days in missing.items():
        if fault := State(state).fault:
            faults[fault.value] += days
    return {
        "days_expected": days_expected,
        "days_present": days_present,
        "missing": missing,
        "fault": faults,
        "newest_day": newest,
        "newest_sync": edges.fetched_at,
    }


# Programs -----------------------------------------------------------------------------------------


def program_ledger(user_id: int, *, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return what `GET /api/v1/metrics/ledger` answers: every day that a ring can have."""
    return {
        type_: [_program_range(each) for each in ranges]
        for type_, ranges in full_ledger(user_id, now=now, all_fetches=True).items()
    }


def _program_range(each: Range) -> dict[str, Any]:
    verdict = each.verdict
    return {
        "from": each.start,
        "to": each.end,
        "state": verdict.state,
        "why": verdict.missing_collection or verdict.cause or "",
        "reason": verdict.reason,
        "asked_at": verdict.asked_at,
        "next_at": verdict.failure.next_at if verdict.failure else None,
        "times": verdict.times,
        "failing": _failing(verdict.failure) if verdict.failure else None,
    }


def _failing(failure: Failure) -> dict[str, Any]:
    return {
        "attempts": failure.attempts,
        "alike": failure.alike,
        "since": failure.since,
        "lasting": failure.is_lasting,
        "kind": failure.kind,
        "status": failure.status,
        "collection": failure.collection,
    }


def program_coverage(user_id: int, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Return what `GET /api/v1/metrics/coverage` answers.

    By type the `first` and `last` day stored, how many `days` there are, and the `missing` ranges
    between (both ends included).
    """
    by_type = full_ledger(user_id, now=now)
    return {type_: _totals(ranges) for type_, ranges in by_type.items()}


def _totals(ranges: Sequence[Range]) -> dict[str, Any]:
    first, last, days = stored_days(ranges)
    between = [each for each in ranges if first and last and first <= each.start <= last]
    gaps = [
        list(group)
        for has_row, group in groupby(between, key=lambda each: each.state.has_row)
        if not has_row
    ]
    missing = [[gap[0].start, gap[-1].end] for gap in gaps]
    return {"first": first, "last": last, "days": days, "missing": missing}
