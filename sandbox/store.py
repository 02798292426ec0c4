"""The sandbox's documents: generated ones, and changes to them since the start."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import orjson
from django.conf import settings

from myhealth.days import shift
from sandbox import limits, oddities
from sandbox.chance import rng, stable_uuid
from sandbox.days import Document
from sandbox.oddities import decode, encode
from sandbox.others import ring_configurations
from sandbox.people import Person, named_people
from sandbox.registry import COLLECTIONS, RINGS, Collection
from sandbox.series import SERIES, SeriesRow
from sandbox.sleep import NO_TYPE_CHANGES, TypeChanges, sleep_documents

STARTED = datetime.now(UTC).date()


class _Version(NamedTuple):
    """The number of a day's recomputations, how many of them gave new ids, and changed types."""

    revision: int = 0
    identity: int = 0
    types: TypeChanges = NO_TYPE_CHANGES


@dataclass(slots=True)
class _Override:
    version: _Version = _Version()
    removed: bool = False
    oddity: str | None = None


_DayKey = tuple[Person, str, date]
_overrides: dict[_DayKey, _Override] = {}
_lock = Lock()


class NotFound(LookupError):
    """No such person, collection or day. The message is shown to people."""


def today() -> date:
    """Return the last day of the history: the setting's, or the current day in UTC."""
    fixed: date | None = settings.SANDBOX_TODAY
    return fixed or datetime.now(UTC).date()


def now() -> datetime:
    """Return the end of time series: the current instant, or the end of the setting's day."""
    if settings.SANDBOX_TODAY is None:
        return datetime.now(UTC)
    return datetime.combine(today(), datetime.max.time(), UTC)


def first_day() -> date:
    """Return the first day, which never changes in a process: the history grows at midnight."""
    fixed: date | None = settings.SANDBOX_TODAY
    return (fixed or STARTED) - timedelta(days=settings.SANDBOX_DAYS - 1)


def _person_named(name: str) -> Person:
    people = named_people(settings.SANDBOX_SEED)
    if name not in people:
        raise NotFound(f"There is no person {name!r}. Use one of {', '.join(people)}.")
    return people[name]


def history_ordinals(start: date, end: date) -> range:
    """Return the ordinals of the history's days from start to end."""
    first, last = max(start, first_day()), min(end, today())
    return range(first.toordinal(), last.toordinal() + 1)


def documents_between(name: str, collection: str, start: date, end: date) -> list[Document]:
    """Return a person's documents from start to end, inclusive.

    They equal those of the HTTP routes, without range rules, paging and faults. Raise NotFound for
    an unknown person or collection.
    """
    person = _person_named(name)
    if collection in SERIES:
        begin, last = (datetime.combine(d, datetime.min.time(), UTC) for d in (start, end))
        until = min(now(), last + timedelta(days=1) - timedelta(microseconds=1))
        return [row for _, _, (_, row) in series_rows(person, collection, begin, until)]
    if collection == RINGS:
        return ring_configurations(person)
    if collection not in COLLECTIONS:
        raise NotFound(
            f"There is no collection {collection!r}. Use one of {', '.join(COLLECTIONS)}."
        )
    return [
        decode(raw)
        for ordinal in history_ordinals(start, end)
        for raw in raw_documents(person, collection, date.fromordinal(ordinal))
    ]


def raw_documents(person: Person, collection: str, day: date) -> tuple[bytes, ...]:
    """Return the day's documents as JSON, with all changes."""
    raws = _raw_documents_without_oddity(person, collection, day)
    if raws and (kind := oddity_on(person, collection, day)):
        documents = oddities.apply(kind, person, collection, day, _decode_all(raws))
        raws = tuple(map(encode, documents))
    before = shift(day, -1)
    if oddity_on(person, collection, before) == oddities.UNDER_TWO_DAYS:
        documents = _decode_all(_raw_documents_without_oddity(person, collection, before))
        raws = (*map(encode, oddities.carried_over(person, before, documents)), *raws)
    return raws


def _decode_all(raws: tuple[bytes, ...]) -> list[Document]:
    return [orjson.loads(raw) for raw in raws]


