"""What the sandbox holds: generated documents, and what was asked of them since the start."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import orjson
from django.conf import settings

from myhealth.days import shift
from sandbox.chance import identifier, rng
from sandbox.days import Document
from sandbox.others import rings
from sandbox.people import Person, people
from sandbox.registry import COLLECTIONS, RINGS, Collection
from sandbox.series import SERIES, Row
from sandbox.sleep import AS_LIVED, Types
from sandbox.sleep import periods as sleep_periods

STARTED = datetime.now(UTC).date()


class Version(NamedTuple):
    """How often a day was recomputed, how often under new ids, and of what types it is told."""

    revision: int = 0
    identity: int = 0
    types: Types = AS_LIVED


@dataclass(slots=True)
class Override:
    version: Version = Version()
    removed: bool = False


Key = tuple[Person, str, date]
overrides: dict[Key, Override] = {}
lock = Lock()


class Unknown(LookupError):
    """No such person, collection or day; the message is for people."""


def today() -> date:
    """The last day of the history: the setting's, else the current one in UTC."""
    fixed: date | None = settings.SANDBOX_TODAY
    return fixed or datetime.now(UTC).date()


def now() -> datetime:
    """The instant up to which time series go: the end of a day that is set."""
    if settings.SANDBOX_TODAY is None:
        return datetime.now(UTC)
    return datetime.combine(today(), datetime.max.time(), UTC)


def first_day() -> date:
    """The same as long as the process lives: a history grows, and loses no day at midnight."""
    fixed: date | None = settings.SANDBOX_TODAY
    return (fixed or STARTED) - timedelta(days=settings.SANDBOX_DAYS - 1)


def person_named(name: str) -> Person:
    known = people(settings.SANDBOX_SEED)
    if name not in known:
        raise Unknown(f"There is no person {name!r}; there are {', '.join(known)}.")
    return known[name]


def clipped(start: date, end: date) -> range:
    """The ordinals of the days from start to end that the history has."""
    first, last = max(start, first_day()), min(end, today())
    return range(first.toordinal(), last.toordinal() + 1)


def documents(name: str, collection: str, start: date, end: date) -> list[Document]:
    """What there is for a person from start to end, both days included.

    The same documents that HTTP gives, whatever range rule, paging or fault stands between.
    Raises Unknown for an unknown person or collection.
    """
    person = person_named(name)
    if collection in SERIES:
        edges = (datetime.combine(each, datetime.min.time(), UTC) for each in (start, end))
        begin, last = edges
        until = min(now(), last + timedelta(days=1) - timedelta(microseconds=1))
        return [found for _, _, (_, found) in series(person, collection, begin, until)]
    if collection == RINGS:
        return rings(person)
    if collection not in COLLECTIONS:
        raise Unknown(f"There is no collection {collection!r}; there are {', '.join(COLLECTIONS)}.")
    return [
        orjson.loads(raw)
        for ordinal in clipped(start, end)
        for raw in of_day(person, collection, date.fromordinal(ordinal))
    ]


def of_day(person: Person, collection: str, day: date) -> tuple[bytes, ...]:
    """The day's documents as JSON, as they stand now."""
    override = overrides.get((person, collection, day), Override())
    return () if override.removed else serialised(person, collection, day, override.version)


def serialised(person: Person, collection: str, day: date, version: Version) -> tuple[bytes, ...]:
    return dumped(COLLECTIONS[collection], person, collection, day, version)


# Some 5 kB each on average, so about 10 MB. Its key has the entry, which a test may exchange.
@lru_cache(maxsize=2048)
def dumped(
    entry: Collection, person: Person, collection: str, day: date, version: Version
) -> tuple[bytes, ...]:
    return tuple(map(orjson.dumps, generated(person, collection, day, version)))


def generated(person: Person, collection: str, day: date, version: Version) -> list[Document]:
    def identify(number: int) -> str:
        return document_id(person, collection, day, version.identity, number)

    if collection == "sleep":
        return sleep_periods(person, day, version.revision, identify, version.types)
    found = COLLECTIONS[collection].generate(person, day, version.revision, identify)
    if version.revision:
        for document in found:
            document["score"] = recomputed(document["score"], person, day, version.revision)
    return found


def recomputed(score: int | None, person: Person, day: date, revision: int) -> int:
    """Another score than before, and than at any of the last 50 recomputations."""
    others = [other for other in range(45, 97) if other != score]
    rng(person.seed, person.name, "recomputed", day).shuffle(others)
    return others[(revision - 1) % len(others)]


