"""Revisions: earlier versions of days that changed or were removed.

Called while the writer's lock on the person and type is held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from django.db import connection

from ingest.models import Metric, MetricSource, Revision, unpack
from myhealth.days import over_at

_Row = dict[str, Any]


@dataclass(frozen=True)
class Successor:
    """A day's new columns, and its new Oura documents if they are known."""

    values: _Row
    source: Any = None


def save_revisions(
    model: type[Metric],
    user_id: int,
    successors: Mapping[date, Successor | None],
    *,
    why: str,
    now: datetime,
) -> int:
    """Save the current rows of days that are about to be replaced.

    A successor of None removes the day. A row that was fetched before its day was over was never
    final, so it makes no revision unless the day is removed; a row that differs in nothing makes
    none either. Return how many days have other documents than before, or none: a row that only
    another mapping has changed was not revised.
    """
    rows = [
        row
        for row in _rows(model, user_id, successors)
        if row["fetched_at"] >= over_at(row["day"])
        or (successors[row["day"]] is None and now >= over_at(row["day"]))
    ]
    return _save(model, user_id, rows, successors, why, now) if rows else 0


def _rows(model: type[Metric], user_id: int, days: Iterable[date]) -> list[_Row]:
    rows = model.objects.of(user_id).filter(day__in=list(days))
    names = ("day", "content_hash", "fetched_at", "oura_id", *model.metric_type.column_names)
    return list(rows.values(*names))


def _save(
    model: type[Metric],
    user_id: int,
    rows: list[_Row],
    successors: Mapping[date, Successor | None],
    why: str,
    now: datetime,
) -> int:
    type_, days = model.metric_type.name, [row["day"] for row in rows]
    sources: Any = MetricSource.objects.filter(user_id=user_id, type=type_, day__in=days)
    contents = dict(sources.values_list("day", "content"))
    earlier: Any = Revision.objects.filter(user_id=user_id, type=type_, day__in=days)
    saved = {
        (row["day"], bytes(row["content_hash"])): row["pk"]
        for row in earlier.values("pk", "day", "content_hash")
    }
    repeated: list[Revision] = []
    new: list[Revision] = []
    for row in rows:
        successor = successors[row["day"]]
        revision = _revision(model, row, contents.get(row["day"]), successor)
        revision.user_id, revision.type, revision.replaced_at = user_id, type_, now
        revision.kind = why
        if successor and not revision.changes and revision.documents == successor.source:
            # Only the hash differs, because of what else once went into it.
            continue
        if successor and _is_of_same_documents(model, revision, successor):
            # The successor was computed from them again, and keeps them.
            revision.kind, revision.content = Revision.Kind.REMAPPED, None
        revision.pk = saved.get((row["day"], bytes(row["content_hash"])))
        (repeated if revision.pk else new).append(revision)
    Revision.objects.bulk_create(new)
    _update_repeated(repeated)
    return sum(each.kind != Revision.Kind.REMAPPED for each in (*new, *repeated))


def _is_of_same_documents(model: type[Metric], revision: Revision, successor: Successor) -> bool:
    documents = revision.documents
    # A program may send anything as its source.
    is_ouras = isinstance(documents, dict) and model.metric_type.collections[0] in documents
    return is_ouras and documents == successor.source


def _update_repeated(revisions: list[Revision]) -> None:
    """Update revisions whose content came back and has been replaced again."""
    if not revisions:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE metric_revisions AS saved SET
                kind = u.kind, changes = u.changes, notes = u.notes, fetched_at = u.fetched_at,
                replaced_at = u.replaced_at, times = saved.times + 1,
                content = coalesce(saved.content, u.content)
            FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::jsonb[], %s::timestamptz[],
                %s::timestamptz[], %s::bytea[])
                AS u(id, kind, changes, notes, fetched_at, replaced_at, content)
            WHERE saved.id = u.id""",
            [
                [each.pk for each in revisions],
                [str(each.kind) for each in revisions],
                [orjson.dumps(each.changes).decode() for each in revisions],
                [orjson.dumps(each.notes).decode() for each in revisions],
                [each.fetched_at for each in revisions],
                [each.replaced_at for each in revisions],
                [each.content for each in revisions],
            ],
        )


def _revision(
    model: type[Metric], row: _Row, content: bytes | None, successor: Successor | None
) -> Revision:
    metric_type = model.metric_type
    values = {name: row[name] for name in ("oura_id", *metric_type.column_names)}
    before = unpack(content) if content else None
    after = successor.source if successor else None
    return Revision(
        day=row["day"],
        changes=column_changes(values, successor.values) if successor else {},
        notes=metric_type.change_notes(before, after)
        if isinstance(before, dict) and before and after
        else [],
        content_hash=bytes(row["content_hash"]),
        values=values,
        content=content,
        fetched_at=row["fetched_at"],
    )


def column_changes(before: _Row, after: _Row) -> dict[str, list[Any]]:
    """Return both values of each column that differs; each contributor counts as a column."""
    before, after = _flatten(before), _flatten(after)
    pairs = {name: [before.get(name), after.get(name)] for name in before | after}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flatten(row: _Row) -> _Row:
    contributors = row.get("contributors") or {}
    columns = {name: value for name, value in row.items() if name != "contributors"}
    return columns | {f"contributors.{name}": contributors[name] for name in sorted(contributors)}
