"""What a request changes, decided from its documents and from what is stored.

Pure: no database. The same decisions are made of documents that are sent, and of those that are
derived again from stored sources.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from ingest import fetches, rejections
from ingest.documents import Document, Errors, Rejected, values_of
from ingest.fetches import FetchedDays
from ingest.rejections import RejectionChanges
from metrics import MetricType
from metrics.series import Span
from myhealth.days import ONE_DAY, Days, from_days, intersect, over_at, subtract
from myhealth.postgresql.prepared import Rows
from myhealth.states import FailureKind

ANOTHERS = "It belongs to another account."
# Oura may file the same night under another day, which is at most so many days off.
_DAYS_OFF = (1, 2)
# Documents that are derived again are never outdated.
_ALWAYS = datetime.max.replace(tzinfo=UTC)


class Row(NamedTuple):
    """A stored row, as far as it is needed to decide.

    `about_source` has the provenance, the wear and the warnings of the stored source, if there is
    one. `values` are needed only if rows are compared by their columns, not by their hash.
    """

    id: int
    user_id: int
    oura_id: str
    day: date
    content_hash: bytes
    missing_collection: str
    fetched_at: datetime
    about_source: list[Any] | None = None
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CompleteRange(Days):
    """Days that a run has fetched to the last page; `pages` and `documents` are Oura's."""

    run: str = ""
    pages: int | None = None
    documents: int | None = None


@dataclass(frozen=True)
class Request:
    """Documents of one person and type, in the order in which they were sent.

    They were fetched at `fetched_at`; None if they are derived from what is stored: then rows keep
    when they were fetched, and `removed` are the days that get no row. With `complete`, they are
    all that Oura has of that range.
    """

    metric_type: MetricType
    user_id: int
    now: datetime
    documents: Sequence[Document] = ()
    rejected: Sequence[Rejected] = ()
    fetched_at: datetime | None = None
    complete: CompleteRange | None = None
    removed: frozenset[date] = frozenset()

    @property
    def may_share_lock(self) -> bool:
        """Whether it may only add rows, besides others that do so.

        A source may have time in common with days that others add.
        """
        only = self.documents[0] if len(self.documents) == 1 else None
        alone = only is not None and only.source is None
        return alone and not self.rejected and not self.complete

    @property
    def covers(self) -> CompleteRange | None:
        """The range in which what is stored otherwise is no longer at Oura.

        There is none if a rejected document has no day: it may be of any.
        """
        return None if any(each.day is None for each in self.rejected) else self.complete


@dataclass(frozen=True)
class Stored:
    """What is stored of a person and type, as far as a request may change it.

    `rows` are those of its days, of its ids (also other people's) and of its complete range.
    `rejections` are rows of `rejections.select`.
    """

    rows: Sequence[Row]
    fetches: Sequence[FetchedDays] = ()
    rejections: Rows = ()  # type: ignore[assignment]


@dataclass
class Changes:
    """The changes that a request makes.

    `written` are documents whose rows are created, or updated if they are in `before`; `removed`
    rows go. `refetched` rows are the same, but were fetched again; `marked` ones get another
    content hash and missing collection. `replaced` has the days that were final, with the documents
    that replace them. `fresh` are the documents that are stored now, whether changed or not.
    """

    request: Request
    before: dict[date, Row]
    fresh: list[Document]
    written: list[Document]
    rejected: list[Rejected]
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    healed: int = 0
    removed: set[date] = field(default_factory=set)
    refetched: list[int] = field(default_factory=list)
    marked: list[tuple[int, bytes, str]] = field(default_factory=list)
    replaced: dict[date, Document | None] = field(default_factory=dict)
    # The fetches that are recorded, and those that shall be, if others.
    recorded: Sequence[FetchedDays] = ()
    fetches: list[FetchedDays] | None = None
    rejections: RejectionChanges = field(default_factory=RejectionChanges)
    # Of sources that stay: their provenance, wear and warnings, where these change.
    about_sources: dict[date, list[Any]] = field(default_factory=dict)
    warnings: dict[date, Errors] = field(default_factory=dict)
    changes_ledger: bool = False

    @property
    def only_add_rows(self) -> bool:
        """Whether these are changes that others may make at the same time."""
        others = (self.removed, self.updated, self.marked, self.about_sources)
        return not any((*others, self.rejected, self.rejections.deleted, self.fetches is not None))

    @property
    def changes_rows(self) -> bool:
        return bool(self.written or self.removed or self.marked or self.about_sources)


