"""Odd days: what Oura has been seen to answer, as changes to a day's documents.

Each kind is a pure function of the day's documents, so that list, single document and
`store.documents_between` agree. POISON and NAN leave the documents as they are: the routes answer
requests that cover such a day with an error, or with a body that is not JSON.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

import orjson

from sandbox import odd_activity, odd_sleep, odd_values
from sandbox.days import Document, OddDay
from sandbox.odd_values import BEYOND_64_BIT
from sandbox.people import Person
from sandbox.responses import TextError

POISON, NAN, UNDER_TWO_DAYS = "poison", "nan", "under_two_days"
_BEYOND_64_BIT = str(BEYOND_64_BIT).encode()
_Change = Callable[[OddDay, list[Document]], list[Document]]
_SLEEP = ("sleep",)
_ACTIVITY = ("daily_activity",)
_SUMMARIES = ("daily_activity", "daily_readiness", "daily_sleep")


@dataclass(frozen=True, slots=True)
class Oddity:
    change: _Change
    # The collections that it suits, all if empty.
    collections: tuple[str, ...] = ()


def _unchanged(odd: OddDay, documents: list[Document]) -> list[Document]:
    return documents


KINDS = {
    POISON: Oddity(_unchanged),
    NAN: Oddity(_unchanged),
    "repeated": Oddity(odd_values.repeated),
    "repeated_changed": Oddity(odd_values.repeated_changed),
    "two_documents": Oddity(odd_values.two_documents, _SUMMARIES),
    "unknown": Oddity(odd_values.unknown),
    "float": Oddity(odd_values.floats),
    "beyond_64_bit": Oddity(odd_values.beyond_64_bit),
    "out_of_range": Oddity(odd_values.out_of_range),
    "wrong_kind": Oddity(odd_values.wrong_kind),
    "zeros": Oddity(odd_values.zeros, (*_SLEEP, *_SUMMARIES)),
    "offsetless": Oddity(odd_values.offsetless, (*_SLEEP, *_SUMMARIES)),
    "short_offset": Oddity(odd_values.short_offset, (*_SLEEP, *_SUMMARIES)),
    "blank": Oddity(odd_values.blank, (*_SLEEP, *_SUMMARIES)),
    "nine_digits": Oddity(odd_values.nine_digits, (*_SLEEP, *_SUMMARIES)),
    "twin": Oddity(odd_sleep.twin, _SLEEP),
    "nested": Oddity(odd_sleep.nested, _SLEEP),
    "overlapping": Oddity(odd_sleep.overlapping, _SLEEP),
    "null_type": Oddity(odd_sleep.null_type, _SLEEP),
    "absent_type": Oddity(odd_sleep.absent_type, _SLEEP),
    "new_type": Oddity(odd_sleep.new_type, _SLEEP),
    "all_rest": Oddity(odd_sleep.all_rest, _SLEEP),
    "all_deleted": Oddity(odd_sleep.all_deleted, _SLEEP),
    "fragment": Oddity(odd_sleep.fragment, _SLEEP),
    "as_deleted_copy": Oddity(odd_sleep.as_deleted_copy, _SLEEP),
    # The next day shows the copy: see `carried_over`.
    UNDER_TWO_DAYS: Oddity(_unchanged, _SLEEP),
    "other_ring": Oddity(odd_sleep.other_ring, _SLEEP),
    "off_all_day": Oddity(odd_activity.off_all_day, _ACTIVITY),
    "off_in_night": Oddity(odd_activity.off_in_night, _ACTIVITY),
    "off_in_morning": Oddity(odd_activity.off_in_morning, _ACTIVITY),
    "short_day": Oddity(odd_activity.short_day, _ACTIVITY),
    "no_classes": Oddity(odd_activity.no_classes, _ACTIVITY),
}


def apply(
    kind: str, person: Person, collection: str, day: date, documents: list[Document]
) -> list[Document]:
    """Return the day's documents with the oddity. Raise ValueError if it does not suit them."""
    oddity = KINDS[kind]
    if oddity.collections and collection not in oddity.collections:
        raise ValueError(f"{kind} suits only {', '.join(oddity.collections)}.")
    return oddity.change(OddDay(person, collection, day, kind), documents)


def carried_over(person: Person, day: date, documents: list[Document]) -> list[Document]:
    """Return the night of a day with UNDER_TWO_DAYS as the next day shows it."""
    return odd_sleep.under_next_day(OddDay(person, "sleep", day, UNDER_TWO_DAYS), documents)


def decode(raw: bytes) -> Document:
    """Return the document of a JSON text, with integers of any size."""
    document: Document = json.loads(raw) if _BEYOND_64_BIT in raw else orjson.loads(raw)
    return document


def encode(document: Document) -> bytes:
    """Return a document's JSON, with integers of any size."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, separators=(",", ":")).encode()


def fail() -> NoReturn:
    """Raise the error that a corrupt record causes."""
    raise TextError(500, b"Internal Server Error", "text/plain")


def answer(kind: str | None, raw: bytes) -> bytes:
    """Return a document of an odd day as the routes send it. Raise ApiError for a poisoned one."""
    if kind == POISON:
        fail()
    return _with_nan(raw) if kind == NAN else raw


def _with_nan(raw: bytes) -> bytes:
    """Return the JSON of a document with NaN for its first figure, as Python writes it."""
    document = decode(raw)
    figures = (name for name, value in document.items() if type(value) in (int, float))
    document[next(figures, "value")] = float("nan")
    return json.dumps(document, separators=(",", ":")).encode()
