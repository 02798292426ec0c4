"""Metric documents: their schema, made from what a type declares, and messages that name what is
wrong with one.

Most documents are decoded in one go. The others are read field by field, which takes longer: those
with something wrong, a whole number written 45.0, or the character NUL.
"""

import json
import math
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date
from functools import cache
from typing import Annotated, Any, NoReturn, cast

import msgspec
import orjson
from msgspec import Meta, Raw

from metrics import MetricType
from metrics.columns import Column, Contributors, Integer, Kind, Moment, Number, Text
from metrics.moments import normalize_moment
from myhealth.days import FIRST_DAY, ONE_DAY, parse_day

Id = Annotated[
    str, Meta(min_length=1, max_length=255, description="a string of 1 to 255 characters")
]
Day = Annotated[date, Meta(description="a date, YYYY-MM-DD")]
NOT_JSON = "It is not valid JSON."
HAS_NUL = "It contains the character NUL."
TOO_DEEP = "It is nested too deeply; expected at most 250 levels."
FIELDS = msgspec.json.Decoder(dict[str, Raw])
NO_SOURCE = Raw(b"null")
SOURCE = "an object of Oura's documents or null"
# The whole numbers that orjson keeps; they have at most 20 characters.
_LOWEST, _HIGHEST, _MOST_DIGITS = -(2**63), 2**64 - 1, 20
_MOST_CONTRIBUTORS = 64
_CONTRIBUTOR_NAME = Annotated[str, Meta(min_length=1, max_length=64)]


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every type's document has; `schema_of` adds the columns.

    `source` holds the Oura documents it was made from; it stays JSON text, since 5 to 15 kB a day
    as Python objects would be most of a request's time and memory.
    """

    id: Id
    day: Day
    source: Raw = msgspec.field(default_factory=lambda: NO_SOURCE)


@cache
def schema_of(metric_type: MetricType) -> type[Document]:
    """The schema of a type's documents: every column may be left out or null."""
    columns = [(column.name, _schema(column.kind) | None, None) for column in metric_type.columns]
    name = f"{metric_type.class_name}Document"
    schema = msgspec.defstruct(
        name, columns, bases=(Document,), kw_only=True, forbid_unknown_fields=True
    )
    return cast(type[Document], schema)


def _schema(kind: Kind) -> Any:
    match kind:
        case Integer(lowest, highest):
            return Annotated[int, Meta(ge=lowest, le=highest, description=kind.expected)]
        case Number(lowest, highest):
            return Annotated[float, Meta(ge=lowest, le=highest, description=kind.expected)]
        case Text(longest):
            return Annotated[str, Meta(max_length=longest, description=kind.expected)]
        case Contributors(value=value):
            scores = dict.__class_getitem__((_CONTRIBUTOR_NAME, _schema(value) | None))
            described = Meta(max_length=_MOST_CONTRIBUTORS, description=kind.expected)
            return Annotated[scores, described]


class Unreadable(str):
    """The JSON text of a value that Python can't hold: too deep, or too large a number."""


