"""Rejected documents: kept with the reasons until a good version arrives.

The statements expect the caller to have the lock on the person and type.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from django.db.models import QuerySet

from ingest.documents import Document, Rejected
from ingest.models import RejectedDocument
from myhealth.days import Days
from myhealth.postgresql.prepared import Rows, Statement

MAX_REJECTED_PER_PERSON = 1_000
_MAX_AGE = timedelta(days=90)


@dataclass
class RejectionChanges:
    """The entries to delete and to save, by key, and how many rejections repeat an earlier one."""

    deleted: set[str] = field(default_factory=set)
    saved: dict[str, Rejected] = field(default_factory=dict)
    repeats: int = 0


def select(
    user_id: int,
    type_: str,
    sent: Iterable[Document],
    rejected: Iterable[Rejected],
    fetched_at: datetime,
    complete: Days | None,
    now: datetime,
) -> Statement:
    """Return the statement for `decide`: it reads the entries that the request may change.

    Those that are too old count as deleted. Its rows have key, errors, and whether a complete fetch
    should have brought the entry again.
    """
    keys = [key for each in sent for key in (each.id, _anothers_key(each.day))]
    keys += map(_key, rejected)
    if complete is None:
        return Statement(_SELECT, (user_id, type_, oldest_kept(now), keys))
    ends = (complete.start.isoformat(), complete.end.isoformat())
    return Statement(_SELECT_OF_RANGE, (*ends, fetched_at, user_id, type_, oldest_kept(now), keys))


_SELECT = """
    SELECT key, errors::text, false FROM rejected_documents
    WHERE user_id = %s::bigint AND type = %s::text AND last_seen >= %s::timestamptz
        AND key = ANY(%s::text[])"""
_SELECT_OF_RANGE = """
    SELECT key, errors::text, is_gone FROM (
        SELECT *, day BETWEEN %s::text AND %s::text AND fetched_at < %s::timestamptz AS is_gone
        FROM rejected_documents WHERE user_id = %s::bigint AND type = %s::text
            AND last_seen >= %s::timestamptz) AS r
    WHERE is_gone OR key = ANY(%s::text[])"""


def decide(
    entries: Rows, stored: Iterable[Document], rejected: Sequence[Rejected]
) -> RejectionChanges:
    """Return the changes to the entries of one person and type.

    Those of stored documents are deleted. No entry is saved for a document of which a later version
    was stored.
    """
    if not entries and not rejected:
        return RejectionChanges()
    indexes = {document.id: document.index for document in stored}
    keys = {*indexes, *(_anothers_key(document.day) for document in stored)}
    earlier = {key: errors for key, errors, _ in entries if key not in keys}
    new = [(key, each) for each in rejected if indexes.get(key := _key(each), -1) < each.index]
    saved = dict(new)
    return RejectionChanges(
        {key for key, _, is_gone in entries if key in keys or (is_gone and key not in saved)},
        dict([*saved.items()][-MAX_REJECTED_PER_PERSON:]),
        sum(key in earlier and orjson.loads(earlier[key]) == each.errors for key, each in new),
    )


def statements(
    changes: RejectionChanges, user_id: int, type_: str, *, fetched_at: datetime, now: datetime
) -> Iterable[Statement]:
    """Yield the statements that make the changes."""
    if changes.deleted:
        yield Statement(_DELETE, (user_id, type_, [*changes.deleted]))
    if changes.saved:
        entries = [_entry(key, each) for key, each in changes.saved.items()]
        body = orjson.dumps(entries).decode()
        yield Statement(_SAVE, (user_id, type_, fetched_at, now, now, body))
        yield Statement(_DELETE_EXCESS, (user_id, MAX_REJECTED_PER_PERSON))


def delete_old(now: datetime) -> Statement:
    """Delete entries of any account that are too old, since some people never send again."""
    return Statement(_DELETE_OLD, (now - _MAX_AGE, MAX_REJECTED_PER_PERSON))


_DELETE = """
    DELETE FROM rejected_documents
    WHERE user_id = %s::bigint AND type = %s::text AND key = ANY(%s::text[])"""
_SAVE = f"""
    INSERT INTO rejected_documents AS e
        (user_id, type, fetched_at, first_seen, last_seen, key, oura_id, day, content, errors)
    SELECT %s::bigint, %s::text, %s::timestamptz, %s::timestamptz, %s::timestamptz, r.*
    FROM json_to_recordset(%s::json)
        AS r(key text, oura_id text, day text, content text, errors jsonb)
    ON CONFLICT (user_id, type, key) DO UPDATE SET oura_id = EXCLUDED.oura_id, day = EXCLUDED.day,
        content = EXCLUDED.content, errors = EXCLUDED.errors, fetched_at = EXCLUDED.fetched_at,
        last_seen = EXCLUDED.last_seen,
        first_seen = CASE WHEN e.last_seen < EXCLUDED.last_seen - interval '{_MAX_AGE.days} days'
            THEN EXCLUDED.first_seen ELSE e.first_seen END"""
_DELETE_EXCESS = """
    DELETE FROM rejected_documents WHERE id IN (
        SELECT id FROM rejected_documents WHERE user_id = %s::bigint
        ORDER BY last_seen DESC, id DESC OFFSET %s::bigint)"""
# Entries that another request is deleting are skipped: two requests must not wait for each other.
_DELETE_OLD = """
    DELETE FROM rejected_documents WHERE id IN (
        SELECT id FROM rejected_documents WHERE last_seen < %s::timestamptz
        LIMIT %s::bigint FOR UPDATE SKIP LOCKED)"""
# Whether `delete_old` would delete any.
# Not EXISTS: PostgreSQL would plan to find one soon, and read all if there is none.
OLD_EXIST = "(SELECT min(last_seen) FROM rejected_documents) < %s::timestamptz"


def old_entries(now: datetime) -> QuerySet[RejectedDocument]:
    return RejectedDocument.objects.filter(last_seen__lt=oldest_kept(now))


def oldest_kept(now: datetime) -> datetime:
    return now - _MAX_AGE


def _anothers_key(day: date | str) -> str:
    return f"another's {day}"


def _key(rejected: Rejected) -> str:
    if not rejected.raw:
        return _anothers_key(rejected.sent_day)
    content_hash = hashlib.blake2b(rejected.raw, digest_size=16)
    return _without_nul(rejected.id or "") or f"content {content_hash.hexdigest()}"


def _entry(key: str, rejected: Rejected) -> dict[str, Any]:
    """Return a row. Of another account's document it has only the day and the reason."""
    return {
        "key": key,
        "oura_id": _without_nul(rejected.id or "") if rejected.raw else "",
        "day": _without_nul(rejected.sent_day)[:40],
        # JSON writes NUL, the one character that PostgreSQL refuses, as an escape.
        "content": rejected.raw.decode(errors="replace"),
        "errors": rejected.errors,
    }


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd")
