"""Documents that could not be stored, kept with the reason until a good version comes."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from ingest.documents import Document
from ingest.models import RejectedDocument

KEPT_PER_PERSON = 1_000
KEPT_FOR = timedelta(days=90)


def id_of(raw: Any) -> str | None:
    """The document's id as far as it has one that can be told back."""
    value = raw.get("id") if isinstance(raw, dict) else None
    return value[:255] if isinstance(value, str) and value else None


def settle(
    type_: str,
    user_id: int,
    stored: Sequence[Document],
    rejected: Mapping[int, tuple[Any, dict[str, list[str]]]],
    *,
    anothers: str,
    fetched_at: datetime,
    now: datetime,
) -> int:
    """Clear the entries of `stored`, keep `rejected`; return how many of these were known."""
    held = RejectedDocument.objects.filter(user_id=user_id)
    if stored:
        keys = [key for document in stored for key in (document.id, _anothers_key(document.day))]
        held.filter(type=type_, key__in=keys).delete()
    if not rejected:
        return 0
    every = [
        _entry(raw, errors, is_anothers=errors == {"id": [anothers]})
        for raw, errors in rejected.values()
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
        update_fields=["oura_id", "day", "document", "errors", "fetched_at", "last_seen"],
    )
    _prune(user_id, now)
    return sum(_reason(entry.key, entry.errors) in known for entry in every)


def _reason(key: str, errors: dict[str, list[str]]) -> tuple[str, bytes]:
    return key, orjson.dumps(errors, option=orjson.OPT_SORT_KEYS)


def _prune(user_id: int, now: datetime) -> None:
    held = RejectedDocument.objects.filter(user_id=user_id)
    held.filter(last_seen__lt=now - KEPT_FOR).delete()
    newest = held.order_by("-last_seen", "-pk").values("pk")
    beyond = [row["pk"] for row in newest[KEPT_PER_PERSON:]]
    if beyond:
        held.filter(pk__in=beyond).delete()


def _anothers_key(day: Any) -> str:
    return f"another's {day}"


def _entry(raw: Any, errors: dict[str, list[str]], *, is_anothers: bool) -> RejectedDocument:
    """Of another's document only the day and the reason are kept."""
    day = raw.get("day") if isinstance(raw, dict) else None
    day = without_nul(day)[:40] if isinstance(day, str) else ""
    if is_anothers:
        return RejectedDocument(key=_anothers_key(day), day=day, errors=errors)
    document = without_nul(raw)
    oura_id = without_nul(id_of(raw) or "")
    content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    key = oura_id or f"content {hashlib.blake2b(content, digest_size=16).hexdigest()}"
    return RejectedDocument(key=key, oura_id=oura_id, day=day, document=document, errors=errors)


def without_nul(value: Any) -> Any:
    """`value` with NUL shown as U+FFFD, since PostgreSQL stores no NUL."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(inner) for key, inner in value.items()}
    return [without_nul(inner) for inner in value] if isinstance(value, list) else value
