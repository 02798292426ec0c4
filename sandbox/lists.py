"""List responses: ranges, pages and fields of a query."""

import base64
import hmac
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import orjson
from django.conf import settings
from django.http import QueryDict

from myhealth.days import shift
from sandbox import oddities, store
from sandbox.limits import Limits, limits_of
from sandbox.others import ring_configurations
from sandbox.people import Person
from sandbox.ranges import DayRange, parse_day_range, parse_instant_range, parse_query_time
from sandbox.registry import COLLECTIONS
from sandbox.responses import ApiError

_ALWAYS_INCLUDED = ("id", "day", "start_day", "timestamp")
_TRUE = ("1", "true", "t", "yes", "y", "on")
_FALSE = ("0", "false", "f", "no", "n", "off")
_Entry = tuple[date, int, bytes]


class _Cursor(NamedTuple):
    """The contents of a next_token: person, collection, range, and start of the next page."""

    user_id: str
    collection: str
    start: str
    end: str
    day: str
    place: int


def _signature(payload: bytes) -> bytes:
    return hmac.digest(settings.SANDBOX_SEED.encode(), payload, "sha256")[:12]


def _encode_cursor(cursor: _Cursor) -> str:
    payload = orjson.dumps(tuple(cursor))
    return base64.urlsafe_b64encode(_signature(payload) + payload).decode().rstrip("=")


def _decode_cursor(text: str, person: Person, collection: str) -> _Cursor:
    """Return the cursor of a next_token. Raise ApiError (400) if it is not one of this list."""
    try:
        # Encode again, since different texts decode to the same bytes.
        signed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        canonical = base64.urlsafe_b64encode(signed).decode().rstrip("=") == text.rstrip("=")
        if not canonical or not hmac.compare_digest(signed[:12], _signature(signed[12:])):
            raise ValueError
        cursor = _Cursor(*orjson.loads(signed[12:]))
    except (ValueError, TypeError):
        raise ApiError(400, "Invalid next_token") from None
    if (cursor.user_id, cursor.collection) != (person.user_id, collection):
        raise ApiError(400, "Invalid next_token")
    return cursor


def _cursor_of_query(
    person: Person, collection: str, query: QueryDict, names: tuple[str, str], default: _Cursor
) -> _Cursor:
    """Return the next_token's cursor, or one for the query's range completed by `default`."""
    start, end = (query.get(name) for name in names)
    # Dates beside a token are validated, although only the token's own count.
    for name, text in zip(names, (start, end), strict=True):
        if text is not None:
            parse_query_time(name, text)
    # An empty token means the first page.
    if next_token := query.get("next_token"):
        return _decode_cursor(next_token, person, collection)
    return default._replace(start=start or default.start, end=end or default.end)


def list_documents(person: Person, collection: str, query: QueryDict) -> bytes:
    """Return a page of documents, of the last two days unless the query has dates."""
    last = store.today()
    end = query.get("end_date")
    until = parse_query_time("end_date", end).naive.date() if end is not None else last
    start = shift(until, -1)
    default = _Cursor(person.user_id, collection, str(start), str(last), "", 0)
    cursor = _cursor_of_query(person, collection, query, ("start_date", "end_date"), default)
    span = parse_day_range(COLLECTIONS[collection], cursor.start, cursor.end)
    limits = limits_of(person)
    _check_length(limits, "start_date", "end_date", cursor)
    odd = store.odd_days(person, collection)
    for day, kind in odd.items():
        if kind == oddities.POISON and _covers(span, person, collection, day):
            oddities.fail()
    entries = _entries(person, collection, span, cursor)
    return _page(entries, cursor, limits, _requested_fields(limits, query), odd)


def _check_length(limits: Limits, start_name: str, end_name: str, cursor: _Cursor) -> None:
    begin = parse_query_time(start_name, cursor.start).naive
    until = parse_query_time(end_name, cursor.end).naive
    limits.check_range(begin.date(), until.date())


def _covers(span: DayRange, person: Person, collection: str, day: date) -> bool:
    """Return whether the range has the day, or, for ranges in UTC, one of its documents."""
    if not span.first <= day <= span.last or span.includes is None:
        return span.first <= day <= span.last
    starts = [_start_of(raw) for raw in store.raw_documents(person, collection, day)]
    noon = datetime.combine(day, time(12), UTC)
    return any(span.includes(start) for start in starts or [noon])


