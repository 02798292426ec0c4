"""Rejected documents: kept with the reasons until a good version arrives."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from msgspec import Raw

from ingest.documents import Document, Unreadable, parsed
from ingest.models import RejectedDocument

MAX_REJECTED_PER_PERSON = 1_000
_MAX_AGE = timedelta(days=90)
_Errors = dict[str, list[str]]


def document_id(document: Any) -> str | None:
    """Return the id of a parsed document, shortened; None if it is not a text."""
    value = document.get("id") if isinstance(document, dict) else None
    is_text = isinstance(value, str) and not isinstance(value, Unreadable)
    return value[:255] if is_text and value else None


class _SavedRejections(NamedTuple):
    """How many rejections repeat an earlier one, and whether any entry was saved or deleted."""

    repeats: int
    changed: bool


def save_rejections(
    type_: str,
    user_id: int,
    stored: Mapping[int, Document],
    rejected: Mapping[int, tuple[bytes | Raw, _Errors]],
    *,
    anothers: str,
    fetched_at: datetime,
    now: datetime,
) -> _SavedRejections:
    """Save an entry for each rejected document, and delete those of the stored ones.

    Both are by index in the request: no entry is saved for a document of which a later version was
    stored. `anothers` is the message about a document that belongs to another account.
    """
    _delete_old(now)
    entries_of_person = RejectedDocument.objects.filter(user_id=user_id, type=type_)
    deleted = 0
    if stored:
        documents = stored.values()
        keys = [key for each in documents for key in (each.id, _anothers_key(each.day))]
        deleted, _ = entries_of_person.filter(key__in=keys).delete()
    if not rejected:
        return _SavedRejections(0, deleted > 0)
    stored_at = {document.id: index for index, document in stored.items()}
    entries = [
        entry
        for index, (raw, errors) in rejected.items()
        if (entry := _entry(raw, errors, is_anothers=errors == {"id": [anothers]}))
        and stored_at.get(entry.key, -1) < index
    ]
    by_key = {entry.key: entry for entry in entries}
    earlier = {
        _identity(entry["key"], entry["errors"])
        for entry in entries_of_person.filter(key__in=by_key).values("key", "errors")
    }
    for entry in by_key.values():
        entry.user_id, entry.type, entry.fetched_at = user_id, type_, fetched_at
        entry.first_seen = entry.last_seen = now
    RejectedDocument.objects.bulk_create(
        list(by_key.values())[-MAX_REJECTED_PER_PERSON:],
        update_conflicts=True,
        unique_fields=["user", "type", "key"],
        update_fields=["oura_id", "day", "content", "errors", "fetched_at", "last_seen"],
    )
    _delete_excess(user_id)
    return _SavedRejections(
        sum(_identity(entry.key, entry.errors) in earlier for entry in entries), True
    )


def _identity(key: str, errors: _Errors) -> tuple[str, bytes]:
    return key, orjson.dumps(errors, option=orjson.OPT_SORT_KEYS)


def _delete_old(now: datetime) -> None:
    """Delete entries of any account that are too old, since some people never send again."""
    # Entries that another request is deleting are skipped: two requests must not wait for each
    # other.
    old = RejectedDocument.objects.filter(last_seen__lt=now - _MAX_AGE)
    batch = old.select_for_update(skip_locked=True).values("pk")[:MAX_REJECTED_PER_PERSON]
    RejectedDocument.objects.filter(pk__in=batch).delete()


def _delete_excess(user_id: int) -> None:
    newest_first = RejectedDocument.objects.filter(user_id=user_id).order_by("-last_seen", "-pk")
    excess = list(newest_first.values_list("pk", flat=True)[MAX_REJECTED_PER_PERSON:])
    if excess:
        RejectedDocument.objects.filter(pk__in=excess).delete()


def _anothers_key(day: Any) -> str:
    return f"another's {day}"


def _entry(raw: bytes | Raw, errors: _Errors, *, is_anothers: bool) -> RejectedDocument:
    """Return an unsaved entry. Of another account's document it has only the day and the reason."""
    document = parsed(raw)
    sent_day = document.get("day") if isinstance(document, dict) else None
    day = _without_nul(sent_day)[:40] if isinstance(sent_day, str) else ""
    if is_anothers:
        return RejectedDocument(key=_anothers_key(day), day=day, errors=errors)
    oura_id = _without_nul(document_id(document) or "")
    key = oura_id or f"content {hashlib.blake2b(bytes(raw), digest_size=16).hexdigest()}"
    # JSON writes NUL, the one character that PostgreSQL refuses, as an escape.
    content = bytes(raw).decode(errors="replace")
    return RejectedDocument(key=key, oura_id=oura_id, day=day, content=content, errors=errors)


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd")
