"""The one way in: documents to rows, set-based, in one transaction a request.

Identity is (user, day). However many documents come, the number of SQL statements is bounded.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from msgspec import Raw

from accounts.models import Origin
from ingest import fetches, rejections, revisions, runs
from ingest.documents import NO_SOURCE, Document, Read, Refused, parsed, read
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    Metric,
    MetricSource,
    RejectedDocument,
    Revision,
    Run,
    Stream,
)
from ingest.people import account_must_exist, lock_person, sqlstate
from ingest.revisions import Successor
from metrics.base import Span
from myhealth.days import (
    ONE_DAY,
    Days,
    from_days,
    intersect,
    over_at,
    parse_day,
    subtract,
    utc_date,
)
from myhealth.errors import START_OVER, Invalid
from myhealth.states import FailureKind

ATTEMPTS = 5
# Stronger compression takes three times as long for a sixth less.
FAST = 1
MARK = """
    UPDATE {table} AS held
    SET content_hash = u.content_hash, missing_collection = u.missing_collection
    FROM unnest(%s::bigint[], %s::bytea[], %s::text[]) AS u(id, content_hash, missing_collection)
    WHERE held.id = u.id"""
SET_FINDINGS = """
    UPDATE metric_sources AS held SET provenance = u.provenance, wear = u.wear
    FROM unnest(%s::date[], %s::jsonb[], %s::jsonb[]) AS u(day, provenance, wear)
    WHERE held.user_id = %s AND held.type = %s AND held.day = u.day
        AND (held.provenance, held.wear) IS DISTINCT FROM (u.provenance, u.wear)"""
SET_WARNINGS = """
    UPDATE metric_sources AS held SET warnings = u.warnings
    FROM unnest(%s::date[], %s::jsonb[]) AS u(day, warnings)
    WHERE held.user_id = %s AND held.type = %s AND held.day = u.day
        AND held.warnings <> u.warnings"""
ANOTHERS = "It belongs to another account."
_OTHER_OWNER = (
    "This account has the data of another Oura account, so these can't be added to it. "
    f"{START_OVER}"
)
# Oura may file the same night under another day, which is at most so many days off.
_DAYS_OFF = (1, 2)
# SQLSTATE: unique_violation, serialization_failure, deadlock_detected.
PASSING = ("23505", "40001", "40P01")

# Messages by field.
Warnings = dict[str, list[str]]


@dataclass
class Outcome:
    """What became of a request's documents.

    `warnings` has the messages about each stored document of which a value could not be stored.
    `again` counts rejections already known, `healed` days that had been missing and came,
    `revised` days that were over and are another or none now.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    again: int = 0
    healed: int = 0
    revised: int = 0

    @property
    def stored(self) -> int:
        return self.created + self.updated + self.unchanged


@dataclass(frozen=True)
class Whole(Days):
    """Days that were read to the last page, by which run, in how many pages."""

    run: str = ""
    pages: int | None = None
    documents: int | None = None


@dataclass
class Item:
    """A document of a request, with what its row and source are to say of it."""

    index: int
    document: Document
    content: bytes
    content_hash: bytes
    missing_collection: str
    provenance: dict[str, str]
    wear: dict[str, Any] | None
    warnings: Warnings
    spans: list[Span]

    @property
    def has_source(self) -> bool:
        return self.document.source != NO_SOURCE


def store(
    model: type[Metric],
    user_id: int,
    raw: Sequence[bytes | Raw],
    *,
    fetched_at: datetime,
    now: datetime,
    origin: str | None = None,
    owner: str | None = None,
    whole: Whole | None = None,
) -> Outcome:
    """Store documents of one person and type; whatever the outcome counts is committed.

    Bad documents are quarantined, the others stored. With `whole` they are all that Oura has of
    that range: held days of it that they leave out go. Raises Invalid when the account holds data
    of another origin or another Oura account, or is gone.
    """
    items, refused = sift(model, raw, today=utc_date(now))
    for attempt in range(ATTEMPTS):
        try:
            with account_must_exist(), transaction.atomic():
                writer = Writer(model, user_id, fetched_at, now)
                return writer.write(items, refused, raw, (origin, owner), whole)
        except (IntegrityError, OperationalError) as error:
            # Another person's sender committed one of our ids meanwhile, or waited for us in
            # turn: look again, and it is an ordinary rejection.
            if attempt == ATTEMPTS - 1 or sqlstate(error) not in PASSING:
                raise
    raise AssertionError("unreachable")


