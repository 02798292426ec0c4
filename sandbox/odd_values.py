"""Oddities of any collection: documents that come twice, and values that no one expects."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.days import Document, OddDay
from sandbox.odd_sleep import with_less_sleep

# More than 64 bits: orjson does not write such integers, and reads them as floats.
BEYOND_64_BIT = 2**70
_Path = tuple[str, ...]
# The figure that is wrong, and what it is; the first figure of other collections is 999.
_FIGURES: dict[str, tuple[_Path, int]] = {
    "sleep": (("efficiency",), 101),
    "daily_activity": (("steps",), -1),
    "daily_readiness": (("contributors", "previous_night"), 999),
    "daily_sleep": (("contributors", "deep_sleep"), 999),
}
_OUT_OF_RANGE = 999
# Integers that may be null or missing.
_OPTIONAL_INTEGERS: dict[str, _Path] = {
    "sleep": ("average_hrv",),
    "daily_activity": ("score",),
    "daily_readiness": ("score",),
    "daily_sleep": ("score",),
}
# Fields with one of a few words.
_WORDS = {
    "sleep": ("sleep_algorithm_version", "sleep_analysis_reason"),
    "daily_resilience": ("level",),
    "daily_stress": ("day_summary",),
    "session": ("mood", "type"),
    "sleep_time": ("recommendation", "status"),
    "workout": ("intensity", "source"),
}
_MOMENTS = ("bedtime_start", "bedtime_end", "timestamp")


# Documents that come twice ----------------------------------------------------------------------


def repeated(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [document for document in documents for _ in range(2)]


def repeated_changed(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return each document after another one with its id and other figures."""
    return [
        version
        for document in documents
        for version in (_with_other_figures(odd, document), document)
    ]


def two_documents(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents, and then older ones with other ids and other figures."""
    older = []
    for number, document in enumerate(documents):
        stamp = datetime.fromisoformat(document["timestamp"]) - timedelta(hours=1)
        changed = {"id": odd.make_id(number), "timestamp": stamp.isoformat()}
        older.append(_with_other_figures(odd, document) | changed)
    return documents + older


def _with_other_figures(odd: OddDay, document: Document) -> Document:
    if odd.collection == "sleep":
        return with_less_sleep(document, 20) | {
            "restless_periods": document["restless_periods"] + 1
        }
    if "score" in document:
        score = document["score"] or 59
        document = document | {"score": score - 9 if score > 20 else score + 9}
    if "steps" in document:
        return document | {"steps": document["steps"] + 1000}
    if "score" in document:
        return document
    path = _first_figure(odd, document)
    return _replaced(document, path, _value_at(document, path) + 1)


# Values -----------------------------------------------------------------------------------------


def unknown(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with fields and words that a newer version may have."""
    return [_with_unknown(odd, document) for document in documents]


def _with_unknown(odd: OddDay, document: Document) -> Document:
    changed: Document = {"new_figure": 7, "new_object": {"items": [1, None], "kind": "new"}}
    changed |= dict.fromkeys(_WORDS.get(odd.collection, ()), "new_word")
    if "contributors" in document:
        changed["contributors"] = document["contributors"] | {"new_contributor": 50}
    return document | changed


def floats(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with each whole number as a float: 45 is 45.0."""
    return [_as_floats(document) for document in documents]


def _as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if type(value) is int else value


def beyond_64_bit(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with a huge integer in an unknown field and in an optional one."""
    return [
        _replaced(document, _optional_integer(odd, document), BEYOND_64_BIT)
        | {"new_counter": BEYOND_64_BIT}
        for document in documents
    ]


def _optional_integer(odd: OddDay, document: Document) -> _Path:
    return _OPTIONAL_INTEGERS.get(odd.collection) or _first_figure(odd, document)


def out_of_range(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [_with_figure(odd, document, None) for document in documents]


def wrong_kind(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [_with_figure(odd, document, "high") for document in documents]


def _with_figure(odd: OddDay, document: Document, word: str | None) -> Document:
    path, value = _FIGURES.get(odd.collection) or (_first_figure(odd, document), _OUT_OF_RANGE)
    return _replaced(document, path, value if word is None else word)


def zeros(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with zeros for what was not measured."""
    return [_with_zeros(document) for document in documents]


def _with_zeros(document: Document) -> Document:
    if "contributors" in document:
        return document | {"contributors": dict.fromkeys(document["contributors"], 0)}
    names = ("average_breath", "average_heart_rate", "average_hrv", "lowest_heart_rate")
    return document | dict.fromkeys(names, 0)


# Moments ----------------------------------------------------------------------------------------


def offsetless(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents whose first moment has no offset."""
    return [
        _with_moments(document, lambda text: text[:19], _moments(document)[:1])
        for document in documents
    ]


def short_offset(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with offsets like +0100."""
    return _in_form(documents, lambda text: text[:-3] + text[-2:])


def blank(odd: OddDay, documents: list[Document]) -> list[Document]:
    return _in_form(documents, lambda text: text.replace("T", " "))


def nine_digits(odd: OddDay, documents: list[Document]) -> list[Document]:
    return _in_form(documents, lambda text: f"{text[:19]}.123456789{text[-6:]}")


def _in_form(documents: list[Document], write: Callable[[str], str]) -> list[Document]:
    return [_with_moments(document, write, _moments(document)) for document in documents]


def _moments(document: Document) -> list[str]:
    return [name for name in _MOMENTS if name in document]


def _with_moments(document: Document, write: Callable[[str], str], names: list[str]) -> Document:
    return document | {name: write(document[name]) for name in names}


# Figures at any depth ---------------------------------------------------------------------------


def _first_figure(odd: OddDay, document: Document) -> _Path:
    found = next(_figures(document, ()), None)
    if found is None:
        raise ValueError(f"{odd.collection} of {odd.day} has no figure.")
    return found


def _figures(value: Document, path: _Path) -> Iterator[_Path]:
    for name, item in value.items():
        if type(item) in (int, float):
            yield (*path, name)
        elif isinstance(item, dict):
            yield from _figures(item, (*path, name))


def _value_at(document: Document, path: _Path) -> Any:
    value: Any = document
    for name in path:
        value = value[name]
    return value


def _replaced(document: Document, path: _Path, value: object) -> Document:
    name, *rest = path
    return document | {name: _replaced(document[name], tuple(rest), value) if rest else value}