def _raw_documents_without_oddity(person: Person, collection: str, day: date) -> tuple[bytes, ...]:
    override = _overrides.get((person, collection, day), _Override())
    return () if override.removed else _generate_raw(person, collection, day, override.version)


def true_documents(name: str, collection: str, day: date) -> list[Document]:
    """Return what the day's documents are without its oddity, for comparison."""
    key = _key_in_history(name, collection, day)
    return _decode_all(_raw_documents_without_oddity(*key))


def oddity_on(person: Person, collection: str, day: date) -> str | None:
    override = _overrides.get((person, collection, day))
    return override.oddity if override else None


def odd_days(person: Person, collection: str) -> dict[date, str]:
    """Return the kind of each odd day of a collection."""
    with _lock:
        return {
            day: override.oddity
            for (owner, name, day), override in _overrides.items()
            if (owner, name) == (person, collection) and override.oddity
        }


def set_oddity(name: str, collection: str, day: date, kind: str | None) -> list[Document]:
    """Make a day odd, or, with None, as it was. Return its documents.

    Raise NotFound for a day without documents, and ValueError for a kind that does not suit them.
    """
    # A day without documents can fail a request too.
    find = _key_in_history if kind in (None, oddities.POISON) else _key_with_documents
    key = find(name, collection, day)
    raws = _generate_raw(*key, _overrides.get(key, _Override()).version)
    if kind is not None:
        oddities.apply(kind, *key, _decode_all(raws))
    with _lock:
        _overrides.setdefault(key, _Override()).oddity = kind
    return [decode(raw) for raw in raw_documents(*key)]


def _generate_raw(
    person: Person, collection: str, day: date, version: _Version
) -> tuple[bytes, ...]:
    return _cached_raw(COLLECTIONS[collection], person, collection, day, version)


# About 10 MB: 5 kB each on average. `entry` is part of the key because tests replace it.
@lru_cache(maxsize=2048)
def _cached_raw(
    entry: Collection, person: Person, collection: str, day: date, version: _Version
) -> tuple[bytes, ...]:
    return tuple(map(orjson.dumps, _generate(person, collection, day, version)))


def _generate(person: Person, collection: str, day: date, version: _Version) -> list[Document]:
    def make_id(number: int) -> str:
        return _document_id(person, collection, day, version.identity, number)

    if collection == "sleep":
        return sleep_documents(person, day, version.revision, make_id, version.types)
    documents = COLLECTIONS[collection].generate(person, day, version.revision, make_id)
    if version.revision:
        for document in documents:
            document["score"] = _recomputed_score(document["score"], person, day, version.revision)
    return documents


def _recomputed_score(score: int | None, person: Person, day: date, revision: int) -> int:
    """Return a score different from the original and from the last 50 recomputed ones."""
    others = [other for other in range(45, 97) if other != score]
    rng(person.seed, person.name, "recomputed", day).shuffle(others)
    return others[(revision - 1) % len(others)]


def _document_id(person: Person, collection: str, day: date, identity: int, number: int) -> str:
    return stable_uuid(person.seed, person.name, collection, day, identity, number)


def raw_document(person: Person, collection: str, wanted: str) -> bytes | None:
    """Return the document with an id, found by trying the ids of each day, newest first.

    Odd days come first, since they have documents with other ids. Of several documents with one
    id, the last one counts, as it does for Oura's clients.
    """
    odd = odd_days(person, collection)
    two_days = [day for day in odd if odd[day] == oddities.UNDER_TWO_DAYS and day < today()]
    following = [shift(day, 1) for day in two_days]
    for day in (*odd, *following):
        found = [
            raw for raw in raw_documents(person, collection, day) if decode(raw)["id"] == wanted
        ]
        if found:
            return oddities.answer(oddity_on(person, collection, day), found[-1])
    for ordinal in reversed(history_ordinals(date.min, date.max)):
        day = date.fromordinal(ordinal)
        override = _overrides.get((person, collection, day))
        identity = override.version.identity if override else 0
        for number in range(COLLECTIONS[collection].max_per_day):
            if _document_id(person, collection, day, identity, number) == wanted:
                raws = raw_documents(person, collection, day)
                return next((raw for raw in raws if orjson.loads(raw)["id"] == wanted), None)
    return None


