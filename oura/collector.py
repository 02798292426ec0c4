"""One person's collection: decide what to read, read it whole, map it, hand it to the processor.

A range counts as read only when its last page has come and the processor has acknowledged the
documents. Nothing is remembered here: what is held, the processor tells; what there is, Oura.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import structlog
from django.utils.module_loading import import_string

from myhealth.metric_types import METRIC_TYPES
from oura.client import OuraClient, day_of
from oura.errors import (
    OuraBadAnswer,
    OuraError,
    OuraForbidden,
    OuraRateLimited,
    OuraUnauthorized,
    ProcessorError,
)
from oura.processor import Coverage, Document, Processor, Receipt

log = structlog.get_logger("oura.collector")

# No ring is older; the processor takes no earlier day.
HISTORY = date(2010, 1, 1)
# Oura still revises these.
RECENT = timedelta(days=13)
# Oura suggests one to three months a request; four keep memory small and requests few.
WINDOW_DAYS = 120
# A server that fails so many ranges one after another is down.
PATIENCE = 3

Range = tuple[date, date]


@dataclass
class Tally:
    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    failed: int = 0


@dataclass
class Problem:
    """What went wrong, in a sentence. `known`: the same rejection as in an earlier run."""

    user: str | None
    type: str
    error: str
    kind: str
    known: bool = False


@dataclass
class Report:
    dry_run: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def new_problems(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.known]

    @property
    def status(self) -> str:
        """ok, partial, or failed when nothing at all came through; known rejections don't count."""
        if not self.new_problems:
            return "ok"
        return "partial" if any(self.got(tally) for tally in self.tallies.values()) else "failed"

    def got(self, tally: Tally) -> int:
        """The days that came all the way, which a dry run ends at Oura."""
        return tally.fetched if self.dry_run else tally.created + tally.updated + tally.unchanged


@dataclass(frozen=True)
class Wish:
    """What a run is asked for: days, or all, or (neither) what is missing."""

    days: Range | None = None
    everything: bool = False
    dry_run: bool = False


