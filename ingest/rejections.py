"""Documents that could not be stored, kept with the reason until a good version comes."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from msgspec import Raw

from ingest.documents import Document, parsed
from ingest.models import RejectedDocument

KEPT_PER_PERSON = 1_000
KEPT_FOR = timedelta(days=90)
Errors = dict[str, list[str]]


def id_of(raw: Any) -> str | None:
    """The document's id as far as it has one that can be told back."""
    value = raw.get("id") if isinstance(raw, dict) else None
    return value[:255] if isinstance(value, str) and value else None


class Settled(NamedTuple):
    """How many rejections were known before, and whether any entry came, changed or went."""

    again: int
    changed: bool


def settle(
    type_: str,
    user_id: int,
    stored: Mapping[int, Document],
    rejected: Mapping[int, tuple[bytes | Raw, Errors]],
    *,
    anothers: str,
    fetched_at: datetime,
    now: datetime,
) -> Settled:
    """Clear the entries of `stored`, keep `rejected`.

    Both are by index in the request: a document that a later one makes good is not kept.
    """
    _drop_old(now)
    held = RejectedDocument.objects.filter(user_id=user_id)
    cleared = 0
    if stored:
        documents = stored.values()
        keys = [key for each in documents for key in (each.id, _anothers_key(each.day))]
        cleared, _ = held.filter(type=type_, key__in=keys).delete()
    if not rejected:
        return Settled(0, cleared > 0)
    good = {document.id: index for index, document in stored.items()}
    every = [
        entry
        for index, (raw, errors) in rejected.items()
        if (entry := _entry(raw, errors, is_anothers=errors == {"id": [anothers]}))
        and good.get(entry.key, -1) < index
    ]
    entries = {entry.key: entry for entry in every}
    known = {
        _reason(entry["key"], entry["errors"])
        for entry in held.filter(type=type_, key__in=entries).values("key", "errors")
    }
    for entry in entries.values():
        entry.user_id, entry.type, entry.fetched_at = user_id, type_, fetched_at
        entry.first_seen = entry.last_seen = now
    RejectedDocument.objects.bulk_create(
        list(entries.values())[-KEPT_PER_PERSON:],
        update_conflicts=True,
        unique_fields=["user", "type", "key"],
        update_fields=["oura_id", "day", "content", "errors", "fetched_at", "last_seen"],
    )
    _drop_beyond(user_id)
    return Settled(sum(_reason(entry.key, entry.errors) in known for entry in every), True)


def _reason(key: str, errors: Errors) -> tuple[str, bytes]:
    return key, orjson.dumps(errors, option=orjson.OPT_SORT_KEYS)


def _drop_old(now: datetime) -> None:
    """What is too old goes, whosever it is: people who have stopped sending never come back."""
    # Skipping what another request drops right now: two of them must not wait for each other.
    old = RejectedDocument.objects.filter(last_seen__lt=now - KEPT_FOR)
    batch = old.select_for_update(skip_locked=True).values("pk")[:KEPT_PER_PERSON]
    RejectedDocument.objects.filter(pk__in=batch).delete()


def _drop_beyond(user_id: int) -> None:
    held = RejectedDocument.objects.filter(user_id=user_id)
    newest = held.order_by("-last_seen", "-pk").values("pk")
    beyond = [row["pk"] for row in newest[KEPT_PER_PERSON:]]
    if beyond:
        held.filter(pk__in=beyond).delete()


def _anothers_key(day: Any) -> str:
    return f"another's {day}"


def _entry(raw: bytes | Raw, errors: Errors, *, is_anothers: bool) -> RejectedDocument:
    """Of another's document only the day and the reason are kept."""
    document = parsed(raw)
    told = document.get("day") if isinstance(document, dict) else None
    day = without_nul(told)[:40] if isinstance(told, str) else ""
    if is_anothers:
        return RejectedDocument(key=_anothers_key(day), day=day, errors=errors)
    oura_id = without_nul(id_of(document) or "")
    key = oura_id or f"content {hashlib.blake2b(bytes(raw), digest_size=16).hexdigest()}"
    # JSON writes NUL, the one character that PostgreSQL refuses, as an escape.
    content = bytes(raw).decode(errors="replace")
    return RejectedDocument(key=key, oura_id=oura_id, day=day, content=content, errors=errors)


def without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd")
