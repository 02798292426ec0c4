"""Re-derivation: all rows are computed again from their stored Oura documents.

So a fixed mapping applies to days of any age, without asking Oura. The documents never change, so
every later mapping starts from the same ones. Rows without documents from Oura are skipped.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

import metrics.base
import metrics.columns
import metrics.moments
import metrics.numbers
from ingest.documents import Refused, read
from ingest.models import Metric, MetricSource, Rederivation, Revision
from ingest.upsert import Item, Warnings, Writer, item_of
from metrics import MetricType
from myhealth.days import utc_date

# Days of one person in a transaction: a few megabytes, and ingest waits a fraction of a second.
BATCH_DAYS = 500

# Modules with code that every mapping uses, besides the type's own.
_USED_BY_MAPPINGS = (metrics.columns, metrics.moments, metrics.numbers)
_ID_TAKEN = "Its id belongs to another day or account."
_DAMAGED = "The stored documents are damaged."
_REMAPPED = Revision.Kind.REMAPPED

_DocumentLists = dict[str, list[dict[str, Any]]]
# A row's key, content hash, and missing collection.
_Metadata = tuple[int, bytes, str]


@dataclass
class DayCounts:
    """Numbers of days; in `marked` ones, only what is known about the row changed."""

    days: int = 0
    changed: int = 0
    removed: int = 0
    marked: int = 0
    refused: int = 0
    without_source: int = 0
    columns: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class RefusedDay:
    """A day whose row can't be computed; `errors` has each field's messages, without values."""

    type: str
    user_id: int
    day: date
    errors: dict[str, list[str]]


@dataclass
class _Changes:
    """The changes to the rows of one batch."""

    changed: list[Item] = field(default_factory=list)
    removed: set[date] = field(default_factory=set)
    metadata: list[_Metadata] = field(default_factory=list)
    findings: list[Item] = field(default_factory=list)
    warnings: dict[date, Warnings] = field(default_factory=dict)


def rederive(
    model: type[Metric],
    *,
    on_refused: Callable[[RefusedDay], None],
    user_id: int | None = None,
    dry_run: bool = False,
    restart: bool = False,
) -> DayCounts:
    """Compute the rows of a type again, of one account or of all, and return the counts.

    A row that can't be computed stays as it is, and `on_refused` is called with its day. For all
    accounts, an interrupted re-derivation with the same mapping is continued, unless `restart`.
    Exceptions of the mapping propagate, with a note that names the day.
    """
    position = None
    if user_id is None and not dry_run:
        position = _start_position(model, restart=restart)
    work = _Rederiver(model, on_refused, position, dry_run=dry_run)
    first = position.user_id if position else 0
    for each in [user_id] if user_id is not None else _user_ids(model, first):
        work.rederive_person(each)
    if position:
        Rederivation.objects.filter(pk=model.metric_type.name).delete()
    return work.counts


def _start_position(model: type[Metric], *, restart: bool) -> Rederivation:
    """Return where the same mapping was interrupted, or else a position before all rows."""
    if restart:
        Rederivation.objects.filter(pk=model.metric_type.name).delete()
    name, mapping = model.metric_type.name, mapping_fingerprint(model.metric_type)
    interrupted = Rederivation.objects.filter(pk=name, mapping=mapping).first()
    return interrupted or Rederivation(type=name, mapping=mapping, user_id=0, day=date.min)


def mapping_fingerprint(metric_type: MetricType) -> str:
    """Return a hash of the code that computes the rows of a type."""
    files = {inspect.getfile(each) for each in type(metric_type).__mro__[:-1]}
    files |= {inspect.getfile(each) for each in _USED_BY_MAPPINGS}
    code = b"".join(Path(name).read_bytes() for name in sorted(files))
    return hashlib.blake2b(code, digest_size=16).hexdigest()


def _user_ids(model: type[Metric], first: int) -> Iterator[int]:
    """Yield the accounts that have rows, by id; one query each, since there may be many."""
    user_ids = model.objects.order_by("user_id").values_list("user_id", flat=True)
    while (user_id := user_ids.filter(user_id__gte=first).first()) is not None:
        yield user_id
        first = user_id + 1


def _stored_documents(model: type[Metric], source: MetricSource | None) -> _DocumentLists | None:
    """Return the stored documents by collection, or None if the mapping did not store them.

    Raises Refused if they are damaged.
    """
    collections = model.metric_type.collections
    stored = source.documents if source else None
    if source and stored is None:
        raise Refused({"source": [_DAMAGED]})
    if not isinstance(stored, dict) or collections[0] not in stored:
        return None
    documents = {name: _as_list(stored.get(name)) for name in collections}
    valid = all(isinstance(each, dict) for listed in documents.values() for each in listed)
    return documents if valid else None


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _without_value(message: str) -> str:
    """Return a message without the value that it quotes, for the log."""
    return message.rpartition(" is not valid; ")[2]


class _Rederiver:
    """Re-derives the rows of one type. Each batch saves `position`, if there is one."""

    def __init__(
        self,
        model: type[Metric],
        on_refused: Callable[[RefusedDay], None],
        position: Rederivation | None,
        *,
        dry_run: bool,
    ) -> None:
        self.model = model
        self.metric_type = model.metric_type
        self.on_refused = on_refused
        self.position = position
        self.dry_run = dry_run
        self.counts = DayCounts()

    def rederive_person(self, user_id: int) -> None:
        resumed = self.position and self.position.user_id == user_id
        last: date | None = self.position.day if self.position and resumed else date.min
        while last is not None:
            last = self.rederive_batch(user_id, last)

    def rederive_batch(self, user_id: int, after: date) -> date | None:
        """Re-derive the next days after a day; return the last of them, or None without any."""
        now = timezone.now()
        with transaction.atomic():
            writer = Writer(self.model, user_id, now, now)
            writer.lock()
            rows = self.rows_after(user_id, after)
            if not rows:
                return None
            changes = self.changes(writer, rows)
            if not self.dry_run:
                self.write(writer, changes)
            last: date = rows[-1]["day"]
            if self.position:
                self.position.user_id, self.position.day = user_id, last
                self.position.save()
        return last

    def rows_after(self, user_id: int, after: date) -> list[dict[str, Any]]:
        names = ("pk", "day", "content_hash", "missing_collection", "oura_id")
        rows = self.model.objects.of(user_id).filter(day__gt=after).order_by("day")
        return list(rows.values(*names, *self.metric_type.column_names)[:BATCH_DAYS])

    def changes(self, writer: Writer, rows: Sequence[dict[str, Any]]) -> _Changes:
        days = (rows[0]["day"], rows[-1]["day"])
        stored = MetricSource.objects.filter(user_id=writer.user_id, type=self.metric_type.name)
        sources = {source.day: source for source in stored.filter(day__range=days)}
        items = self.items(writer, rows, sources)
        changes = _Changes(removed={day for day, item in items.items() if item is None})
        for day in self.days_with_taken_id(rows, items):
            self.refuse(writer, day, {"id": [_ID_TAKEN]})
            del items[day]
        writer.gone = set(changes.removed)
        changes.warnings = writer.warnings(item for item in items.values() if item)
        for row in rows:
            if item := items.get(row["day"]):
                self.compare(row, sources[row["day"]], item, changes)
        self.counts.days += len(rows)
        self.counts.removed += len(changes.removed)
        return changes

    def items(
        self,
        writer: Writer,
        rows: Sequence[dict[str, Any]],
        sources: dict[date, MetricSource],
    ) -> dict[date, Item | None]:
        """Return the computed item of each day, None if the day gets no row.

        Days without documents from Oura and refused days are left out.
        """
        items = {}
        for day in (row["day"] for row in rows):
            try:
                documents = _stored_documents(self.model, sources.get(day))
                if documents is None:
                    self.counts.without_source += 1
                    continue
                items[day] = self.item(day, documents, today=utc_date(writer.now))
            except Refused as error:
                self.refuse(writer, day, error.errors)
        return items

    def item(self, day: date, documents: _DocumentLists, *, today: date) -> Item | None:
        try:
            mapped = self.metric_type.map(day.isoformat(), documents)
        except Exception as error:
            error.add_note(f"while deriving {self.metric_type.name} of {day}")
            raise
        if mapped is None:
            return None
        return item_of(self.model, 0, read(self.metric_type, orjson.dumps(mapped), today=today))

    def refuse(self, writer: Writer, day: date, errors: dict[str, list[str]]) -> None:
        errors = {name: [_without_value(text) for text in texts] for name, texts in errors.items()}
        self.counts.refused += 1
        self.on_refused(RefusedDay(self.metric_type.name, writer.user_id, day, errors))

    def days_with_taken_id(
        self, rows: Sequence[dict[str, Any]], items: dict[date, Item | None]
    ) -> list[date]:
        """Return the days whose new id another row has, or another of these days gets as well."""
        new_ids = {
            row["day"]: item.document.id
            for row in rows
            if (item := items.get(row["day"])) and item.document.id != row["oura_id"]
        }
        if not new_ids:
            return []
        removed = [row["pk"] for row in rows if row["day"] in items and not items[row["day"]]]
        holders = self.model.objects.filter(oura_id__in=new_ids.values()).exclude(pk__in=removed)
        taken = set(holders.values_list("oura_id", flat=True))
        uses = Counter(new_ids.values())
        return [day for day, id_ in new_ids.items() if id_ in taken or uses[id_] > 1]

    def compare(
        self, row: dict[str, Any], source: MetricSource, item: Item, changes: _Changes
    ) -> None:
        """Add to the changes, and to the counts, how a row and its source differ from its item."""
        content = orjson.loads(item.content)
        names = ("oura_id", *self.metric_type.column_names)
        columns = [name for name in names if row[name] != content.get(name)]
        before = (row["pk"], bytes(row["content_hash"]), row["missing_collection"])
        metadata = (row["pk"], item.content_hash, item.missing_collection)
        same_findings = (item.provenance, item.wear) == (source.provenance, source.wear)
        same_warnings = changes.warnings[source.day] == source.warnings
        if columns:
            changes.changed.append(item)
        elif metadata != before:
            changes.metadata.append(metadata)
        if not same_findings:
            changes.findings.append(item)
        if same_warnings:
            del changes.warnings[source.day]
        self.counts.columns.update(columns)
        self.counts.changed += bool(columns)
        same = metadata == before and same_findings and same_warnings
        self.counts.marked += not columns and not same

    def write(self, writer: Writer, changes: _Changes) -> None:
        """Write a batch as ingest does; the writer's lock is held."""
        writer.remove(changes.removed, why=_REMAPPED)
        writer.keep(changes.changed, why=_REMAPPED)
        writer.upsert(changes.changed, reread=False)
        writer.mark(changes.metadata)
        writer.set_findings(changes.findings)
        warned = writer.set_warnings(changes.warnings)
        if changes.changed or changes.removed or changes.metadata or changes.findings or warned:
            writer.raise_version()
