"""Revisions: earlier versions of days that changed or were removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from ingest.documents import Document, values_of
from ingest.models import Revision, unpack
from metrics import MetricType
from myhealth.postgresql.prepared import Statement

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """A stored row that is about to be replaced: its columns, and its compressed documents."""

    day: date
    content_hash: bytes
    fetched_at: datetime
    values: _Row
    content: bytes | None


def revision(
    metric_type: MetricType, version: Version, document: Document | None, kind: str
) -> _Row | None:
    """Return the revision of a day that a document replaces, or that is removed if there is none.

    None if the document differs in nothing: then only the hash differs, because of what else once
    went into it.
    """
    values = {name: version.values[name] for name in ("oura_id", *metric_type.column_names)}
    before = unpack(version.content) if version.content else None
    after = orjson.loads(document.source) if document and document.source else None
    changes = column_changes(values, values_of(metric_type, document)) if document else {}
    notes: list[str] = []
    content = version.content
    if document and before == after:
        if not changes:
            return None
        # A program may send anything as its source.
        if isinstance(before, dict) and metric_type.collections[0] in before:
            # The document was computed from them again, and keeps them.
            kind, content = Revision.Kind.REMAPPED, None
    if isinstance(before, dict) and before and after:
        notes = metric_type.change_notes(before, after)
    return {
        "day": version.day,
        "kind": str(kind),
        "changes": changes,
        "notes": notes,
        "content_hash": f"\\x{version.content_hash.hex()}",
        "values": values,
        "fetched_at": version.fetched_at,
        "content": content,
    }


def save(user_id: int, type_: str, revisions: Iterable[_Row], now: datetime) -> Statement:
    """Return the statement that saves revisions; of content that came back, it updates the one."""
    rows = [dict(each) for each in revisions]
    contents = [row.pop("content") for row in rows]
    return Statement(_SAVE, (user_id, type_, now, orjson.dumps(rows).decode(), contents))


_SAVE = """
    INSERT INTO metric_revisions AS saved (user_id, type, replaced_at, times,
        day, kind, changes, notes, content_hash, "values", fetched_at, content)
    SELECT %s::bigint, %s::text, %s::timestamptz, 1, r.*
    FROM ROWS FROM (
        json_to_recordset(%s::json) AS (day date, kind text, changes jsonb, notes jsonb,
            content_hash bytea, "values" jsonb, fetched_at timestamptz),
        unnest(%s::bytea[])) AS r
    ON CONFLICT (user_id, type, day, content_hash) DO UPDATE SET
        kind = EXCLUDED.kind, changes = EXCLUDED.changes, notes = EXCLUDED.notes,
        fetched_at = EXCLUDED.fetched_at, replaced_at = EXCLUDED.replaced_at,
        times = saved.times + 1, content = coalesce(saved.content, EXCLUDED.content)"""


def column_changes(before: _Row, after: _Row) -> dict[str, list[Any]]:
    """Return both values of each column that differs; each contributor counts as a column."""
    before, after = _flatten(before), _flatten(after)
    pairs = {name: [before.get(name), after.get(name)] for name in before | after}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flatten(row: _Row) -> _Row:
    contributors = row.get("contributors") or {}
    columns = {name: value for name, value in row.items() if name != "contributors"}
    return columns | {f"contributors.{name}": contributors[name] for name in sorted(contributors)}
