"""Lists: what a query asks for, page by page."""

import base64
import hmac
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import orjson
from django.conf import settings
from django.http import QueryDict

from myhealth.days import shift
from sandbox import store
from sandbox.answers import Refused
from sandbox.days import Document
from sandbox.others import rings
from sandbox.people import Person
from sandbox.ranges import Range, moment, of_days, of_instants
from sandbox.registry import COLLECTIONS

ALWAYS = ("id", "day", "start_day", "timestamp")
TRUE = ("1", "true", "t", "yes", "y", "on")
FALSE = ("0", "false", "f", "no", "n", "off")
Entry = tuple[date, int, bytes]


class Cursor(NamedTuple):
    """What a next_token holds: whose list of what, its range, and where the next page begins."""

    user_id: str
    collection: str
    start: str
    end: str
    day: str
    place: int


def signature(payload: bytes) -> bytes:
    return hmac.digest(settings.SANDBOX_SEED.encode(), payload, "sha256")[:12]


def token(cursor: Cursor) -> str:
    payload = orjson.dumps(tuple(cursor))
    return base64.urlsafe_b64encode(signature(payload) + payload).decode().rstrip("=")


def cursor_of(text: str, person: Person, collection: str) -> Cursor:
    """Read a next_token. Raises Refused (400) unless it was made for this very list."""
    try:
        # Without the round trip, other spellings of the same bytes would pass.
        held = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        given = base64.urlsafe_b64encode(held).decode().rstrip("=") == text.rstrip("=")
        if not given or not hmac.compare_digest(held[:12], signature(held[12:])):
            raise ValueError
        cursor = Cursor(*orjson.loads(held[12:]))
    except (ValueError, TypeError):
        raise Refused(400, "Invalid next_token") from None
    if (cursor.user_id, cursor.collection) != (person.user_id, collection):
        raise Refused(400, "Invalid next_token")
    return cursor


def cursor_for(
    person: Person, collection: str, query: QueryDict, names: tuple[str, str], default: Cursor
) -> Cursor:
    """The token's cursor; else one for the range that the query names, completed by `default`."""
    start, end = (query.get(name) for name in names)
    # Dates that are repeated beside a token are read, though the token's own are what counts.
    for name, text in zip(names, (start, end), strict=True):
        if text is not None:
            moment(name, text)
    # An empty token is accepted and means the first page.
    if next_token := query.get("next_token"):
        return cursor_of(next_token, person, collection)
    return default._replace(start=start or default.start, end=end or default.end)


def documents(person: Person, collection: str, query: QueryDict) -> bytes:
    """The answer to a list of documents: the last two days without dates, as its clients say."""
    last = store.today()
    end = query.get("end_date")
    until = moment("end_date", end).naive.date() if end is not None else last
    start = shift(until, -1)
    default = Cursor(person.user_id, collection, str(start), str(last), "", 0)
    cursor = cursor_for(person, collection, query, ("start_date", "end_date"), default)
    span = of_days(COLLECTIONS[collection], cursor.start, cursor.end)
    found = entries(person, collection, span, cursor)
    return page(found, cursor, wanted(query))


def entries(person: Person, collection: str, span: Range, cursor: Cursor) -> Iterator[Entry]:
    begin = date.fromisoformat(cursor.day) if cursor.day else span.first
    for ordinal in store.clipped(max(begin, span.first), span.last):
        day = date.fromordinal(ordinal)
        for place, raw in enumerate(store.of_day(person, collection, day)):
            if (day, place) < (begin, cursor.place):
                continue
            if span.keeps is None or span.keeps(instant(raw)):
                yield day, place, raw


def instant(raw: bytes) -> datetime:
    begin: str = orjson.loads(raw)["start_datetime"]
    return datetime.fromisoformat(begin)


def series(person: Person, collection: str, query: QueryDict) -> bytes:
    """The answer to a time series: the last 24 hours without parameters, as recorded."""
    if flag(query, "latest"):
        return latest(person, collection, wanted(query))
    now = store.now()
    end = query.get("end_datetime")
    until = moment("end_datetime", end).utc if end is not None else now
    start = until - timedelta(days=1) if until.year > 1 else until
    default = Cursor(person.user_id, collection, start.isoformat(), now.isoformat(), "", 0)
    cursor = cursor_for(person, collection, query, ("start_datetime", "end_datetime"), default)
    begin, until = of_instants(cursor.start, cursor.end)
    first = date.fromisoformat(cursor.day) if cursor.day else None
    rows = store.series(person, collection, begin, min(until, now), first)
    found = (
        (day, place, orjson.dumps(row))
        for day, place, (_, row) in rows
        if first is None or (day, place) >= (first, cursor.place)
    )
    return page(found, cursor, wanted(query))


def latest(person: Person, collection: str, fields: set[str]) -> bytes:
    """The newest row alone."""
    now = store.now()
    for begin in (now - timedelta(days=3), datetime(1, 1, 4, tzinfo=UTC)):
        rows = [orjson.dumps(row) for *_, (_, row) in store.series(person, collection, begin, now)]
        if rows:
            return envelope([projected(rows[-1], fields)], None)
    return envelope([], None)


def configurations(person: Person, query: QueryDict) -> bytes:
    """Both rings; this list knows no dates."""
    fields = wanted(query)
    return envelope([projected(orjson.dumps(ring), fields) for ring in rings(person)], None)


def page(found: Iterable[Entry], cursor: Cursor, fields: set[str]) -> bytes:
    taken: list[bytes] = []
    for day, place, raw in found:
        if len(taken) == settings.SANDBOX_PAGE_SIZE:
            return envelope(taken, token(cursor._replace(day=day.isoformat(), place=place)))
        taken.append(projected(raw, fields))
    return envelope(taken, None)


def envelope(items: list[bytes], next_token: str | None) -> bytes:
    return b'{"data":[%b],"next_token":%b}' % (b",".join(items), orjson.dumps(next_token))


def wanted(query: QueryDict) -> set[str]:
    return {name.strip() for name in query.get("fields", "").split(",")} - {""}


def projected(raw: bytes, fields: set[str]) -> bytes:
    """The wanted fields beside those that always come.

    Unknown ones are dropped silently; when none is known the whole record comes (measured 2026).
    """
    if not fields:
        return raw
    document: Document = orjson.loads(raw)
    if not fields & document.keys():
        return raw
    always = ALWAYS if "id" not in document else ("id", "day", "start_day")
    return orjson.dumps(
        {name: value for name, value in document.items() if name in fields or name in always}
    )


def flag(query: QueryDict, name: str) -> bool:
    text = query.get(name)
    if text is None:
        return False
    if text.lower() not in TRUE + FALSE:
        message = "Input should be a valid boolean, unable to interpret input"
        error = {"type": "bool_parsing", "loc": ["query", name], "msg": message, "input": text}
        raise Refused(422, [error])
    return text.lower() in TRUE
