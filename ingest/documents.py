"""Metric documents: their schema, made from what a type declares, and messages that name what is
wrong with one.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, cast

import msgspec
import orjson
from msgspec import UNSET, Meta, Raw

from metrics import MetricType
from metrics.columns import Contributors, Integer, Kind, Moment, Number, Text
from myhealth.days import FIRST_DAY, ONE_DAY, parse_day

Id = Annotated[
    str, Meta(min_length=1, max_length=255, description="a string of 1 to 255 characters")
]
Day = Annotated[date, Meta(description="a date, YYYY-MM-DD")]
NOT_JSON = "It is not valid JSON."
TOO_DEEP = "It is nested too deeply; expected at most 250 levels."
FIELDS = msgspec.json.Decoder(dict[str, Raw])
NO_SOURCE = Raw(b"null")
SOURCE = "an object of Oura's documents or null"


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
            name = Annotated[str, Meta(min_length=1, max_length=64)]
            scores = dict.__class_getitem__((name, _schema(value) | None))
            return Annotated[scores, Meta(max_length=64, description=kind.expected)]


class Refused(Exception):
    """A document that can't be stored; `errors` has each field's messages."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("refused")
        self.errors = errors


@dataclass(frozen=True)
class Read:
    """A valid document, with its source as JSON text with sorted keys, and as Python values."""

    document: Document
    source: dict[str, Any] | None


def read(metric_type: MetricType, raw: bytes | Raw, *, today: date) -> Read:
    """Return one document's JSON as a document. `today` is the date in UTC.

    Raises Refused with every error.
    """
    schema = schema_of(metric_type)
    try:
        document = msgspec.json.decode(raw, type=schema)
    except (msgspec.DecodeError, RecursionError):
        raise Refused(errors_of(metric_type, parsed(raw)) or {"document": [NOT_JSON]}) from None
    errors: dict[str, list[str]] = {}
    last = today + ONE_DAY
    if not FIRST_DAY <= document.day <= last:
        wanted = f"a date from {FIRST_DAY} to {last}, YYYY-MM-DD"
        errors["day"] = [message(str(document.day), wanted)]
    for column in metric_type.columns:
        if isinstance(column.kind, Moment):
            value = getattr(document, column.name)
            if value is not None and not is_moment(value):
                errors[column.name] = [message(value, expected(schema, column.name))]
    source, wrong = read_source(document)
    errors |= wrong
    errors |= {name: ["It contains the character NUL."] for name in fields_with_nul(raw)}
    if errors:
        raise Refused(errors)
    return Read(document, source)


def read_source(document: Document) -> tuple[dict[str, Any] | None, dict[str, list[str]]]:
    """Return the source, and the errors of it; put its text in one order of keys.

    So the same values have the same text.
    """
    try:
        source = orjson.loads(bytes(document.source))
        if source is None or isinstance(source, dict):
            document.source = Raw(orjson.dumps(source, option=orjson.OPT_SORT_KEYS))
            return source, {}
        return None, {"source": [message(source, SOURCE)]}
    except orjson.JSONDecodeError:
        return None, {"source": [NOT_JSON]}
    except TypeError:  # orjson reads deeper than it writes
        return None, {"source": [TOO_DEEP]}


def parsed(raw: bytes | Raw) -> Any:
    """The JSON as Python values; a field that none can hold stays JSON text, so it can be named."""
    try:
        return {name: value_of(each) for name, each in FIELDS.decode(raw).items()}
    except (msgspec.DecodeError, RecursionError):
        return value_of(raw)


def value_of(raw: bytes | Raw) -> Any:
    """The value, or its text where it is too deep, too large a number, or no JSON."""
    try:
        value = orjson.loads(bytes(raw))
        orjson.dumps(value)
        return value
    except (orjson.JSONDecodeError, TypeError):
        return bytes(raw).decode(errors="replace")


def is_moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def fields_with_nul(raw: bytes | Raw) -> list[str]:
    """PostgreSQL stores every character but this one."""
    if b"\\u0000" not in bytes(raw):
        return []
    return [name for name, value in parsed(raw).items() if _has_nul(value)]


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_nul(inner) for inner in value)


def errors_of(metric_type: MetricType, raw: Any) -> dict[str, list[str]]:
    """Every field's errors; msgspec itself stops at the first."""
    if not isinstance(raw, dict):
        return {"document": [message(raw, "an object")]}
    errors: dict[str, list[str]] = {}
    schema = schema_of(metric_type)
    known = {field.name: field for field in msgspec.structs.fields(schema)}
    for name in raw.keys() - known.keys():
        errors[shown(name)] = [f"It is not a field of this type; expected {', '.join(known)}."]
    for name, field in known.items():
        value = raw.get(name, UNSET)
        if value is UNSET:
            if field.required:
                errors[name] = [f"It is missing; expected {expected(schema, name)}."]
            continue
        try:
            if name == "source":
                msgspec.convert(value, dict[str, Any] | None)
            else:
                msgspec.convert(value, field.type)
            if name == "day" and parse_day(value) is None:
                raise msgspec.ValidationError
        except msgspec.ValidationError:
            errors |= _inner(metric_type, name, value) or {
                name: [message(value, expected(schema, name))]
            }
    return errors


def _inner(metric_type: MetricType, name: str, value: Any) -> dict[str, list[str]]:
    """The errors of single contributors."""
    kinds = {column.name: column.kind for column in metric_type.columns}
    kind = kinds.get(name)
    if not isinstance(kind, Contributors) or not isinstance(value, dict) or len(value) > 64:
        return {}
    schema, wanted = _schema(kind), f"{kind.value.expected} or null"
    errors = {}
    for key, inner in value.items():
        try:
            msgspec.convert({key: inner}, schema)
        except msgspec.ValidationError:
            errors[f"{name}.{shown(key)}"] = [message(inner, wanted)]
    return errors


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return (text if len(text) <= 40 else f"{text[:39]}…").replace("\x00", "\\0")


def message(value: Any, wanted: str) -> str:
    quoted = f"'{shown(value)}'" if isinstance(value, str) else shown(value)
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
        described[field.name] = f"{''.join(metas[:1])}{' or null' if nullable else ''}"
    return described
