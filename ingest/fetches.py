"""Which days were fetched from Oura, and with what result: kept as ranges, the newest for each day.

A complete fetch replaces everything earlier about its days; a failed one stands beside an earlier
complete one, which stays true. Where a newer fetch covers part of a range, the range is cut: that
part is deleted, the rest keeps the details of the fetch it came from. All functions expect the
caller to have the writer's lock on the person and type.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from ingest.models import Fetch
from myhealth.days import Days, from_days, merge, over_at, subtract

# Everything that a fetch has besides its days.
_DETAILS: tuple[str, ...] = ("complete", "asked_at", "run", "pages", "documents", "attempts")
_DETAILS += ("alike", "since", "kind", "status", "collection", "page")
# The collector only asks whether days were fetched once, or more often.
_MOST_ATTEMPTS = 2


def record(*fetches: Fetch) -> None:
    """Record fetches of one person and type. They may arrive in any order, and repeatedly."""
    if not fetches:
        return
    before = list(Fetch.objects.of(fetches[0].user_id, fetches[0].type))
    after = before
    for fetch in fetches:
        after = merge_fetch(after, fetch)
    _replace(before, join_neighbours(after))


def forget_days(user_id: int, type_: str, days: Iterable[date]) -> None:
    """Forget that the days were fetched: their document has moved to another day."""
    complete = list(Fetch.objects.of(user_id, type_).filter(complete=True))
    _replace(complete, _without_days(complete, from_days(days)))


def complete_after(user_id: int, type_: str, moment: datetime) -> list[Fetch]:
    """Return the complete fetches that asked Oura after the moment."""
    return list(Fetch.objects.of(user_id, type_).filter(complete=True, asked_at__gt=moment))


def any_failed(user_id: int, type_: str, days: Iterable[date], moment: datetime) -> bool:
    """Return whether any of the days has a failed fetch that asked Oura before the moment."""
    wanted = set(days)
    failed = Fetch.objects.of(user_id, type_).filter(complete=False, asked_at__lte=moment)
    return any(day in each.days for each in failed for day in wanted)


def count_missed(user_id: int, type_: str, days: Iterable[date]) -> int:
    """Return how many of the days, none of them stored, a fetch should have brought.

    Those are the days that a failed fetch covers, or a complete one after they were over.
    """
    wanted = set(days)
    if not wanted:
        return 0
    overlapping = Fetch.objects.of(user_id, type_).filter(
        start__lte=max(wanted), end__gte=min(wanted)
    )
    fetches = list(overlapping)
    return sum(
        any(
            day in fetch.days and (not fetch.complete or fetch.asked_at >= over_at(day))
            for fetch in fetches
        )
        for day in wanted
    )


def merge_fetch(recorded: Sequence[Fetch], fetch: Fetch) -> list[Fetch]:
    """Return the recorded fetches after a further one; those it leaves alone are the same objects.

    Attempts are counted for each day: one that failed once, in a request for many, waits no longer
    because another of them always fails.
    """
    older = [each for each in recorded if each.asked_at <= fetch.asked_at]
    newer = [each for each in recorded if each.asked_at > fetch.asked_at]
    if fetch.complete:
        complete = [each for each in recorded if each.complete]
        newer_complete = [each.days for each in newer if each.complete]
        parts = _without_days(_split_by_attempts(fetch, complete), newer_complete)
        return [*_without_days(older, [fetch.days]), *newer, *parts]
    failed = [each for each in older if not each.complete]
    parts = _without_days(_split_by_failures(fetch, failed), [each.days for each in newer])
    complete = [each for each in older if each.complete]
    return [*complete, *_without_days(failed, [fetch.days]), *newer, *parts]


def join_neighbours(fetches: Iterable[Fetch]) -> list[Fetch]:
    """Return the fetches with adjacent ranges of equal details joined."""
    groups: dict[tuple[Any, ...], dict[Days, Fetch]] = defaultdict(dict)
    for fetch in fetches:
        groups[tuple(_details(fetch).values())][fetch.days] = fetch
    joined = [
        group.get(days) or _part(next(iter(group.values())), days)
        for group in groups.values()
        for days in merge(group)
    ]
    return sorted(joined, key=lambda each: (each.complete, each.start))


def _replace(before: Sequence[Fetch], after: Sequence[Fetch]) -> None:
    kept = {fetch.pk for fetch in after}
    Fetch.objects.filter(pk__in=[each.pk for each in before if each.pk not in kept]).delete()
    Fetch.objects.bulk_create([fetch for fetch in after if fetch.pk is None])


def _split_by_attempts(fetch: Fetch, complete: Iterable[Fetch]) -> list[Fetch]:
    """Return a complete fetch in parts, by how often in a row their days have been fetched."""
    repeated = [
        (days, min(_attempts_with(each, fetch), _MOST_ATTEMPTS))
        for each in complete
        if (days := each.days.clamped(fetch.start, fetch.end))
    ]
    first = [(days, 1) for days in subtract([fetch.days], [days for days, _ in repeated])]
    return [_part(fetch, days, attempts=attempts) for days, attempts in (*repeated, *first)]


def _split_by_failures(fetch: Fetch, failed: Iterable[Fetch]) -> list[Fetch]:
    """Return a failed fetch in parts, by how often in a row their days failed, and why."""
    repeated = [
        (days, each) for each in failed if (days := each.days.clamped(fetch.start, fetch.end))
    ]
    first = subtract([fetch.days], [days for days, _ in repeated])
    return [
        *(
            _part(fetch, days, attempts=_attempts_with(each, fetch), **_failing_since(each, fetch))
            for days, each in repeated
        ),
        *(_part(fetch, days, attempts=1, alike=1, since=fetch.asked_at) for days in first),
    ]


def _reason(fetch: Fetch) -> tuple[str, int | None, str]:
    """Return what failures for the same reason have in common."""
    return fetch.kind, fetch.status, fetch.collection


def _failing_since(earlier: Fetch, fetch: Fetch) -> dict[str, Any]:
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


def _attempts_with(earlier: Fetch, fetch: Fetch) -> int:
    """Return the attempts in a row including this fetch, which may be the earlier one repeated."""
    return earlier.attempts + (earlier.asked_at != fetch.asked_at)


def _without_days(fetches: Iterable[Fetch], covers: Iterable[Days]) -> list[Fetch]:
    covers = merge(covers)
    return [
        fetch if days == fetch.days else _part(fetch, days)
        for fetch in fetches
        for days in subtract([fetch.days], covers)
    ]


def _part(fetch: Fetch, days: Days, **changes: Any) -> Fetch:
    details = _details(fetch) | changes
    return Fetch(user_id=fetch.user_id, type=fetch.type, start=days.start, end=days.end, **details)


def _details(fetch: Fetch) -> dict[str, Any]:
    return {name: getattr(fetch, name) for name in _DETAILS}
