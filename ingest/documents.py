"""Metric documents: their schema, made from what a type declares, and parsing.

Most documents are decoded in one go. The others are decoded field by field, which takes longer:
those with something wrong, a whole number written 45.0, or the character NUL.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Annotated, Any, NoReturn, cast

import msgspec
import orjson
from msgspec import Meta, Raw

from metrics import MetricType
from metrics.columns import Column, Contributors, Integer, Kind, Moment, Number, Text
from metrics.moments import normalize_moment
from metrics.series import Span
from myhealth.days import FIRST_DAY, ONE_DAY, parse_day

Id = Annotated[
    str, Meta(min_length=1, max_length=255, description="a string of 1 to 255 characters")
]
Day = Annotated[date, Meta(description="a date, YYYY-MM-DD")]
# Messages by field.
Errors = dict[str, list[str]]
NOT_JSON = "It is not valid JSON."
HAS_NUL = "It contains the character NUL."
TOO_DEEP = "It is nested too deeply; expected at most 250 levels."
FIELDS = msgspec.json.Decoder(dict[str, Raw])
_NO_SOURCE = Raw(b"null")
SOURCE = "an object of Oura's documents or null"
# The whole numbers that orjson keeps; they have at most 20 characters.
_LOWEST, _HIGHEST, _MOST_DIGITS = -(2**63), 2**64 - 1, 20
_MOST_CONTRIBUTORS = 64
_CONTRIBUTOR_NAME = Annotated[str, Meta(min_length=1, max_length=64)]


class _Decoded(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A decoded document: what every type's has; `schema_of` adds the columns.

    `source` holds the Oura documents it was made from; it stays JSON text, since 5 to 15 kB a day
    as Python objects would be most of a request's time and memory.
    """

    id: Id
    day: Day
    source: Raw = msgspec.field(default_factory=lambda: _NO_SOURCE)


@cache
def schema_of(metric_type: MetricType) -> type[_Decoded]:
    """The schema of a type's documents: every column may be left out or null."""
    columns = [(column.name, _schema(column.kind) | None, None) for column in metric_type.columns]
    name = f"{metric_type.class_name}Document"
    schema = msgspec.defstruct(
        name, columns, bases=(_Decoded,), kw_only=True, forbid_unknown_fields=True
    )
    return cast(type[_Decoded], schema)


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


@dataclass(slots=True)
class Document:
    """A valid document: the row to store, its source, and what is known about both.

    `index` is its place in the request. `content` has the row's columns as JSON, and `source` the
    Oura documents, or is None: both with sorted keys, so that the same values have the same
    `content_hash`. `warnings` has the messages about values that the source brings as well, and
    that are null in the row because its columns can't hold them.
    """

    index: int
    id: str
    day: date
    content: bytes
    content_hash: bytes
    source: bytes | None = None
    missing_collection: str = ""
    provenance: dict[str, str] = field(default_factory=dict)
    wear: dict[str, Any] | None = None
    warnings: Errors = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that can't be stored, with each field's messages.

    `id` is shortened, and None if it has none. `sent_day` is any text, empty if it has none. `raw`
    is the document as sent, empty if it belongs to another account.
    """

    index: int
    errors: Errors
    id: str | None = None
    sent_day: str = ""
    raw: bytes = b""

    @property
    def day(self) -> date | None:
        return parse_day(self.sent_day)


def parse_all(
    metric_type: MetricType, sent: Iterable[bytes | Raw], *, today: date
) -> tuple[list[Document], list[Rejected]]:
    """Return the valid documents of a request, and the others. `today` is the date in UTC."""
    documents: list[Document] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(sent):
        parsed = parse(metric_type, raw, index, today=today)
        if isinstance(parsed, Document):
            documents.append(parsed)
        else:
            rejected.append(parsed)
    return documents, rejected


def parse(
    metric_type: MetricType, raw: bytes | Raw, index: int = 0, *, today: date
) -> Document | Rejected:
    """Return the document, or why it can't be stored, with every error."""
    warnings = Errors()
    decoded = _decode(metric_type, raw)
    if decoded is None:
        by_field = _decode_by_field(metric_type, raw, index)
        if isinstance(by_field, Rejected):
            return by_field
        decoded, warnings = by_field
    errors = Errors()
    last = today + ONE_DAY
    if not FIRST_DAY <= decoded.day <= last:
        wanted = f"a date from {FIRST_DAY} to {last}, YYYY-MM-DD"
        errors["day"] = [message(str(decoded.day), wanted)]
    source, text = None, b"null"
    if decoded.source is not _NO_SOURCE:
        source, text, wrong = _parse_source(decoded.source)
        errors |= wrong
    # Without a source, what can't be stored would be lost.
    if errors or (warnings and source is None):
        return Rejected(index, errors | warnings, decoded.id, str(decoded.day), bytes(raw))
    return _document(metric_type, decoded, index, source, text, warnings)