class Refused(Exception):
    """A document that can't be stored; `errors` has each field's messages."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("refused")
        self.errors = errors


@dataclass(frozen=True)
class Read:
    """A valid document, with its source as JSON text with sorted keys, and as Python values.

    `warnings` has the messages about values that the source brings as well, and that are null in
    the document because its columns can't hold them.
    """

    document: Document
    source: dict[str, Any] | None
    warnings: dict[str, list[str]] = dataclass_field(default_factory=dict)


def read(metric_type: MetricType, raw: bytes | Raw, *, today: date) -> Read:
    """Return one document's JSON as a document. `today` is the date in UTC.

    Raises Refused with every error.
    """
    document = _decoded(metric_type, raw)
    warnings: dict[str, list[str]] = {}
    if document is None:
        document, warnings = _read_by_field(metric_type, raw)
    last = today + ONE_DAY
    errors: dict[str, list[str]] = {}
    if not FIRST_DAY <= document.day <= last:
        wanted = f"a date from {FIRST_DAY} to {last}, YYYY-MM-DD"
        errors["day"] = [message(str(document.day), wanted)]
    source, document.source, wrong = read_source(document.source)
    errors |= wrong
    # Without a source, what can't be stored would be lost.
    if errors or (warnings and source is None):
        raise Refused(errors | warnings)
    return Read(document, source, warnings)


def _decoded(metric_type: MetricType, raw: bytes | Raw) -> Document | None:
    """Return the document, or None if it has to be read field by field."""
    if b"\\u0000" in bytes(raw):
        return None
    try:
        document = msgspec.json.decode(raw, type=schema_of(metric_type))
    except (msgspec.DecodeError, RecursionError):
        return None
    for name in _moments(metric_type):
        if (value := getattr(document, name)) is not None:
            if (moment := normalize_moment(value)) is None:
                return None
            setattr(document, name, moment)
    return document


@cache
def _moments(metric_type: MetricType) -> tuple[str, ...]:
    return tuple(each.name for each in metric_type.columns if isinstance(each.kind, Moment))


def _read_by_field(
    metric_type: MetricType, raw: bytes | Raw
) -> tuple[Document, dict[str, list[str]]]:
    """Return the document with null for what its columns can't hold, and the errors about that.

    Raises Refused with every error if anything else is wrong.
    """
    try:
        sent = FIELDS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = value_of(raw)
        no_object = NOT_JSON if isinstance(value, dict) else message(value, "an object")
        raise Refused({"document": [no_object]}) from None
    schema = schema_of(metric_type)
    known = {each.name: each for each in msgspec.structs.fields(schema)}
    columns = {column.name: column for column in metric_type.columns}
    values: dict[str, Any] = {"source": sent.get("source", NO_SOURCE)}
    refused = {
        shown(name): [f"It is not a field of this type; expected {', '.join(known)}."]
        for name in sent.keys() - known.keys()
    }
    errors: dict[str, list[str]] = {}
    for name, each in known.items():
        wanted = expected(schema, name)
        if name in columns:
            each_value = parsed if isinstance(columns[name].kind, Contributors) else value_of
            value = each_value(sent[name]) if name in sent else None
            values[name], wrong = _column_value(columns[name], value, wanted)
            errors |= wrong
        elif each.required and name not in sent:
            refused[name] = [f"It is missing; expected {wanted}."]
        elif each.required:
            values[name], wrong = _required_value(each, value_of(sent[name]), wanted)
            refused |= wrong
    if refused:
        raise Refused(refused | errors | read_source(values["source"])[2])
    return schema(**values), errors


def _required_value(
    known: msgspec.structs.FieldInfo, value: Any, wanted: str
) -> tuple[Any, dict[str, list[str]]]:
    if known.name == "day" and parse_day(value) is None:
        return None, {known.name: [message(value, wanted)]}
    if _has_nul(value):
        return None, {known.name: [HAS_NUL]}
    try:
        return _convert(value, known.type), {}
    except msgspec.ValidationError:
        return None, {known.name: [message(value, wanted)]}


def _column_value(column: Column, value: Any, wanted: str) -> tuple[Any, dict[str, list[str]]]:
    """Return a column's value, null where it can't hold the one sent, and the errors about it."""
    if value is None:
        return None, {}
    if isinstance(column.kind, Contributors) and isinstance(value, dict):
        return _contributors(column, column.kind, value)
    if _has_nul(value):
        return None, {column.name: [HAS_NUL]}
    try:
        return _converted(column.kind, value), {}
    except msgspec.ValidationError:
        return None, {column.name: [message(value, wanted)]}


def _contributors(
    column: Column, kind: Contributors, sent: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return contributors without those that have no possible name, and the errors about each.

    Of too many, those that Oura is known to send come first.
    """
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for number, name in enumerate(sorted(sent, key=lambda name: (name not in kind.names, name))):
        if _MOST_CONTRIBUTORS in (len(values), len(errors)):
            text = f"It has {len(sent)} contributors; only {number} of them were read."
            return values, {**errors, column.name: [text]}
        value = sent[name]
        try:
            if "\x00" in name:
                raise msgspec.ValidationError
            msgspec.convert(name, _CONTRIBUTOR_NAME)
            values[name] = None
            values[name] = None if value is None else _converted(kind.value, value)
        except msgspec.ValidationError:
            error = message(value, f"{kind.value.expected} or null")
            errors[f"{column.name}.{shown(name)}"] = [error]
    return values, errors