def _entries(person: Person, collection: str, span: DayRange, cursor: _Cursor) -> Iterator[_Entry]:
    begin = date.fromisoformat(cursor.day) if cursor.day else span.first
    for ordinal in store.history_ordinals(max(begin, span.first), span.last):
        day = date.fromordinal(ordinal)
        for place, raw in enumerate(store.raw_documents(person, collection, day)):
            if (day, place) < (begin, cursor.place):
                continue
            if span.includes is None or span.includes(_start_of(raw)):
                yield day, place, raw


def _start_of(raw: bytes) -> datetime:
    begin: str = oddities.decode(raw)["start_datetime"]
    return datetime.fromisoformat(begin)


def list_series(person: Person, collection: str, query: QueryDict) -> bytes:
    """Return a page of a time series, of the last 24 hours unless the query has parameters."""
    limits = limits_of(person)
    if _parse_flag(query, "latest"):
        return _latest_row(person, collection, _requested_fields(limits, query))
    now = store.now()
    end = query.get("end_datetime")
    until = parse_query_time("end_datetime", end).utc if end is not None else now
    start = until - timedelta(days=1) if until.year > 1 else until
    default = _Cursor(person.user_id, collection, start.isoformat(), now.isoformat(), "", 0)
    cursor = _cursor_of_query(
        person, collection, query, ("start_datetime", "end_datetime"), default
    )
    begin, until = parse_instant_range(cursor.start, cursor.end)
    _check_length(limits, "start_datetime", "end_datetime", cursor)
    first = date.fromisoformat(cursor.day) if cursor.day else None
    rows = store.series_rows(person, collection, begin, min(until, now), first)
    entries = (
        (day, place, orjson.dumps(row))
        for day, place, (_, row) in rows
        if first is None or (day, place) >= (first, cursor.place)
    )
    return _page(entries, cursor, limits, _requested_fields(limits, query), {})


def _latest_row(person: Person, collection: str, fields: set[str]) -> bytes:
    """Return the newest row only."""
    now = store.now()
    for begin in (now - timedelta(days=3), datetime(1, 1, 4, tzinfo=UTC)):
        rows = [
            orjson.dumps(row) for *_, (_, row) in store.series_rows(person, collection, begin, now)
        ]
        if rows:
            return _envelope([_select_fields(rows[-1], fields)], None)
    return _envelope([], None)


def list_rings(person: Person, query: QueryDict) -> bytes:
    """Return both rings. This list ignores dates."""
    fields = _requested_fields(limits_of(person), query)
    return _envelope(
        [_select_fields(orjson.dumps(ring), fields) for ring in ring_configurations(person)], None
    )


def _page(
    entries: Iterable[_Entry],
    cursor: _Cursor,
    limits: Limits,
    fields: set[str],
    odd: dict[date, str],
) -> bytes:
    """Return a page. The next one begins with the last `page_overlap` documents of this one."""
    items: list[bytes] = []
    # Where the next page begins; the entry that fills this one, without an overlap.
    following: _Cursor | None = None
    for day, place, raw in entries:
        at = cursor._replace(day=day.isoformat(), place=place)
        if limits.page_size is not None:
            if len(items) == limits.page_size - limits.page_overlap:
                following = at
            if len(items) == limits.page_size:
                return _envelope(items, _encode_cursor(following or at))
        items.append(oddities.answer(odd.get(day), _select_fields(raw, fields)))
    return _envelope(items, None)


def _envelope(items: list[bytes], next_token: str | None) -> bytes:
    return b'{"data":[%b],"next_token":%b}' % (b",".join(items), orjson.dumps(next_token))


def _requested_fields(limits: Limits, query: QueryDict) -> set[str]:
    if not limits.fields:
        return set()
    return {name.strip() for name in query.get("fields", "").split(",")} - {""}


def _select_fields(raw: bytes, fields: set[str]) -> bytes:
    """Return the record with the requested fields and those that are always included.

    Unknown fields are ignored; if all are unknown, the complete record is returned (measured 2026).
    """
    if not fields:
        return raw
    document = oddities.decode(raw)
    if not fields & document.keys():
        return raw
    always = _ALWAYS_INCLUDED if "id" not in document else ("id", "day", "start_day")
    return oddities.encode(
        {name: value for name, value in document.items() if name in fields or name in always}
    )


def _parse_flag(query: QueryDict, name: str) -> bool:
    text = query.get(name)
    if text is None:
        return False
    if text.lower() not in _TRUE + _FALSE:
        message = "Input should be a valid boolean, unable to interpret input"
        error = {"type": "bool_parsing", "loc": ["query", name], "msg": message, "input": text}
        raise ApiError(422, [error])
    return text.lower() in _TRUE