def decide(request: Request, stored: Stored) -> Changes:
    """Return what the request changes; `describe_sources` completes it."""
    at = request.fetched_at or _ALWAYS
    by_id = {row.oura_id: row for row in stored.rows}
    by_day = {row.day: row for row in stored.rows if row.user_id == request.user_id}
    mine, refused = _by_owner(request, by_id)
    later = [each for each in stored.fetches if each.complete and each.asked_at > at]
    fresh, written, same = list[Document](), list[Document](), list[tuple[Document, Row]]()
    for each in last_wins(mine):
        row, holder = by_day.get(each.day), by_id.get(each.id)
        if row is None and any(each.day in fetch for fetch in later):
            # A newer fetch had nothing of the day.
            continue
        if (row and row.fetched_at > at) or (holder and holder.fetched_at > at):
            continue
        fresh.append(each)
        if row and _is_same(request.metric_type, each, row):
            same.append((each, row))
        else:
            written.append(each)
    rejected = sorted([*request.rejected, *refused], key=lambda each: each.index)
    changes = Changes(request, by_day, fresh, written, rejected)
    changes.updated = sum(each.day in by_day for each in written)
    changes.created = len(written) - changes.updated
    changes.unchanged = len(mine) - len(written)
    moved = _moved_from(changes, by_id)
    changes.removed = moved | request.removed | _absent(changes, at)
    changes.replaced = _replaced(changes)
    changes.marked = [
        (row.id, each.content_hash, each.missing_collection)
        for each, row in same
        if (each.content_hash, each.missing_collection)
        != (row.content_hash, row.missing_collection)
    ]
    if request.fetched_at is not None:
        _decide_fetches(changes, at, stored, same, moved)
        changes.rejections = rejections.decide(stored.rejections, mine, rejected)
        if rejected or changes.rejections.deleted:
            changes.changes_ledger = True
    return changes


def _by_owner(
    request: Request, by_id: Mapping[str, Row]
) -> tuple[Sequence[Document], list[Rejected]]:
    """Return the documents, and those refused because their id belongs to another account."""
    others = {id_ for id_, row in by_id.items() if row.user_id != request.user_id}
    if not others:
        return request.documents, []
    refused = [
        Rejected(each.index, {"id": [ANOTHERS]}, each.id, str(each.day))
        for each in request.documents
        if each.id in others
    ]
    return [each for each in request.documents if each.id not in others], refused


def last_wins(documents: Sequence[Document]) -> list[Document]:
    """The last document of a day, and of an id, wins; one that lost displaces no other."""
    days, ids, winners = set(), set(), []
    for each in reversed(documents):
        if each.day not in days and each.id not in ids:
            days.add(each.day)
            ids.add(each.id)
            winners.append(each)
    return winners[::-1]


def _is_same(metric_type: MetricType, document: Document, row: Row) -> bool:
    if row.values is None:
        return document.content_hash == row.content_hash
    return values_of(metric_type, document) == row.values


def _moved_from(changes: Changes, by_id: Mapping[str, Row]) -> set[date]:
    """Return the days whose id moves to another day, and that get no other document."""
    stored = {each.day for each in changes.fresh}
    rows = (by_id.get(each.id) for each in changes.written)
    return {row.day for row in rows if row and row.day not in stored}


def _absent(changes: Changes, at: datetime) -> set[date]:
    """Return the days of the complete range whose rows are no longer at Oura."""
    request = changes.request
    if (days := request.covers) is None:
        return set()
    named = {each.day for each in request.documents} | {each.day for each in request.rejected}
    rows = (row for row in changes.before.values() if row.day in days and row.fetched_at <= at)
    return {row.day for row in rows} - named


def _replaced(changes: Changes) -> dict[date, Document | None]:
    """Return the days that get another row, or none, and whose row was final.

    A row that was fetched before its day was over was not, unless it is removed afterwards.
    """
    replaced: dict[date, Document | None] = dict.fromkeys(changes.removed)
    replaced |= {each.day: each for each in changes.written if each.day in changes.before}
    return {
        day: document
        for day, document in replaced.items()
        if changes.before[day].fetched_at >= over_at(day)
        or (document is None and changes.request.now >= over_at(day))
    }