@dataclass
class Collector:
    """Collects one person's types, one after another; failures of one never stop the others."""

    client: OuraClient
    processor: Processor
    wish: Wish
    report: Report
    user: str | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Callable[[str, int, int], None] = lambda type_, done, of: None

    def collect(self, types: Sequence[str]) -> None:
        """Collect the types; what fails is in the report, never raised."""
        try:
            coverage = self.processor.coverage()
        except ProcessorError as error:
            self.all_failed(types, error)
            return
        for number, type_ in enumerate(types):
            try:
                self.collect_type(type_, coverage.get(type_) or Coverage(None, None, []))
            except OuraRateLimited as error:
                # It holds for the whole token: another request would only prolong it.
                self.all_failed(types[number:], error)
                return
            except Exception as error:
                # Whatever it is, it must not cost the other types.
                name = type(error).__name__
                log.exception("unexpected error", type=type_, error_type=name)
                self.failed(type_, OuraError(f"Unexpected {name}; the log has where it arose."))

    def collect_type(self, type_: str, held: Coverage) -> None:
        self.report.tallies.setdefault(type_, Tally())
        ranges = self.ranges(type_, held)
        failures = 0
        for done, (start, end) in enumerate(ranges):
            self.progress(type_, done, len(ranges))
            try:
                self.collect_range(type_, start, end)
                failures = 0
            except OuraRateLimited:
                raise
            except (OuraError, ProcessorError) as error:
                self.failed(type_, error, start, end)
                failures += 1
                # The rest of this type would only meet the same refusal.
                final = isinstance(error, OuraUnauthorized | OuraForbidden | ProcessorError)
                if final or failures >= PATIENCE:
                    break
        self.progress(type_, len(ranges), len(ranges))

    def ranges(self, type_: str, held: Coverage) -> list[Range]:
        """What to read, oldest first, each no longer than WINDOW_DAYS."""
        today = self.clock().astimezone(UTC).date()
        tomorrow = today + timedelta(days=1)
        if self.wish.days:
            start, end = self.wish.days
            return windows(each_day(start, end))
        recent = changing(held.last, today)
        try:
            at_oura = self.days_at_oura(type_, tomorrow)
        except (OuraUnauthorized, OuraForbidden):
            # Reading will meet the same refusal, and tell it with its range.
            return windows(recent)
        except OuraRateLimited:
            raise
        except OuraError as error:
            # Without Oura's list of days: what coverage knows to be missing.
            self.failed(type_, error, HISTORY, tomorrow)
            gaps = [day for start, end in held.missing for day in each_day(start, end)]
            return windows({*gaps, *recent})
        wanted = at_oura if self.wish.everything else {day for day in at_oura if day not in held}
        return windows({*wanted, *recent})

    def days_at_oura(self, type_: str, tomorrow: date) -> set[date]:
        found: set[date] = set()
        for collection in METRIC_TYPES[type_].collections:
            found |= self.client.days(collection, HISTORY, tomorrow)
        return found

    def collect_range(self, type_: str, start: date, end: date) -> None:
        fetched_at = self.clock()
        documents, undated = self.read(type_, start, end)
        self.report.tallies[type_].fetched += len(documents) + len(undated)
        if self.wish.dry_run:
            return
        receipts = self.processor.ingest(type_, documents, fetched_at=fetched_at, span=(start, end))
        # The processor rejects these, keeps them, and knows them the next time.
        refusals = self.processor.ingest(type_, undated, fetched_at=fetched_at)
        for receipt in chain(receipts, refusals):
            self.count(type_, receipt)
        log.info("range collected", type=type_, documents=len(documents))

    def read(self, type_: str, start: date, end: date) -> tuple[list[Document], list[Document]]:
        """The metric documents of a range, in the order of their days, and those without a day."""
        entry = METRIC_TYPES[type_]
        by_day: dict[date, dict[str, list[Document]]] = defaultdict(
            lambda: {collection: [] for collection in entry.collections}
        )
        undated: list[Document] = []
        for collection in entry.collections:
            found = self.client.documents(collection, start, end)
            documents = [document for document in found if isinstance(document, dict)]
            if strange := len(found) - len(documents):
                error = OuraBadAnswer(f"Oura's {collection} has {strange} entries that are none.")
                self.failed(type_, error, start, end)
            for document in documents:
                if (day := day_of(document)) is None:
                    undated.append(without_a_day(collection, document))
                else:
                    by_day[day][collection].append(document)
        mapping = import_string(entry.mapping)
        mapped = (mapping(day.isoformat(), by_day[day]) for day in sorted(by_day))
        return [document for document in mapped if document is not None], undated

    def count(self, type_: str, receipt: Receipt) -> None:
        tally = self.report.tallies[type_]
        tally.created += receipt.created
        tally.updated += receipt.updated
        tally.unchanged += receipt.unchanged
        tally.rejected += len(receipt.rejected)
        known = receipt.again == len(receipt.rejected)
        for sentence in receipt.rejected:
            self.report.problems.append(Problem(self.user, type_, sentence, "rejected", known))

    def all_failed(self, types: Iterable[str], error: Exception) -> None:
        for type_ in types:
            self.failed(type_, error)

    def failed(
        self, type_: str, error: Exception, start: date | None = None, end: date | None = None
    ) -> None:
        kind = getattr(error, "kind", "error")
        self.report.tallies.setdefault(type_, Tally()).failed += 1
        span = f"{start} to {end}: " if start else ""
        self.report.problems.append(Problem(self.user, type_, f"{span}{error}", kind))
        log.error("collection failed", type=type_, error_type=kind, error=str(error))


def changing(last: date | None, today: date) -> list[date]:
    """The days that Oura may have changed since they were read, to tomorrow.

    Those up to the last day held were read when that was today, perhaps long ago.
    """
    begin = min(last or today, today) - RECENT
    return each_day(max(begin, HISTORY), today + timedelta(days=1))


def without_a_day(collection: str, document: Document) -> Document:
    """What the processor is told of a document that no row can be made from."""
    return {
        "id": document.get("id"),
        "day": document.get("day"),
        "source": {collection: [document]},
    }


def each_day(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def windows(days: Iterable[date]) -> list[Range]:
    """Few ranges that hold all `days`, oldest first, none longer than WINDOW_DAYS."""
    found: list[Range] = []
    for day in sorted(set(days)):
        if found and (day - found[-1][0]).days < WINDOW_DAYS:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