def forget(user_id: int) -> None:
    """Delete all that is held of a person: rows, sources, rejected documents, origin."""
    with transaction.atomic():
        for model in METRIC_MODELS.values():
            writer = Writer(model, user_id, timezone.now(), timezone.now())
            writer.lock()
            model.objects.of(user_id).delete()
            writer.raise_version()
            writer.raise_version("ledger_version")
        for other in (MetricSource, RejectedDocument, Origin, Fetch, Revision, Run):
            other._default_manager.filter(user_id=user_id).delete()


def sift(
    model: type[Metric], raw: Sequence[bytes | Raw], *, today: date
) -> tuple[list[Item], dict[int, dict[str, list[str]]]]:
    """Valid documents, and the errors of the others by index."""
    items, refused = [], {}
    for index, each in enumerate(raw):
        try:
            items.append(item_of(model, index, read(model.metric_type, each, today=today)))
        except Refused as error:
            refused[index] = error.errors
    return items, refused


def item_of(model: type[Metric], index: int, valid: Read) -> Item:
    metric_type, document = model.metric_type, valid.document
    row = {name: getattr(document, name) for name in metric_type.column_names}
    if "contributors" in row:
        row["contributors"] = row["contributors"] or {}
    known = {
        column.name: row[column.name]
        for column in metric_type.columns
        if row[column.name] is not None or not column.added
    }
    content = orjson.dumps(
        {"oura_id": document.id, "day": document.day, **known}, option=orjson.OPT_SORT_KEYS
    )
    content_hash = hashlib.blake2b(content + bytes(document.source), digest_size=16).digest()
    # Without a source, the sender knows best what is complete.
    item = Item(index, document, content, content_hash, "", {}, None, valid.warnings, [])
    if valid.source is not None:
        item.missing_collection = metric_type.missing_collection(row, valid.source)
        item.provenance = metric_type.provenance_of(valid.source)
        item.wear = metric_type.wear_of(valid.source)
        item.spans = metric_type.spans_of(valid.source)
    return item


def successor_of(model: type[Metric], item: Item) -> Successor:
    document = item.document
    values = {name: getattr(document, name) for name in model.metric_type.column_names}
    return Successor({"oura_id": document.id, **values}, orjson.loads(bytes(document.source)))


def day_of(raw: bytes | Raw) -> date | None:
    """The day that a document tells, good or not."""
    document = parsed(raw)
    return parse_day(document.get("day")) if isinstance(document, dict) else None


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _overlap(spans: Iterable[Span], others: Sequence[Span]) -> bool:
    return any(start < last and first < end for start, end in spans for first, last in others)


def last_wins(items: Iterable[Item]) -> list[Item]:
    """The last document of a day, and of an id, wins; one that lost displaces no other."""
    days, ids, winners = set(), set(), []
    for item in reversed(list(items)):
        if item.document.day not in days and item.document.id not in ids:
            days.add(item.document.day)
            ids.add(item.document.id)
            winners.append(item)
    return winners[::-1]


