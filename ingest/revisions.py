"""What days were before they changed or went. The writer's lock on the person and type is held."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from django.db import connection

from ingest.models import Metric, MetricSource, Revision
from myhealth.days import over_at

Row = dict[str, Any]
KIND = Revision.Kind


@dataclass(frozen=True)
class Successor:
    """What a day becomes: its columns, and its Oura documents as far as they are known."""

    values: Row
    source: Any = None


def keep(
    model: type[Metric],
    user_id: int,
    successors: Mapping[date, Successor | None],
    *,
    why: str,
    now: datetime,
) -> int:
    """Keep the days' rows as they are now, since they are about to become their successors.

    None stands for a day that goes. A day that was last read before it was over is no revision,
    unless it goes: it was never more than a reading under way. Returns how many were kept.
    """
    rows = [
        row
        for row in rows_of(model, user_id, successors)
        if row["fetched_at"] >= over_at(row["day"])
        or (successors[row["day"]] is None and now >= over_at(row["day"]))
    ]
    if rows:
        store(model, user_id, rows, successors, why, now)
    return len(rows)


def rows_of(model: type[Metric], user_id: int, days: Iterable[date]) -> list[Row]:
    rows = model.objects.of(user_id).filter(day__in=list(days))
    names = ("day", "content_hash", "fetched_at", "oura_id", *model.metric_type.column_names)
    return list(rows.values(*names))


def store(
    model: type[Metric],
    user_id: int,
    rows: list[Row],
    successors: Mapping[date, Successor | None],
    why: str,
    now: datetime,
) -> None:
    type_, days = model.metric_type.name, [row["day"] for row in rows]
    sources: Any = MetricSource.objects.filter(user_id=user_id, type=type_, day__in=days)
    contents = dict(sources.values_list("day", "content"))
    held: Any = Revision.objects.filter(user_id=user_id, type=type_, day__in=days)
    known = {
        (row["day"], bytes(row["content_hash"])): row["pk"]
        for row in held.values("pk", "day", "content_hash")
    }
    again: list[Revision] = []
    fresh: list[Revision] = []
    for row in rows:
        revision = revision_of(model, row, contents.get(row["day"]), successors[row["day"]])
        if why == Revision.Kind.REMAPPED and successors[row["day"]]:
            # Its documents are the successor's, which has them.
            revision.content = None
        revision.user_id, revision.type, revision.kind = user_id, type_, why
        revision.replaced_at = now
        revision.pk = known.get((row["day"], bytes(row["content_hash"])))
        (again if revision.pk else fresh).append(revision)
    Revision.objects.bulk_create(fresh)
    count_again(again)


def count_again(revisions: list[Revision]) -> None:
    """The same contents stopped being what is held once more."""
    if not revisions:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE metric_revisions AS held SET
                kind = u.kind, changes = u.changes, notes = u.notes, fetched_at = u.fetched_at,
                replaced_at = u.replaced_at, times = held.times + 1,
                content = coalesce(held.content, u.content)
            FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::jsonb[], %s::timestamptz[],
                %s::timestamptz[], %s::bytea[])
                AS u(id, kind, changes, notes, fetched_at, replaced_at, content)
            WHERE held.id = u.id""",
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


def revision_of(
    model: type[Metric], row: Row, content: bytes | None, successor: Successor | None
) -> Revision:
    metric_type = model.metric_type
    values = {name: row[name] for name in ("oura_id", *metric_type.column_names)}
    before = orjson.loads(zlib.decompress(content)) if content else None
    after = successor.source if successor else None
    return Revision(
        day=row["day"],
        changes=changes(values, successor.values) if successor else {},
        notes=metric_type.change_notes(before, after) if before and after else [],
        content_hash=bytes(row["content_hash"]),
        values=values,
        content=content,
        fetched_at=row["fetched_at"],
    )


def changes(before: Row, after: Row) -> dict[str, list[Any]]:
    """The columns that differ, contributors one by one, each with both values."""
    before, after = flat(before), flat(after)
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def flat(row: Row) -> Row:
    inner = row.get("contributors") or {}
    own = {name: value for name, value in row.items() if name != "contributors"}
    return own | {f"contributors.{name}": inner[name] for name in sorted(inner)}
