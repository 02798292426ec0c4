"""Rows derived anew from the Oura documents kept with them, so that a mended mapping holds for all.

Oura is not asked, and the kept documents stay as they are: whatever a mapping makes of them, the
next one can be made from the same. Rows without documents of Oura's are left alone.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

import metrics.base
import metrics.columns
import metrics.numbers
from ingest.documents import Refused, read
from ingest.models import Metric, MetricSource, Rederivation, Revision
from ingest.upsert import Item, Writer, item_of
from metrics import MetricType

# Days of one person in a transaction: a few megabytes, and ingest waits a fraction of a second.
BATCH = 500
TAKEN = "It belongs to another day or account."
REMAPPED = Revision.Kind.REMAPPED

Row = dict[str, Any]
Documents = dict[str, list[dict[str, Any]]]
# A row's key, content hash, and missing collection.
Marks = tuple[int, bytes, str]


@dataclass
class Tally:
    """Numbers of days. `marked`: only what is known about the row was brought up to date."""

    days: int = 0
    changed: int = 0
    removed: int = 0
    marked: int = 0
    refused: int = 0
    without_source: int = 0
    columns: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Refusal:
    """A day that can't be derived anew; `errors` has each field's messages, without the values."""

    type: str
    user_id: int
    day: date
    errors: dict[str, list[str]]


@dataclass
class Derived:
    """What a batch is to become."""

    changed: list[Item] = field(default_factory=list)
    removed: set[date] = field(default_factory=set)
    marked: list[Marks] = field(default_factory=list)
    provenance: list[tuple[date, dict[str, str]]] = field(default_factory=list)


def rederive(
    model: type[Metric],
    *,
    tell: Callable[[Refusal], None],
    user_id: int | None = None,
    dry_run: bool = False,
    restart: bool = False,
) -> Tally:
    """Derive a type's rows anew, one person's or everybody's; a refused day is told, and stays.

    Everybody's goes on where the last one by the same mapping was cut off, unless `restart`.
    Whatever a mapping raises passes through, with a note of the day.
    """
    position = None if dry_run or user_id is not None else begin(model, restart=restart)
    work = Rederiver(model, tell, position, dry_run=dry_run)
    first = position.user_id if position else 0
    for person in [user_id] if user_id is not None else people(model, first):
        work.person(person)
    if position:
        Rederivation.objects.filter(pk=model.metric_type.name).delete()
    return work.tally


def begin(model: type[Metric], *, restart: bool) -> Rederivation:
    """Where to begin: after the last batch of the same mapping, or before everybody."""
    if restart:
        Rederivation.objects.filter(pk=model.metric_type.name).delete()
    name, mapping = model.metric_type.name, fingerprint(model.metric_type)
    held = Rederivation.objects.filter(pk=name, mapping=mapping).first()
    return held or Rederivation(type=name, mapping=mapping, user_id=0, day=date.min)


def fingerprint(metric_type: MetricType) -> str:
    """A hash of the code that decides what rows a type's documents make."""
    files = {inspect.getfile(each) for each in type(metric_type).__mro__[:-1]}
    files |= {inspect.getfile(each) for each in (metrics.columns, metrics.numbers)}
    code = b"".join(Path(name).read_bytes() for name in sorted(files))
    return hashlib.blake2b(code, digest_size=16).hexdigest()


def people(model: type[Metric], first: int) -> Iterator[int]:
    """Who holds days, in the order of their ids; asked one by one, since they may be many."""
    held = model.objects.order_by("user_id").values_list("user_id", flat=True)
    while (person := held.filter(user_id__gte=first).first()) is not None:
        yield person
        first = person + 1


def documents_of(model: type[Metric], source: MetricSource | None) -> Documents | None:
    """The kept documents by collection; None without any that the mapping could have kept."""
    collections = model.metric_type.collections
    kept = source.documents if source else None
    if not isinstance(kept, dict) or collections[0] not in kept:
        return None
    found = {name: listed(kept.get(name)) for name in collections}
    every = [document for documents in found.values() for document in documents]
    return found if all(isinstance(each, dict) for each in every) else None


def listed(kept: Any) -> list[Any]:
    return [] if kept is None else kept if isinstance(kept, list) else [kept]


def unquoted(text: str) -> str:
    """A message without the value that it quotes, for the log."""
    return text.rpartition(" is not valid; ")[2]