def _decide_fetches(
    changes: Changes,
    fetched_at: datetime,
    stored: Stored,
    same: Sequence[tuple[Document, Row]],
    moved: Collection[date],
) -> None:
    """Decide what the request changes about fetches, and what the ledger makes of it."""
    request, recorded = changes.request, list(stored.fetches)
    changes.recorded = stored.fetches
    created = {each.day for each in changes.written} - changes.before.keys()
    changes.healed = fetches.count_missed(recorded, created)
    refetched = [(each, row) for each, row in same if row.fetched_at < fetched_at]
    changes.refetched = [row.id for _, row in refetched]
    failed = [each for each in recorded if not each.complete and each.asked_at <= fetched_at]
    changes.changes_ledger = any(
        # What is stored is newer than that failure now.
        any(row.day in fetch for fetch in failed)
        or _grew(request.metric_type, each, row.fetched_at, fetched_at)
        for each, row in refetched
    )
    if moved:
        complete = fetches.without_days([f for f in recorded if f.complete], from_days(moved))
        recorded = [*complete, *(each for each in recorded if not each.complete)]
        changes.fetches = recorded
    if request.complete:
        new = _fetches(request.complete, fetched_at, changes.rejected)
        changes.fetches = fetches.record(recorded, *new)
        changes.changes_ledger = True


def _grew(
    metric_type: MetricType, document: Document, before: datetime, fetched_at: datetime
) -> bool:
    """Return whether an unchanged day, last fetched `before`, has more time than then.

    Means leave out days that were not finished when they were fetched, and the ledger judges the
    ring by the time until then: their answers may change although the row does not.
    """
    over = over_at(document.day)
    if not metric_type.grows or before >= min(over, fetched_at):
        return False
    return document.source is not None or fetched_at >= over


def _fetches(
    complete: CompleteRange, asked_at: datetime, rejected: Sequence[Rejected]
) -> Iterable[FetchedDays]:
    """Yield the fetches that a complete range was.

    Days whose document was rejected are failed: that must not be forgotten with the document.
    """
    days = {each.day for each in rejected}
    # One without a day may be of any.
    lost = [complete] if None in days else from_days(day for day in days if day)
    details = (asked_at, complete.run, complete.pages, complete.documents)
    for each in subtract([complete], lost):
        yield FetchedDays(each.start, each.end, True, *details)
    for each in intersect([complete], lost):
        yield FetchedDays(each.start, each.end, False, *details, kind=FailureKind.REJECTED.value)


# Sources ------------------------------------------------------------------------------------------


class Neighbour(NamedTuple):
    """The stored source of a day around those that change."""

    day: date
    spans: Sequence[Span]
    about_source: list[Any]


def neighbours(changes: Changes) -> set[date]:
    """Return the days whose stored sources `describe_sources` needs."""
    touched = _days_with_other_spans(changes)
    around = {day + n * ONE_DAY for day in touched for n in (*_DAYS_OFF, *(-n for n in _DAYS_OFF))}
    return around - {each.day for each in changes.fresh} - changes.removed


def _days_with_other_spans(changes: Changes) -> set[date]:
    """Return the days that may have other spans of time than before; only sources have any."""
    if not changes.request.metric_type.has_spans:
        return set()
    had_source = {day for day, row in changes.before.items() if row.about_source is not None}
    days = {each.day for each in changes.fresh if each.source or each.day in had_source}
    return days | (changes.removed & had_source)


def describe_sources(changes: Changes, around: Iterable[Neighbour]) -> None:
    """Set the warnings of the documents, and what changes about sources that stay.

    If two days have some time in common, the later one has a warning.
    """
    around = list(around)
    spans: dict[date, Sequence[Span]] = {each.day: each.spans for each in changes.fresh}
    spans |= {each.day: each.spans for each in around}
    # The sources of these are replaced.
    written = {each.day for each in changes.written if changes.request.fetched_at is not None}
    for each in changes.fresh:
        if each.source is None:
            continue
        warnings = changes.warnings[each.day] = _with_shared_time(each.day, each.warnings, spans)
        row, about = changes.before.get(each.day), [each.provenance, each.wear, warnings]
        if row and row.about_source not in (None, about) and each.day not in written:
            changes.about_sources[each.day] = about
    later = {day + n * ONE_DAY for day in _days_with_other_spans(changes) for n in _DAYS_OFF}
    for day, _, (provenance, wear, stored) in around:
        own = {name: texts for name, texts in stored.items() if name != "day"}
        warnings = _with_shared_time(day, own, spans)
        if day in later and warnings != stored:
            changes.about_sources[day] = [provenance, wear, warnings]


def _with_shared_time(day: date, warnings: Errors, spans: Mapping[date, Sequence[Span]]) -> Errors:
    if not spans[day]:
        return warnings
    before = [day - n * ONE_DAY for n in _DAYS_OFF]
    shared = [each for each in before if _overlap(spans[day], spans.get(each, ()))]
    texts = [f"Some of this sleep is also stored under {each}." for each in shared]
    return {**warnings, "day": texts} if texts else warnings


def _overlap(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(start < last and first < end for start, end in spans for first, last in others)
