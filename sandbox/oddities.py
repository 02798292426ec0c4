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

from sandbox.days import Document
from sandbox.people import Person
from sandbox.responses import TextError

POISON, NAN = "poison", "nan"
# orjson does not write integers like this one, and reads them as floats.
BEYOND_64_BIT = 2**70
_BEYOND_64_BIT = str(BEYOND_64_BIT).encode()


@dataclass(frozen=True, slots=True)
class OddDay:
    """A day of a collection, whose documents are to be changed."""

    person: Person
    collection: str
    day: date


_Change = Callable[[OddDay, list[Document]], list[Document]]


def _unchanged(odd: OddDay, documents: list[Document]) -> list[Document]:
    return documents


KINDS: dict[str, _Change] = {
    POISON: _unchanged,
    NAN: _unchanged,
}


def apply(kind: str, odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the day's documents with the oddity. Raise ValueError if it does not suit them."""
    return KINDS[kind](odd, documents)


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