class Rederiver:
    """One type's work. `position` is kept with each batch, if there is one."""

    def __init__(
        self,
        model: type[Metric],
        tell: Callable[[Refusal], None],
        position: Rederivation | None,
        *,
        dry_run: bool,
    ) -> None:
        self.model = model
        self.metric_type = model.metric_type
        self.tell = tell
        self.position = position
        self.dry_run = dry_run
        self.tally = Tally()

    def person(self, user_id: int) -> None:
        begun = self.position and self.position.user_id == user_id
        last = self.position.day if self.position and begun else date.min
        while (done := self.batch(user_id, last)) is not None:
            last = done

    def batch(self, user_id: int, after: date) -> date | None:
        """Derive the next days after one; returns the last of them, None when there are none."""
        now = timezone.now()
        with transaction.atomic():
            writer = Writer(self.model, user_id, now, now)
            writer.lock()
            rows = self.rows_after(user_id, after)
            if not rows:
                return None
            derived = self.derive(writer, rows)
            if not self.dry_run:
                self.write(writer, derived)
            last: date = rows[-1]["day"]
            if self.position:
                self.position.user_id, self.position.day = user_id, last
                self.position.save()
        return last

    def rows_after(self, user_id: int, after: date) -> list[Row]:
        held = self.model.objects.of(user_id).filter(day__gt=after)
        names = ("pk", "day", "content_hash", "missing_collection", "oura_id")
        rows = held.order_by("day").values(*names, *self.metric_type.column_names)
        return list(rows[:BATCH])

    def derive(self, writer: Writer, rows: Sequence[Row]) -> Derived:
        days = (rows[0]["day"], rows[-1]["day"])
        kept = MetricSource.objects.filter(user_id=writer.user_id, type=self.metric_type.name)
        sources = {source.day: source for source in kept.filter(day__range=days)}
        derived, items = Derived(), self.items(writer, rows, sources)
        derived.removed = {day for day, item in items.items() if item is None}
        for day in self.taken(rows, items):
            self.refuse(writer, day, {"id": [TAKEN]})
            del items[day]
        for row in rows:
            if item := items.get(row["day"]):
                self.compare(row, sources[row["day"]], item, derived)
        self.tally.days += len(rows)
        self.tally.removed += len(derived.removed)
        return derived

    def items(
        self, writer: Writer, rows: Sequence[Row], sources: dict[date, MetricSource]
    ) -> dict[date, Item | None]:
        """What each day's documents make, None for no row; without the days that are left alone."""
        items = {}
        for day in (row["day"] for row in rows):
            documents = documents_of(self.model, sources.get(day))
            if documents is None:
                self.tally.without_source += 1
                continue
            try:
                items[day] = self.item(day, documents, today=writer.now.astimezone(UTC).date())
            except Refused as error:
                self.refuse(writer, day, error.errors)
        return items

    def item(self, day: date, documents: Documents, *, today: date) -> Item | None:
        try:
            mapped = self.metric_type.map(day.isoformat(), documents)
        except Exception as error:
            error.add_note(f"while deriving {self.metric_type.name} of {day}")
            raise
        if mapped is None:
            return None
        return item_of(self.model, 0, read(self.metric_type, orjson.dumps(mapped), today=today))

    def refuse(self, writer: Writer, day: date, errors: dict[str, list[str]]) -> None:
        told = {name: [unquoted(text) for text in texts] for name, texts in errors.items()}
        self.tally.refused += 1
        self.tell(Refusal(self.metric_type.name, writer.user_id, day, told))

    def taken(self, rows: Sequence[Row], items: dict[date, Item | None]) -> list[date]:
        """The days that would get an id which another row has, or another of them gets."""
        ids = {
            row["day"]: item.document.id
            for row in rows
            if (item := items.get(row["day"])) and item.document.id != row["oura_id"]
        }
        if not ids:
            return []
        going = [row["pk"] for row in rows if row["day"] in items and not items[row["day"]]]
        held = self.model.objects.filter(oura_id__in=ids.values())
        taken = set(held.exclude(pk__in=going).values_list("oura_id", flat=True))
        wanted = Counter(ids.values())
        return [day for day, id_ in ids.items() if id_ in taken or wanted[id_] > 1]

    def compare(self, row: Row, source: MetricSource, item: Item, derived: Derived) -> None:
        """Record what differs between a row with its source, and what they are to be."""
        after = orjson.loads(item.content)
        names = ("oura_id", *self.metric_type.column_names)
        columns = [name for name in names if row[name] != after[name]]
        marks = (row["pk"], item.content_hash, item.missing_collection)
        same_marks = marks == (row["pk"], bytes(row["content_hash"]), row["missing_collection"])
        same_provenance = item.provenance == source.provenance
        if columns:
            derived.changed.append(item)
        elif not same_marks:
            derived.marked.append(marks)
        if not same_provenance:
            derived.provenance.append((row["day"], item.provenance))
        self.tally.columns.update(columns)
        self.tally.changed += bool(columns)
        self.tally.marked += not columns and not (same_marks and same_provenance)

    def write(self, writer: Writer, derived: Derived) -> None:
        """Write a batch as ingest does; the lock is held."""
        writer.remove(derived.removed, why=REMAPPED)
        writer.keep(derived.changed, why=REMAPPED)
        writer.upsert(derived.changed, reread=False)
        writer.mark(derived.marked)
        writer.set_provenance(derived.provenance)
        if derived != Derived():
            writer.raise_version()