def _document(
    metric_type: MetricType,
    decoded: _Decoded,
    index: int,
    source: dict[str, Any] | None,
    text: bytes,
    warnings: Errors,
) -> Document:
    row = msgspec.structs.asdict(decoded)
    row["oura_id"] = row.pop("id")
    del row["source"]
    if row.get("contributors", row) is None:
        row["contributors"] = {}
    # Without a source, the sender knows best what is complete.
    missing = metric_type.missing_collection(row, source) if source is not None else ""
    for name in _added_columns(metric_type):
        if row[name] is None:
            del row[name]
    content = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    content_hash = hashlib.blake2b(content + text, digest_size=16).digest()
    document = Document(index, decoded.id, decoded.day, content, content_hash)
    if source is not None:
        document.source, document.missing_collection = text, missing
        document.provenance = metric_type.provenance_of(source)
        document.wear = metric_type.wear_of(source)
        document.spans = metric_type.spans_of(source)
        document.warnings = warnings
    return document


@cache
def _added_columns(metric_type: MetricType) -> tuple[str, ...]:
    return tuple(column.name for column in metric_type.columns if column.added)


def values_of(metric_type: MetricType, document: Document) -> dict[str, Any]:
    """Return the columns of a document's row, with its id as `oura_id`."""
    content = orjson.loads(document.content)
    return {name: content.get(name) for name in ("oura_id", *metric_type.column_names)}


def _decode(metric_type: MetricType, raw: bytes | Raw) -> _Decoded | None:
    """Return the decoded document, or None if it has to be decoded field by field."""
    if b"\\u0000" in bytes(raw):
        return None
    try:
        decoded = msgspec.json.decode(raw, type=schema_of(metric_type))
    except (msgspec.DecodeError, RecursionError):
        return None
    for name in _moments(metric_type):
        if (value := getattr(decoded, name)) is not None:
            if (moment := normalize_moment(value)) is None:
                return None
            setattr(decoded, name, moment)
    return decoded


@cache
def _moments(metric_type: MetricType) -> tuple[str, ...]:
    return tuple(each.name for each in metric_type.columns if isinstance(each.kind, Moment))


def _decode_by_field(
    metric_type: MetricType, raw: bytes | Raw, index: int
) -> tuple[_Decoded, Errors] | Rejected:
    """Return the document with null for what its columns can't hold, and the errors about that."""
    try:
        sent = FIELDS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = value_of(raw)
        no_object = NOT_JSON if isinstance(value, dict) else message(value, "an object")
        return Rejected(index, {"document": [no_object]}, raw=bytes(raw))
    schema = schema_of(metric_type)
    known = _fields(schema)
    columns = {column.name: column for column in metric_type.columns}
    values: dict[str, Any] = {"source": sent.get("source", _NO_SOURCE)}
    refused = {
        shown(name): [f"It is not a field of this type; expected {', '.join(known)}."]
        for name in sent.keys() - known.keys()
    }
    errors = Errors()
    required: dict[str, Any] = {}
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
            required[name] = value_of(sent[name])
            values[name], wrong = _required_value(each, required[name], wanted)
            refused |= wrong
    if not refused:
        return schema(**values), errors
    errors = refused | errors | _parse_source(values["source"])[2]
    id_, day = (_text(required.get(name)) for name in ("id", "day"))
    return Rejected(index, errors, id_[:255] or None, day, bytes(raw))


def _text(value: Any) -> str:
    return value if isinstance(value, str) and not isinstance(value, Unreadable) else ""


def _required_value(
    known: msgspec.structs.FieldInfo, value: Any, wanted: str
) -> tuple[Any, Errors]:
    if known.name == "day" and parse_day(value) is None:
        return None, {known.name: [message(value, wanted)]}
    if _has_nul(value):
        return None, {known.name: [HAS_NUL]}
    try:
        return _convert(value, known.type), {}
    except msgspec.ValidationError:
        return None, {known.name: [message(value, wanted)]}


def _column_value(column: Column, value: Any, wanted: str) -> tuple[Any, Errors]:
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
) -> tuple[dict[str, Any], Errors]:
    """Return contributors without those that have no possible name, and the errors about each.

    Of too many, those that Oura is known to send come first.
    """
    values: dict[str, Any] = {}
    errors: Errors = {}
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


def _parse_source(raw: Raw) -> tuple[dict[str, Any] | None, bytes, Errors]:
    """Return the source, its text with sorted keys, and the errors of it."""
    try:
        source = _loads(bytes(raw))
        if source is None or isinstance(source, dict):
            return source, orjson.dumps(source, option=orjson.OPT_SORT_KEYS), {}
        return None, b"null", {"source": [message(source, SOURCE)]}
    except ValueError:
        return None, b"null", {"source": [NOT_JSON]}
    except (TypeError, RecursionError):  # orjson reads deeper than it writes
        return None, b"null", {"source": [TOO_DEEP]}


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


def expected(schema: type[_Decoded], name: str) -> str:
    """What the field's schema says it should be."""
    return SOURCE if name == "source" else _descriptions(schema)[name]


@cache
def _fields(schema: type[_Decoded]) -> dict[str, msgspec.structs.FieldInfo]:
    # msgspec reads the annotations each time, which takes a quarter of a millisecond.
    return {each.name: each for each in msgspec.structs.fields(schema)}


@cache
def _descriptions(schema: type[_Decoded]) -> dict[str, str]:
    described = {}
    for each in _fields(schema).values():
        options = getattr(each.type, "__args__", (each.type,))
        nullable = type(None) in options
        metas = [
            meta.description
            for option in (each.type, *options)
            for meta in getattr(option, "__metadata__", ())
        ]
        text = "".join(metas[:1])
        described[each.name] = f"{text.removesuffix(' or null')} or null" if nullable else text
    return described