def _converted(kind: Kind, value: Any) -> Any:
    """Return the value as a column holds it. Raises ValidationError if it can't."""
    if isinstance(kind, Integer) and isinstance(value, float) and value.is_integer():
        # In JSON, 45.0 is a whole number.
        value = int(value)
    if isinstance(kind, Moment) and isinstance(value, str):
        value = normalize_moment(value)
        if value is None:
            raise msgspec.ValidationError
    return _convert(value, _schema(kind))


def _convert(value: Any, type_: Any) -> Any:
    if isinstance(value, Unreadable):
        raise msgspec.ValidationError
    return msgspec.convert(value, type_)


def read_source(raw: Raw) -> tuple[dict[str, Any] | None, Raw, dict[str, list[str]]]:
    """Return the source, its text in one order of keys, and the errors of it.

    So the same values have the same text.
    """
    try:
        source = _loads(bytes(raw))
        if source is None or isinstance(source, dict):
            return source, Raw(orjson.dumps(source, option=orjson.OPT_SORT_KEYS)), {}
        return None, NO_SOURCE, {"source": [message(source, SOURCE)]}
    except ValueError:
        return None, NO_SOURCE, {"source": [NOT_JSON]}
    except (TypeError, RecursionError):  # orjson reads deeper than it writes
        return None, NO_SOURCE, {"source": [TOO_DEEP]}


def _loads(text: bytes) -> Any:
    """Return JSON as Python values; a number that is too large for any stays text.

    Whole numbers beyond 64 bits become the nearest float, as orjson reads them.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(
            text, parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_no_constant
        )


def _parse_integer(digits: str) -> int | float | str:
    if len(digits) <= _MOST_DIGITS and _LOWEST <= int(digits) <= _HIGHEST:
        return int(digits)
    return _parse_float(digits)


def _parse_float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}.")


def parsed(raw: bytes | Raw) -> Any:
    """The JSON as Python values; a field that none can hold stays JSON text, so it can be named."""
    try:
        return {name: value_of(each) for name, each in FIELDS.decode(raw).items()}
    except (msgspec.DecodeError, RecursionError):
        return value_of(raw)


def value_of(raw: bytes | Raw) -> Any:
    """The value, or `Unreadable` if it is too deep, too large a number, or not JSON."""
    try:
        value = orjson.loads(bytes(raw))
        orjson.dumps(value)
        return value
    except (orjson.JSONDecodeError, TypeError):
        return Unreadable(bytes(raw).decode(errors="replace"))


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_nul(inner) for inner in value)


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return (text if len(text) <= 40 else f"{text[:39]}…").replace("\x00", "\\0")


def message(value: Any, wanted: str) -> str:
    is_text = isinstance(value, str) and not isinstance(value, Unreadable)
    quoted = f"'{shown(value)}'" if is_text else shown(value)
    return f"{quoted} is not valid; expected {wanted}."


def expected(schema: type[Document], name: str) -> str:
    """What the field's schema says it should be."""
    return SOURCE if name == "source" else _descriptions(schema)[name]


def _descriptions(schema: type[Document]) -> dict[str, str]:
    described = {}
    for field in msgspec.structs.fields(schema):
        options = getattr(field.type, "__args__", (field.type,))
        nullable = type(None) in options
        metas = [
            meta.description
            for option in (field.type, *options)
            for meta in getattr(option, "__metadata__", ())
        ]
        text = "".join(metas[:1])
        described[field.name] = f"{text.removesuffix(' or null')} or null" if nullable else text
    return described