def document_id(person: Person, collection: str, day: date, identity: int, number: int) -> str:
    return identifier(person.seed, person.name, collection, day, identity, number)


def document(person: Person, collection: str, wanted: str) -> bytes | None:
    """The document of that id; ids are told by trying each day's, newest first."""
    for ordinal in reversed(clipped(date.min, date.max)):
        day = date.fromordinal(ordinal)
        override = overrides.get((person, collection, day))
        identity = override.version.identity if override else 0
        for number in range(COLLECTIONS[collection].most):
            if document_id(person, collection, day, identity, number) == wanted:
                found = of_day(person, collection, day)
                return next((raw for raw in found if orjson.loads(raw)["id"] == wanted), None)
    return None


def series(
    person: Person, name: str, start: datetime, end: datetime, first: date | None = None
) -> Iterator[tuple[date, int, Row]]:
    """Rows from start to end in the order of time, each with its day and place in the day.

    `first` skips the days before it unread: where a page begins.
    """
    # A local day may begin up to a day off the UTC one.
    begin, last = shift(start.date(), -2), shift(end.date(), 1)
    for ordinal in clipped(max(begin, first or date.min), last):
        day = date.fromordinal(ordinal)
        for place, found in enumerate(SERIES[name](person, day)):
            if start <= found[0] <= end:
                yield day, place, found


def recompute(name: str, collection: str, day: date, *, new_id: bool) -> list[Document]:
    """Change the score of a day, or its periods; returns the documents as they are now."""
    key = checked(name, collection, day)
    if not COLLECTIONS[collection].changes:
        able = [each for each, kind in COLLECTIONS.items() if kind.changes]
        raise ValueError(f"{collection} can't be recomputed; {', '.join(able)} can.")
    return changed(
        key, lambda old: old._replace(revision=old.revision + 1, identity=old.identity + new_id)
    )


def nap(name: str, day: date, kind: str) -> list[Document]:
    """Add a nap to a day of the history, or change its type; returns the day's periods."""
    return retold(within(name, "sleep", day), lambda old: old._replace(nap=kind, nap_deleted=False))


def periods(name: str, day: date, *, deleted: bool) -> list[Document]:
    """Tell the day's periods that count as deleted, or as what they are; returns all of them."""
    key = checked(name, "sleep", day)
    return retold(key, lambda old: old._replace(deleted=deleted, nap_deleted=deleted))


def retold(key: Key, change: Callable[[Types], Types]) -> list[Document]:
    return changed(key, lambda old: old._replace(types=change(old.types)))


def changed(key: Key, change: Callable[[Version], Version]) -> list[Document]:
    """The day's documents after the change. Raises Unknown for a removed day."""
    person, collection, day = key
    with lock:
        override = overrides.setdefault(key, Override())
        if override.removed:
            raise Unknown(f"{person.name}'s {collection} of {day} is removed; restore it first.")
        override.version = change(override.version)
    return [orjson.loads(raw) for raw in of_day(*key)]


def remove(name: str, collection: str, day: date) -> bool:
    """Hide a day as if its ring had not synced; tells whether it was there."""
    key = checked(name, collection, day)
    with lock:
        override = overrides.setdefault(key, Override())
        was_there, override.removed = not override.removed, True
    return was_there


def restore(name: str, collection: str, day: date) -> bool:
    """Show a removed day again; tells whether it was hidden."""
    key = checked(name, collection, day)
    with lock:
        override = overrides.setdefault(key, Override())
        was_hidden, override.removed = override.removed, False
    return was_hidden


def within(name: str, collection: str, day: date) -> Key:
    """The key of a day of the history, whether there is a document or not."""
    person = person_named(name)
    if collection not in COLLECTIONS:
        raise Unknown(f"There is no type {collection!r}; there are {', '.join(COLLECTIONS)}.")
    if not first_day() <= day <= today():
        raise Unknown(f"{day} lies outside the history, {first_day()} to {today()}.")
    return person, collection, day


def checked(name: str, collection: str, day: date) -> Key:
    """The key of a day with documents, be they removed. Raises Unknown without any."""
    key = within(name, collection, day)
    if not serialised(*key, overrides.get(key, Override()).version):
        raise Unknown(f"{name} has no {collection} on {day}.")
    return key


def forget() -> None:
    """Undo all that was recomputed, retold and removed."""
    with lock:
        overrides.clear()
