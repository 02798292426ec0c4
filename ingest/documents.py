"""The schema of a metric document, one a type, and messages that name what is wrong with one."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar

import msgspec
import orjson
from msgspec import UNSET, Meta, Raw

FIRST_DAY = date(2010, 1, 1)
INT32 = 2**31 - 1

Whole = Annotated[int, Meta(ge=0, le=INT32, description=f"a whole number from 0 to {INT32}")]
Percent = Annotated[int, Meta(ge=0, le=100, description="a whole number from 0 to 100")]
Positive = Annotated[float, Meta(ge=0, le=1e6, description="a number from 0 to 1000000")]
Celsius = Annotated[float, Meta(ge=-100, le=100, description="a number from -100 to 100")]
Id = Annotated[str, Meta(min_length=1, max_length=255, description="a text of 1 to 255 characters")]
Moment = Annotated[
    str,
    Meta(
        max_length=40, description="a date-time with an offset, such as 2026-03-01T23:10:00+01:00"
    ),
]
Contributors = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Percent | None],
    Meta(max_length=64, description="an object of whole numbers from 0 to 100 or null"),
]
Day = Annotated[date, Meta(description="a date, YYYY-MM-DD")]
NOT_JSON = "It is not valid JSON."
TOO_DEEP = "It is nested too deeply; expected at most 250 levels."
FIELDS = msgspec.json.Decoder(dict[str, Raw])
NO_SOURCE = Raw(b"null")
SOURCE = "an object of Oura's documents or null"
# The source has sorted keys.
SUMMARY = re.compile(rb'\{"daily_sleep":null')
DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every type's document has.

    `source` holds the Oura documents it was made from; it stays JSON text, since 5 to 15 kB a day
    as Python objects would be most of a request's time and memory.
    """

    ENVELOPE: ClassVar[frozenset[str]] = frozenset({"id", "day", "score", "contributors", "source"})

    id: Id
    day: Day
    score: Percent | None = None
    contributors: Contributors | None = None
    source: Raw = msgspec.field(default_factory=lambda: NO_SOURCE)

    def lacks(self) -> str:
        """The collection of Oura's that has nothing of the day, where there should be something."""
        return ""


class SleepDocument(Document):
    duration: Whole | None = None
    time_in_bed: Whole | None = None
    deep_sleep_duration: Whole | None = None
    light_sleep_duration: Whole | None = None
    rem_sleep_duration: Whole | None = None
    awake_time: Whole | None = None
    latency: Whole | None = None
    efficiency: Percent | None = None
    average_heart_rate: Positive | None = None
    lowest_heart_rate: Whole | None = None
    average_hrv: Whole | None = None
    average_breath: Positive | None = None
    bedtime_start: Moment | None = None
    bedtime_end: Moment | None = None

    def lacks(self) -> str:
        # Whoever sends no source knows best what a whole day is.
        if self.source == NO_SOURCE:
            return ""
        if SUMMARY.match(bytes(self.source)):
            return "daily_sleep"
        return "sleep" if self.duration is None and self.time_in_bed is None else ""


class ActivityDocument(Document):
    active_calories: Whole | None = None
    total_calories: Whole | None = None
    steps: Whole | None = None
    equivalent_walking_distance: Whole | None = None
    high_activity_minutes: Whole | None = None
    medium_activity_minutes: Whole | None = None
    low_activity_minutes: Whole | None = None
    sedentary_minutes: Whole | None = None
    resting_minutes: Whole | None = None


class ReadinessDocument(Document):
    temperature_deviation: Celsius | None = None
    temperature_trend_deviation: Celsius | None = None


class Refused(Exception):
    """A document that can't be stored; `errors` has each field's messages."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("refused")
        self.errors = errors


def read(kind: type[Document], raw: bytes | Raw, *, today: date) -> Document:
    """Return one document's JSON as a document, its source with sorted keys.

    `today` is the date in UTC. Raises Refused with every error.
    """
    try:
        document = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError):
        raise Refused(errors_of(kind, parsed(raw)) or {"document": [NOT_JSON]}) from None
    errors: dict[str, list[str]] = {}
    last = today + timedelta(days=1)
    if not FIRST_DAY <= document.day <= last:
        wanted = f"a date from {FIRST_DAY} to {last}, YYYY-MM-DD"
        errors["day"] = [message(str(document.day), wanted)]
    for name in ("bedtime_start", "bedtime_end"):
        value = getattr(document, name, None)
        if value is not None and not is_moment(value):
            errors[name] = [message(value, expected(kind, name))]
    errors |= read_source(document)
    errors |= {name: ["It contains the character NUL."] for name in fields_with_nul(raw)}
    if errors:
        raise Refused(errors)
    return document


def read_source(document: Document) -> dict[str, list[str]]:
    """Put the source in one order of keys, so that the same values have the same text."""
    try:
        source = orjson.loads(bytes(document.source))
        if source is None or isinstance(source, dict):
            document.source = Raw(orjson.dumps(source, option=orjson.OPT_SORT_KEYS))
            return {}
        return {"source": [message(source, SOURCE)]}
    except orjson.JSONDecodeError:
        return {"source": [NOT_JSON]}
    except TypeError:  # orjson reads deeper than it writes
        return {"source": [TOO_DEEP]}


def as_day(value: Any) -> date | None:
    """The date that a text of ten characters tells; None for anything else."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


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


def errors_of(kind: type[Document], raw: Any) -> dict[str, list[str]]:
    """Every field's errors; msgspec itself stops at the first."""
    if not isinstance(raw, dict):
        return {"document": [message(raw, "an object")]}
    errors: dict[str, list[str]] = {}
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in raw.keys() - known.keys():
        errors[shown(name)] = [f"It is not a field of this type; expected {', '.join(known)}."]
    for name, field in known.items():
        value = raw.get(name, UNSET)
        if value is UNSET:
            if field.required:
                errors[name] = [f"It is missing; expected {expected(kind, name)}."]
            continue
        try:
            if name == "source":
                msgspec.convert(value, dict[str, Any] | None)
            else:
                msgspec.convert(value, field.type)
            if name == "day" and not DAY.match(value):
                raise msgspec.ValidationError
        except msgspec.ValidationError:
            errors |= _inner(name, value) or {name: [message(value, expected(kind, name))]}
    return errors


def _inner(name: str, value: Any) -> dict[str, list[str]]:
    if name != "contributors" or not isinstance(value, dict) or len(value) > 64:
        return {}
    errors = {}
    for key, inner in value.items():
        try:
            msgspec.convert({key: inner}, Contributors)
        except msgspec.ValidationError:
            errors[f"contributors.{shown(key)}"] = [
                message(inner, "a whole number from 0 to 100 or null")
            ]
    return errors


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return (text if len(text) <= 40 else f"{text[:39]}…").replace("\x00", "\\0")


def message(value: Any, wanted: str) -> str:
    quoted = f"'{shown(value)}'" if isinstance(value, str) else shown(value)
    return f"{quoted} is not valid; expected {wanted}."


def expected(kind: type[Document], name: str) -> str:
    """What the field's schema says it should be."""
    return SOURCE if name == "source" else _descriptions(kind)[name]


def _descriptions(kind: type[Document]) -> dict[str, str]:
    described = {}
    for field in msgspec.structs.fields(kind):
        options = getattr(field.type, "__args__", (field.type,))
        nullable = type(None) in options
        metas = [
            meta.description
            for option in (field.type, *options)
            for meta in getattr(option, "__metadata__", ())
        ]
        described[field.name] = f"{''.join(metas[:1])}{' or null' if nullable else ''}"
    return described