def series_rows(
    person: Person, name: str, start: datetime, end: datetime, first: date | None = None
) -> Iterator[tuple[date, int, SeriesRow]]:
    """Yield the rows from start to end by time, each with its day and place in the day.

    Days before `first`, where a page begins, are skipped without being generated.
    """
    # A local day may begin up to a day before or after the UTC day.
    begin, last = shift(start.date(), -2), shift(end.date(), 1)
    for ordinal in history_ordinals(max(begin, first or date.min), last):
        day = date.fromordinal(ordinal)
        for place, row in enumerate(SERIES[name](person, day)):
            if start <= row[0] <= end:
                yield day, place, row


def recompute(name: str, collection: str, day: date, *, new_id: bool) -> list[Document]:
    """Change a day's score or sleep periods. Return the changed documents."""
    key = _key_with_documents(name, collection, day)
    if not COLLECTIONS[collection].recomputable:
        names = [name for name, entry in COLLECTIONS.items() if entry.recomputable]
        raise ValueError(f"{collection} can't be recomputed. Use one of {', '.join(names)}.")
    return _change_day(
        key, lambda old: old._replace(revision=old.revision + 1, identity=old.identity + new_id)
    )


def set_nap(name: str, day: date, kind: str) -> list[Document]:
    """Add a nap to a day, or change the type of the added nap. Return the day's periods."""
    return _change_types(
        _key_in_history(name, "sleep", day), lambda old: old._replace(nap=kind, nap_deleted=False)
    )


def set_periods_deleted(name: str, day: date, *, deleted: bool) -> list[Document]:
    """Mark the day's counted periods as deleted, or undo that. Return all periods of the day."""
    key = _key_with_documents(name, "sleep", day)
    return _change_types(key, lambda old: old._replace(deleted=deleted, nap_deleted=deleted))


def _change_types(key: _DayKey, change: Callable[[TypeChanges], TypeChanges]) -> list[Document]:
    return _change_day(key, lambda old: old._replace(types=change(old.types)))


def _change_day(key: _DayKey, change: Callable[[_Version], _Version]) -> list[Document]:
    """Return the day's documents after the change. Raise NotFound for a removed day."""
    person, collection, day = key
    with _lock:
        override = _overrides.setdefault(key, _Override())
        if override.removed:
            raise NotFound(f"{person.name}'s {collection} of {day} was removed. Restore it first.")
        override.version = change(override.version)
    return [orjson.loads(raw) for raw in raw_documents(*key)]


def remove(name: str, collection: str, day: date) -> bool:
    """Hide a day as if the ring had not synced. Return whether it was visible."""
    key = _key_with_documents(name, collection, day)
    with _lock:
        override = _overrides.setdefault(key, _Override())
        was_visible, override.removed = not override.removed, True
    return was_visible


def restore(name: str, collection: str, day: date) -> bool:
    """Show a removed day again. Return whether it was hidden."""
    key = _key_with_documents(name, collection, day)
    with _lock:
        override = _overrides.setdefault(key, _Override())
        was_hidden, override.removed = override.removed, False
    return was_hidden


def _key_in_history(name: str, collection: str, day: date) -> _DayKey:
    """Return the key of a day of the history, with or without documents."""
    person = _person_named(name)
    if collection not in COLLECTIONS:
        raise NotFound(f"There is no type {collection!r}. Use one of {', '.join(COLLECTIONS)}.")
    if not first_day() <= day <= today():
        raise NotFound(f"{day} is outside the history, {first_day()} to {today()}.")
    return person, collection, day


def _key_with_documents(name: str, collection: str, day: date) -> _DayKey:
    """Return the key of a day with documents, even removed ones. Raise NotFound without any."""
    key = _key_in_history(name, collection, day)
    if not _generate_raw(*key, _overrides.get(key, _Override()).version):
        raise NotFound(f"{name} has no {collection} on {day}.")
    return key


def reset() -> None:
    """Undo all changes to days and to accounts."""
    with _lock:
        _overrides.clear()
    limits.reset()
