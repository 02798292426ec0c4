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
from ingest.changes import Changes, Request, Row, Stored, decide
from ingest.documents import Document, Errors, Rejected, parse, values_of
from ingest.models import Metric, Rederivation, unpack
from ingest.people import lock_person
from ingest.upsert import (
    ROW,
    WITH_SOURCE,
    apply,
    columns,
    complete_changes,
    to_row,
    values_from,
)
from metrics import MetricType
from myhealth.days import utc_date
from myhealth.postgresql.prepared import Statement, Transaction

# Days of one person in a transaction: a few megabytes, and ingest waits a fraction of a second.
BATCH_DAYS = 500

# Modules with code that every mapping uses, besides the type's own.
_USED_BY_MAPPINGS = (metrics.columns, metrics.moments, metrics.numbers)
_ID_TAKEN = "Its id belongs to another day or account."
_DAMAGED = "The stored documents are damaged."
# In the columns of `upsert.ROW`.
_ROW_LENGTH = 8

_DocumentLists = dict[str, list[dict[str, Any]]]


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
        """Re-derive the next days after a day; return the last of them, None if no more follow."""
        type_ = self.metric_type.name
        with transaction.atomic(), Transaction() as batch:
            lock_person(f"ingest:{type_}", user_id)
            sql = f"""
                SELECT {ROW}, s.content, {columns(self.metric_type)}
                FROM {self.model._meta.db_table} AS m {WITH_SOURCE}
                m.user_id = %s::bigint AND m.day > %s::date ORDER BY m.day LIMIT %s::bigint"""
            values = (type_, user_id, after, BATCH_DAYS)
            [found] = batch.execute(Statement(sql, values))
            if not found:
                return None
            rows, contents = [], {}
            for known in found:
                row = to_row(known[:_ROW_LENGTH])
                columns_ = values_from(self.metric_type, known[_ROW_LENGTH + 1 :])
                rows.append(row._replace(values=columns_))
                contents[row.day] = known[_ROW_LENGTH]
            decided = self.decide(user_id, rows, contents)
            saved = complete_changes(batch, self.model, decided)
            self.count(rows, decided)
            statements = [] if self.dry_run else apply(self.model, decided, saved)
            batch.execute(*statements, commit=True)
            last: date = rows[-1].day
            if self.position:
                self.position.user_id, self.position.day = user_id, last
                self.position.save()
        return last if len(rows) == BATCH_DAYS else None

    def decide(
        self, user_id: int, rows: Sequence[Row], contents: dict[date, bytes | None]
    ) -> Changes:
        now = timezone.now()
        results: dict[date, Document | None] = {}
        for row in rows:
            documents = self.documents(user_id, row.day, contents[row.day])
            if documents is None:
                continue
            result = self.derive(row.day, documents, today=utc_date(now))
            if isinstance(result, Rejected):
                self.refuse(user_id, row.day, result.errors)
            else:
                results[row.day] = result
        for day in self.days_with_taken_id(rows, results):
            self.refuse(user_id, day, {"id": [_ID_TAKEN]})
            del results[day]
        derived = [each for each in results.values() if each]
        removed = frozenset(day for day, each in results.items() if each is None)
        request = Request(self.metric_type, user_id, now, derived, removed=removed)
        return decide(request, Stored(rows))

    def documents(self, user_id: int, day: date, content: bytes | None) -> _DocumentLists | None:
        """Return a day's stored documents by collection; None if the mapping stored none.

        Damaged ones are refused.
        """
        collections = self.metric_type.collections
        stored = None if content is None else unpack(content)
        if content is not None and stored is None:
            self.refuse(user_id, day, {"source": [_DAMAGED]})
        elif isinstance(stored, dict) and collections[0] in stored:
            documents = {name: _as_list(stored.get(name)) for name in collections}
            if all(isinstance(each, dict) for listed in documents.values() for each in listed):
                return documents
            self.counts.without_source += 1
        else:
            self.counts.without_source += 1
        return None

    def derive(
        self, day: date, documents: _DocumentLists, *, today: date
    ) -> Document | Rejected | None:
        """Return a day's document, or why it can't be stored; None if the day gets no row."""
        try:
            mapped = self.metric_type.map(day.isoformat(), documents)
        except Exception as error:
            error.add_note(f"while deriving {self.metric_type.name} of {day}")
            raise
        if mapped is None:
            return None
        return parse(self.metric_type, orjson.dumps(mapped), today=today)

    def refuse(self, user_id: int, day: date, errors: Errors) -> None:
        errors = {name: [_without_value(text) for text in texts] for name, texts in errors.items()}
        self.counts.refused += 1
        self.on_refused(RefusedDay(self.metric_type.name, user_id, day, errors))

    def days_with_taken_id(
        self, rows: Sequence[Row], results: dict[date, Document | None]
    ) -> list[date]:
        """Return the days whose new id another row has, or another of these days gets as well."""
        new_ids = {
            row.day: document.id
            for row in rows
            if (document := results.get(row.day)) and document.id != row.oura_id
        }
        if not new_ids:
            return []
        removed = [row.id for row in rows if row.day in results and not results[row.day]]
        holders = self.model.objects.filter(oura_id__in=new_ids.values()).exclude(pk__in=removed)
        taken = set(holders.values_list("oura_id", flat=True))
        uses = Counter(new_ids.values())
        return [day for day, id_ in new_ids.items() if id_ in taken or uses[id_] > 1]

    def count(self, rows: Sequence[Row], decided: Changes) -> None:
        counts = self.counts
        counts.days += len(rows)
        counts.removed += len(decided.removed)
        counts.changed += len(decided.written)
        for each in decided.written:
            before, after = decided.before[each.day].values, values_of(self.metric_type, each)
            counts.columns.update(name for name in after if before and before[name] != after[name])
        marked = {id_ for id_, _, _ in decided.marked}
        counts.marked += sum(
            row.id in marked or row.day in decided.about_sources
            for row in rows
            if row.day not in {each.day for each in decided.written}
        )