class Writer:
    """One request's work inside its transaction."""

    def __init__(
        self, model: type[Metric], user_id: int, fetched_at: datetime, now: datetime
    ) -> None:
        self.model = model
        self.type = model.metric_type.name
        self.user_id = user_id
        self.fetched_at = fetched_at
        self.now = now
        self.table = connection.ops.quote_name(model._meta.db_table)
        # The days without a row from now on.
        self.gone: set[date] = set()

    def write(
        self,
        items: list[Item],
        refused: dict[int, dict[str, list[str]]],
        raw: Sequence[bytes | Raw],
        account: tuple[str | None, str | None],
        whole: Whole | None,
    ) -> Outcome:
        self.lock()
        outcome = Outcome()
        fresh: list[Item] = []
        if items:
            others, fresh = self.write_rows(items, outcome)
            refused = refused | others
        rejected = {index: refused[index] for index in sorted(refused)}
        outcome.rejected = [
            {"index": index, "id": rejections.document_id(parsed(raw[index])), "errors": errors}
            for index, errors in rejected.items()
        ]
        self.hold_origin(*account, stored=outcome.stored > 0, complete=whole is not None)
        stored = {item.index: item.document for item in items if item.index not in rejected}
        settled = rejections.save_rejections(
            self.type,
            self.user_id,
            stored,
            {index: (raw[index], errors) for index, errors in rejected.items()},
            anothers=ANOTHERS,
            fetched_at=self.fetched_at,
            now=self.now,
        )
        outcome.again = settled.repeats
        if settled.changed:
            self.raise_version("ledger_version")
        if whole:
            named = {item.document.day for item in items}
            told = {day_of(raw[index]) for index in rejected}
            # One without a day may be of any.
            if None not in told:
                self.drop_others(whole, told.union(named), outcome)
            self.remember(whole, told, outcome)
        warnings = self.warnings(fresh)
        if self.set_warnings(warnings):
            self.raise_version()
        valid = [item for item in items if item.index not in rejected]
        told_of = {item.index: warnings[item.document.day] for item in fresh if item.has_source}
        outcome.warnings = [
            {"index": item.index, "id": item.document.id, "errors": errors}
            for item in valid
            # Of what was not stored, since it is older or came twice, nothing is lost.
            if (errors := told_of.get(item.index))
        ]
        return outcome

    def drop_others(self, whole: Whole, named: set[date | None], outcome: Outcome) -> None:
        """Remove the held days, and the rejected documents, that the range has no more."""
        held = self.model.objects.of(self.user_id).between(whole.start, whole.end)
        older = held.filter(fetched_at__lte=self.fetched_at)
        gone = set(older.values_list("day", flat=True)) - named
        outcome.revised += self.remove(gone)
        if gone:
            self.raise_version()
        RejectedDocument.objects.filter(
            user_id=self.user_id,
            type=self.type,
            day__range=(whole.start.isoformat(), whole.end.isoformat()),
            fetched_at__lt=self.fetched_at,
        ).delete()

    def remember(self, whole: Whole, rejected: set[date | None], outcome: Outcome) -> None:
        """Record that the range was read, and what that brought.

        Days whose document was rejected were not: that must not be forgotten with the document.
        """
        # One without a day may be of any.
        lost = from_days(day for day in rejected if day) if None not in rejected else [whole]
        fetches.record(
            *(self.fetch(whole, days) for days in subtract([whole], lost)),
            *(
                self.fetch(whole, days, kind=FailureKind.REJECTED)
                for days in intersect([whole], lost)
            ),
        )
        runs.add_to_counters(
            self.user_id,
            whole.run,
            self.now,
            created=outcome.created,
            updated=outcome.updated,
            healed=outcome.healed,
            revised=outcome.revised,
        )
        self.raise_version("ledger_version")

    def fetch(self, whole: Whole, days: Days, kind: str = "") -> Fetch:
        return Fetch(
            user_id=self.user_id,
            type=self.type,
            start=days.start,
            end=days.end,
            complete=not kind,
            kind=kind,
            asked_at=self.fetched_at,
            run=whole.run,
            pages=whole.pages,
            documents=whole.documents,
        )

    def lock(self) -> None:
        """One writer at a time for a person and type, so decisions hold until the commit.

        Whoever needs several takes them in the registry's order.
        """
        lock_person(f"ingest:{self.type}", self.user_id)

    def hold_origin(
        self, origin: str | None, owner: str | None, *, stored: bool, complete: bool
    ) -> None:
        """Refuse data of another origin or owner than the account's.

        The first data that are stored fix the origin. The first owner that comes with data, or
        with a complete range, is the account's.
        """
        if not origin and not owner:
            return
        known = {}
        if origin and (stored or (owner and complete)):
            known["name"] = origin
        if owner and (stored or complete):
            known["owner"] = owner
        account = Origin.objects.filter(pk=self.user_id)
        held = account.first()
        if held is None and known:
            created = Origin(user_id=self.user_id, **known)
            Origin.objects.bulk_create([created], ignore_conflicts=True)
            held = account.first()
        missing = {name: value for name, value in known.items() if not getattr(held, name)}
        if missing:
            # Another type's writer may be setting it as well: then this one waits, and is second.
            for name, value in missing.items():
                account.filter(**{name: ""}).update(**{name: value})
            held = account.first()
        if held and origin and held.name not in ("", origin):
            text = f"This account has {held} data, so {origin} data can't be added to it."
            raise Invalid({"origin": [text]}, code="other_origin")
        if held and owner and held.owner not in ("", owner):
            raise Invalid({"owner": [_OTHER_OWNER]}, code="other_owner")

    def write_rows(
        self, items: list[Item], outcome: Outcome
    ) -> tuple[dict[int, dict[str, list[str]]], list[Item]]:
        """Return the errors of refused documents by index, and the items whose days these are."""
        existing = self.existing(items)
        by_id = {row["oura_id"]: row for row in existing}
        by_day = {row["day"]: row for row in existing if row["user_id"] == self.user_id}
        refused: dict[int, dict[str, list[str]]] = {}
        mine = []
        for item in items:
            holder = by_id.get(item.document.id)
            if holder and holder["user_id"] != self.user_id:
                refused[item.index] = {"id": [ANOTHERS]}
            else:
                mine.append(item)
        winners = last_wins(mine)
        outcome.unchanged += len(mine) - len(winners)
        newer = self.newer({item.document.day for item in winners} - by_day.keys())
        fresh = [
            item
            for item in winners
            if not self.stale(item, by_id, by_day)
            # A newer reading had nothing of the day.
            and item.document.day not in newer
        ]
        changed = [item for item in fresh if not self.same(item, by_day)]
        applied = {item.document.day for item in fresh}
        moved_from = {
            by_id[item.document.id]["day"]
            for item in changed
            if item.document.id in by_id and by_id[item.document.id]["day"] not in applied
        }
        known = {item.document.day for item in changed if item.document.day in by_day}
        created = {item.document.day for item in changed} - known
        outcome.healed += fetches.count_missed(self.user_id, self.type, created)
        if moved_from:
            outcome.revised += self.remove(moved_from)
            fetches.forget_days(self.user_id, self.type, moved_from)
        outcome.revised += self.keep([item for item in changed if item.document.day in known])
        self.upsert(changed)
        self.keep_sources(changed)
        same = [item for item in fresh if self.same(item, by_day)]
        unchanged = [by_day[item.document.day] for item in same]
        touched = self.touch([row["pk"] for row in unchanged])
        if touched and fetches.any_failed(
            self.user_id, self.type, (row["day"] for row in unchanged), self.fetched_at
        ):
            # What is stored is newer than that failure now.
            self.raise_version("ledger_version")
        updated = self.bring_up_to_date(same, by_day)
        outcome.updated += len(known)
        outcome.created += len(created)
        outcome.unchanged += len(winners) - len(changed)
        if changed or updated:
            self.raise_version()
        elif any(self.grew(item, by_day[item.document.day]["fetched_at"]) for item in same):
            self.raise_version("ledger_version")
        return refused, fresh

    def existing(self, items: list[Item]) -> list[dict[str, Any]]:
        days = [item.document.day for item in items]
        ids = [item.document.id for item in items]
        rows: Any = self.model.objects.filter(
            Q(user_id=self.user_id, day__in=days) | Q(oura_id__in=ids)
        ).values(
            "pk", "user_id", "oura_id", "day", "content_hash", "fetched_at", "missing_collection"
        )
        return list(rows)

    def newer(self, days: set[date]) -> set[date]:
        """Those of the days, which have no row, that were read whole since."""
        if not days:
            return set()
        held = fetches.complete_after(self.user_id, self.type, self.fetched_at)
        return {day for day in days if any(day in each.days for each in held)}

    def stale(
        self, item: Item, by_id: dict[str, dict[str, Any]], by_day: dict[date, dict[str, Any]]
    ) -> bool:
        rows = (by_day.get(item.document.day), by_id.get(item.document.id))
        return any(row and row["fetched_at"] > self.fetched_at for row in rows)

    def same(self, item: Item, by_day: dict[date, dict[str, Any]]) -> bool:
        row = by_day.get(item.document.day)
        return row is not None and bytes(row["content_hash"]) == item.content_hash

    def grew(self, item: Item, before: datetime) -> bool:
        """Return whether an unchanged day, last read `before`, tells of more time than then.

        Means leave out days that were not finished when they were fetched, and the ledger judges
        the ring by the time until then: their answers may change although the row does not.
        """
        over = over_at(item.document.day)
        if not self.model.metric_type.grows or before >= min(over, self.fetched_at):
            return False
        return item.document.source != NO_SOURCE or self.fetched_at >= over

    def keep(self, items: list[Item], why: str = Revision.Kind.CHANGED) -> int:
        """Keep what the items' days were; returns for how many there was something to keep."""
        if not items:
            return 0
        successors = {item.document.day: successor_of(self.model, item) for item in items}
        return revisions.save_revisions(self.model, self.user_id, successors, why=why, now=self.now)

    def remove(self, days: set[date], why: str = Revision.Kind.REMOVED) -> int:
        """Remove rows, and keep them as revisions; returns how many were kept."""
        if not days:
            return 0
        kept = revisions.save_revisions(
            self.model, self.user_id, dict.fromkeys(days), why=why, now=self.now
        )
        self.model.objects.filter(user_id=self.user_id, day__in=days).delete()
        MetricSource.objects.filter(user_id=self.user_id, type=self.type, day__in=days).delete()
        self.gone |= days
        return kept

    def upsert(self, items: list[Item], *, reread: bool = True) -> None:
        """Write rows; unless they were read anew, those that exist keep when they were read."""
        if not items:
            return
        names = ["oura_id", "day", *self.model.metric_type.column_names]
        meta = self.model._meta
        quoted = [connection.ops.quote_name(name) for name in names]
        types = [str(meta.get_field(name).db_type(connection)) for name in names]
        record = ", ".join(f"{name} {type_}" for name, type_ in zip(quoted, types, strict=True))
        columns = ", ".join(quoted)
        values = ", ".join(f"r.{name}" for name in quoted)
        every = [*quoted, "content_hash", "missing_collection", "updated_at"]
        every += ["fetched_at"] if reread else []
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in every if name != '"day"')
        body = orjson.dumps(
            [
                {
                    "row": orjson.Fragment(item.content),
                    "hash": item.content_hash.hex(),
                    "missing": item.missing_collection,
                }
                for item in items
            ]
        )
        # Ordered by id: two people's senders that meet in the unique index wait in one order.
        sql = f"""
            INSERT INTO {self.table}
                (user_id, {columns}, content_hash, missing_collection,
                 created_at, updated_at, fetched_at)
            SELECT %s, {values}, decode(e.hash, 'hex'), e.missing, %s, %s, %s
            FROM json_to_recordset(%s::json) AS e("row" json, hash text, missing text),
                 json_to_record(e."row") AS r({record})
            ORDER BY r.oura_id
            ON CONFLICT (user_id, day) DO UPDATE SET {changes}"""
        with connection.cursor() as cursor:
            cursor.execute(sql, [self.user_id, self.now, self.now, self.fetched_at, body.decode()])

    def keep_sources(self, items: list[Item]) -> None:
        bare = [item.document.day for item in items if not item.has_source]
        if bare:
            MetricSource.objects.filter(user_id=self.user_id, type=self.type, day__in=bare).delete()
        full = [item for item in items if item.has_source]
        if not full:
            return
        days = [item.document.day for item in full]
        contents = [zlib.compress(bytes(item.document.source), FAST) for item in full]
        provenances = [_json(item.provenance) for item in full]
        wear = [_json(item.wear) for item in full]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO metric_sources (user_id, type, day, content, provenance, wear)
                SELECT %s, %s, u.day, u.content, u.provenance, u.wear
                FROM unnest(%s::date[], %s::bytea[], %s::jsonb[], %s::jsonb[])
                    AS u(day, content, provenance, wear)
                ON CONFLICT (user_id, type, day)
                DO UPDATE SET content = EXCLUDED.content, provenance = EXCLUDED.provenance,
                    wear = EXCLUDED.wear""",
                [self.user_id, self.type, days, contents, provenances, wear],
            )

    def touch(self, ids: list[int]) -> int:
        """Bump fetched_at even if nothing changed, so a late older fetch is ignored.

        Returns the number of rows that were older.
        """
        older = self.model.objects.filter(pk__in=ids, fetched_at__lt=self.fetched_at)
        return older.update(fetched_at=self.fetched_at)

    def bring_up_to_date(self, items: list[Item], by_day: dict[date, dict[str, Any]]) -> int:
        """Backfill on unchanged rows what older versions did not write; return for how many."""
        rows = [(by_day[item.document.day], item) for item in items]
        return self.mark(
            [
                (row["pk"], item.content_hash, item.missing_collection)
                for row, item in rows
                if row["missing_collection"] != item.missing_collection
            ]
        ) + self.set_findings(items)

    def mark(self, rows: Sequence[tuple[int, bytes, str]]) -> int:
        """Set content hash and missing collection of rows by key, whose content stays."""
        # Django's bulk_update takes five times as long, and others wait.
        return self.update(MARK.format(table=self.table), rows)

    def set_findings(self, items: Iterable[Item]) -> int:
        """Set what the sources tell besides the columns, and return where that was different."""
        rows = [
            (item.document.day, _json(item.provenance), _json(item.wear))
            for item in items
            if item.has_source
        ]
        return self.update(SET_FINDINGS, rows, self.user_id, self.type)

    def set_warnings(self, warnings: Mapping[date, Warnings]) -> int:
        """Set the warnings of days that have a source, and return where they were different."""
        rows = [(day, _json(each)) for day, each in warnings.items()]
        return self.update(SET_WARNINGS, rows, self.user_id, self.type)

    def warnings(self, items: Iterable[Item]) -> dict[date, Warnings]:
        """Return the warnings of the items' days, and of stored days that these items affect.

        If two days have some time in common, the later one has a warning.
        """
        items = list(items)
        warnings = {item.document.day: item.warnings for item in items if item.has_source}
        written = {item.document.day for item in items}
        spans = {item.document.day: item.spans for item in items}
        if self.model.metric_type.has_spans:
            touched = written | self.gone
            later = {day + n * ONE_DAY for day in touched for n in _DAYS_OFF}
            earlier = {day - n * ONE_DAY for day in touched for n in _DAYS_OFF}
            stored = MetricSource.objects.filter(
                user_id=self.user_id, type=self.type, day__in=(later | earlier) - written
            )
            for source in stored.iterator():
                documents = source.documents
                if documents is None:
                    # It is damaged, so its warnings stay.
                    continue
                spans[source.day] = self.spans_of(documents)
                if source.day in later:
                    own = {name: texts for name, texts in source.warnings.items() if name != "day"}
                    warnings[source.day] = own
        for day in warnings:
            before = [day - n * ONE_DAY for n in _DAYS_OFF]
            if shared := [each for each in before if _overlap(spans[day], spans.get(each, []))]:
                texts = [f"Some of this sleep is stored under {each} as well." for each in shared]
                warnings[day] = {**warnings[day], "day": texts}
        return warnings

    def spans_of(self, documents: Any) -> list[Span]:
        return self.model.metric_type.spans_of(documents) if isinstance(documents, dict) else []

    def update(self, sql: str, rows: Sequence[tuple[Any, ...]], *more: Any) -> int:
        if not rows:
            return 0
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(sql, [*columns, *more])
            return int(cursor.rowcount)

    def raise_version(self, counter: str = "version") -> None:
        """Count on from the clock: neither deleting a person nor restoring a backup repeats one."""
        column = connection.ops.quote_name(counter)
        table = connection.ops.quote_name(Stream._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO {table} (user_id, type, {column})
                VALUES (%s, %s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
                ON CONFLICT (user_id, type) DO UPDATE
                SET {column} = greatest({table}.{column} + 1, EXCLUDED.{column})""",
                [self.user_id, self.type],
            )
