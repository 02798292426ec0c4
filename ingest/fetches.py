"""Which days were fetched from Oura, and with what result: kept as ranges, the newest for each day.

A complete fetch replaces everything earlier about its days; a failed one stands beside an earlier
complete one, which stays true. Where a newer fetch covers part of a range, the range is cut: that
part is deleted, the rest keeps the details of the fetch it came from. The statements expect the
caller to have the lock on the person and type.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import orjson

from myhealth.days import Days, merge, over_at, subtract
from myhealth.postgresql.prepared import Rows, Statement


@dataclass(frozen=True, slots=True)
class FetchedDays(Days):
    """A range of days with the result of a fetch: a row of `ingest.models.Fetch`."""

    complete: bool
    asked_at: datetime
    run: str = ""
    pages: int | None = None
    documents: int | None = None
    attempts: int = 0
    alike: int = 0
    since: datetime | None = None
    kind: str = ""
    status: int | None = None
    collection: str = ""
    page: int | None = None
    # Of the stored row, if it is stored.
    pk: int | None = None


# Everything that a fetch has besides its days.
_DETAILS = tuple(
    each.name for each in fields(FetchedDays) if each.name not in ("start", "end", "pk")
)
_COLUMNS = 'start, "end", complete, asked_at, run, pages, documents, attempts, alike, since, kind, '
_COLUMNS += "status, collection, page"
# The collector only asks whether days were fetched once, or more often.
_MOST_ATTEMPTS = 2


def select(user_id: int, type_: str) -> Statement:
    """Return the statement for `from_rows`."""
    return Statement(_SELECT, (user_id, type_))


_SELECT = f"SELECT {_COLUMNS}, id FROM fetches WHERE user_id = %s::bigint AND type = %s::text"


def from_rows(rows: Rows) -> list[FetchedDays]:
    return [FetchedDays(*row) for row in rows]


def replacing(
    user_id: int, type_: str, before: Iterable[FetchedDays], after: Iterable[FetchedDays]
) -> list[Statement]:
    """Return the statements that store the fetches of one person and type instead of others."""
    after = list(after)
    kept = {each.pk for each in after}
    new = [{**_values(each), "id": None} for each in after if each.pk is None]
    deleted = [each.pk for each in before if each.pk not in kept]
    statements = []
    if deleted:
        statements.append(
            Statement("DELETE FROM fetches WHERE id = ANY(%s::bigint[])", ([*deleted],))
        )
    if new:
        statements.append(Statement(_INSERT, (user_id, type_, orjson.dumps(new).decode())))
    return statements


_INSERT = f"""
    INSERT INTO fetches (user_id, type, {_COLUMNS})
    SELECT %s::bigint, %s::text, {_COLUMNS} FROM json_to_recordset(%s::json) AS r(
        start date, "end" date, complete boolean, asked_at timestamptz, run text, pages integer,
        documents integer, attempts integer, alike integer, since timestamptz, kind text,
        status integer, collection text, page integer)"""


def record(before: Sequence[FetchedDays], *fetches: FetchedDays) -> list[FetchedDays]:
    """Return the recorded fetches after further ones, which may come in any order, repeatedly."""
    after = list(before)
    for fetch in fetches:
        after = merge_fetch(after, fetch)
    return join_neighbours(after)


def count_missed(fetches: Iterable[FetchedDays], days: Collection[date]) -> int:
    """Return how many of the days, none of them stored, a fetch should have brought.

    Those are the days that a failed fetch covers, or a complete one after they were over.
    """
    if not days:
        return 0
    first, last = min(days), max(days)
    near = [each for each in fetches if each.start <= last and each.end >= first]
    return sum(
        any(day in each and (not each.complete or each.asked_at >= over_at(day)) for each in near)
        for day in days
    )


def merge_fetch(recorded: Sequence[FetchedDays], fetch: FetchedDays) -> list[FetchedDays]:
    """Return the recorded fetches after a further one; those it leaves alone are the same objects.

    Attempts are counted for each day: one that failed once, in a request for many, waits no longer
    because another of them always fails.
    """
    older = [each for each in recorded if each.asked_at <= fetch.asked_at]
    newer = [each for each in recorded if each.asked_at > fetch.asked_at]
    if fetch.complete:
        complete = [each for each in recorded if each.complete]
        newer_complete = [each for each in newer if each.complete]
        parts = without_days(_split_by_attempts(fetch, complete), newer_complete)
        return [*without_days(older, [fetch]), *newer, *parts]
    failed = [each for each in older if not each.complete]
    parts = without_days(_split_by_failures(fetch, failed), newer)
    complete = [each for each in older if each.complete]
    return [*complete, *without_days(failed, [fetch]), *newer, *parts]


def join_neighbours(fetches: Iterable[FetchedDays]) -> list[FetchedDays]:
    """Return the fetches with adjacent ranges of equal details joined."""
    groups: dict[tuple[Any, ...], dict[Days, FetchedDays]] = defaultdict(dict)
    for fetch in fetches:
        groups[_details(fetch)][_range(fetch)] = fetch
    joined = [
        group.get(days) or _part(next(iter(group.values())), days)
        for group in groups.values()
        for days in merge(group)
    ]
    return sorted(joined, key=lambda each: (each.complete, each.start))


def _split_by_attempts(fetch: FetchedDays, complete: Iterable[FetchedDays]) -> list[FetchedDays]:
    """Return a complete fetch in parts, by how often in a row their days have been fetched."""
    repeated = [
        (days, min(_attempts_with(each, fetch), _MOST_ATTEMPTS))
        for each in complete
        if (days := each.clamped(fetch.start, fetch.end))
    ]
    first = [(days, 1) for days in subtract([fetch], [days for days, _ in repeated])]
    return [_part(fetch, days, attempts=attempts) for days, attempts in (*repeated, *first)]


def _split_by_failures(fetch: FetchedDays, failed: Iterable[FetchedDays]) -> list[FetchedDays]:
    """Return a failed fetch in parts, by how often in a row their days failed, and why."""
    repeated = [(days, each) for each in failed if (days := each.clamped(fetch.start, fetch.end))]
    first = subtract([fetch], [days for days, _ in repeated])
    return [
        *(
            _part(fetch, days, attempts=_attempts_with(each, fetch), **_failing_since(each, fetch))
            for days, each in repeated
        ),
        *(_part(fetch, days, attempts=1, alike=1, since=fetch.asked_at) for days in first),
    ]


def _reason(fetch: FetchedDays) -> tuple[str, int | None, str]:
    """Return what failures for the same reason have in common."""
    return fetch.kind, fetch.status, fetch.collection


def _failing_since(earlier: FetchedDays, fetch: FetchedDays) -> dict[str, Any]:
    """Return how often and since when fetches have failed alike, including this one.

    Fetches from before this was recorded count as the first.
    """
    if _reason(earlier) != _reason(fetch):
        return {"alike": 1, "since": fetch.asked_at}
    repeated = earlier.asked_at != fetch.asked_at
    return {
        "alike": max(earlier.alike, 1) + repeated,
        "since": earlier.since or earlier.asked_at,
    }


def _attempts_with(earlier: FetchedDays, fetch: FetchedDays) -> int:
    """Return the attempts in a row including this fetch, which may be the earlier one repeated."""
    return earlier.attempts + (earlier.asked_at != fetch.asked_at)


def without_days(fetches: Iterable[FetchedDays], covers: Iterable[Days]) -> list[FetchedDays]:
    """Return the fetches without these days; those that have none of them are the same objects."""
    covers = merge(covers)
    return [
        fetch if days == _range(fetch) else _part(fetch, days)
        for fetch in fetches
        for days in subtract([fetch], covers)
    ]


def _part(fetch: FetchedDays, days: Days, **changes: Any) -> FetchedDays:
    return replace(fetch, start=days.start, end=days.end, pk=None, **changes)


def _range(fetch: FetchedDays) -> Days:
    return Days(fetch.start, fetch.end)


def _details(fetch: FetchedDays) -> tuple[Any, ...]:
    return tuple(getattr(fetch, name) for name in _DETAILS)


def _values(fetch: FetchedDays) -> dict[str, Any]:
    return {each.name: getattr(fetch, each.name) for each in fields(fetch)}
