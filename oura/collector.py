"""One person's collection: read what is planned, whole, map it, hand it to the processor.

A range counts as read only when its last page has come and the processor has acknowledged the
documents; what fails is told to it as well. Nothing is remembered here: the processor's ledger is
the only memory, and what is made of it is in `oura.plan`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain

import structlog

from metrics import TYPES
from myhealth.days import Days, from_days, intersect, merge, subtract
from oura.accounts import Account
from oura.client import OuraClient, day_of
from oura.errors import (
    Disconnected,
    OuraBadAnswer,
    OuraError,
    OuraForbidden,
    OuraRateLimited,
    OuraUnauthorized,
    ProcessorError,
)
from oura.plan import Known, Plan, Wish, plan, windows
from oura.processor import Document, Processor, Receipt
from oura.report import Problem, Report, Tally
from oura.retries import Waiting

log = structlog.get_logger("oura.collector")

# A server that fails so many ranges one after another is down.
PATIENCE = 3
NOT_GRANTED = "The scope '{scope}' was not granted at Oura. Connect again and leave it ticked."


@dataclass(frozen=True)
class Found:
    """What a range came to: metric documents in the order of their days, and what it was read in.

    `undated`: documents without a day, of which no row can be made. `strange`: how many entries
    of a collection are no documents at all. With either nobody can say that a day has nothing.
    """

    documents: list[Document]
    undated: list[Document]
    strange: dict[str, int]
    pages: int
    read: int


@dataclass
class Collector:
    """Collects one person's types, one after another; failures of one never stop the others."""

    account: Account
    processor: Processor
    wish: Wish
    report: Report
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Callable[[str, int, int], None] = lambda type_, done, of: None
    client: OuraClient = field(init=False)

    def collect(self, types: Sequence[str], waiting: Waiting) -> None:
        """Collect the types; what fails is in the report, never raised."""
        ended = "" if self.wish.plan_only else self.account.ended
        if ended:
            self.problem("all", ended, "disconnected", known=True)
        try:
            ledger = self.processor.ledger()
        except ProcessorError as error:
            if self.wish.plan_only:
                self.problem("all", str(error), error.kind)
            elif not ended:
                self.all_failed(types, error)
            return
        if self.wish.plan_only:
            plans = {type_: plan(ledger[type_], self.wish, self.clock()) for type_ in types}
            self.report.plans.append((self.account.user, plans))
            return
        if ended:
            for type_ in types:
                self.report_unasked(type_, ledger[type_], Disconnected(ended))
        else:
            self.collect_types(types, ledger, waiting)
        self.finish()

    def collect_types(
        self, types: Sequence[str], ledger: Mapping[str, Sequence[Known]], waiting: Waiting
    ) -> None:
        for type_ in types:
            self.report.tallies.setdefault(type_, Tally())
        granted = [type_ for type_ in types if self.account.covers(TYPES[type_].scope)]
        for type_ in types:
            if type_ not in granted:
                # What somebody left out is their choice; but without any, nothing is collected.
                refusal = OuraForbidden(NOT_GRANTED.format(scope=TYPES[type_].scope))
                self.failed(type_, refusal, known=bool(granted))
                self.report_unasked(type_, ledger[type_], refusal)
        if not granted:
            return
        try:
            client = self.account.client(waiting)
        except OuraError as error:
            self.all_failed(granted, error)
            for type_ in granted:
                self.report_unasked(type_, ledger[type_], error)
            return
        with client as self.client:
            for number, type_ in enumerate(granted):
                try:
                    self.collect_type(type_, ledger[type_])
                except OuraRateLimited as error:
                    # It holds for the whole token: another request would only prolong it.
                    self.all_failed(granted[number + 1 :], error)
                    break
                except Exception as error:
                    # One type's failure must not stop the others.
                    name = type(error).__name__
                    log.exception("unexpected error", type=type_, error_type=name)
                    unexpected = OuraError(f"Unexpected {name}; the log has where it arose.")
                    self.failed(type_, unexpected)

    def report_unasked(self, type_: str, ledger: Sequence[Known], error: OuraError) -> None:
        """Report to the processor that what is due of a type could not be asked for at all."""
        planned = plan(ledger, self.wish, self.clock())
        self.report_failure(type_, merge([*planned.read, *planned.seek]), error)

    def finish(self) -> None:
        if not self.wish.dry_run:
            try:
                self.processor.finish()
            except ProcessorError as error:
                log.warning("run not finished", error=str(error))

    def collect_type(self, type_: str, ledger: Sequence[Known]) -> None:
        planned = plan(ledger, self.wish, self.clock())
        try:
            wanted = self.wanted(type_, planned)
        except (OuraUnauthorized, OuraForbidden) as error:
            # The rest of this type would only meet the same refusal.
            self.failed(type_, error)
            self.report_failure(type_, merge([*planned.read, *planned.seek]), error)
            return
        # The newest first: that is what people wait for, and where a refusal shows.
        ranges = windows(wanted)[::-1]
        failures = 0
        for done, days in enumerate(ranges):
            self.progress(type_, done, len(ranges))
            try:
                self.collect_range(type_, days)
                failures = 0
            except (OuraError, ProcessorError) as error:
                self.failed(type_, error, days)
                refused = isinstance(error, OuraUnauthorized | OuraForbidden)
                rest = ranges[done:] if refused else [days]
                self.report_failure(type_, sorted(rest), error)
                if isinstance(error, OuraRateLimited):
                    raise
                failures += 1
                if refused or isinstance(error, ProcessorError) or failures >= PATIENCE:
                    return
        self.progress(type_, len(ranges), len(ranges))

    def wanted(self, type_: str, planned: Plan) -> list[Days]:
        """The days to read; those that Oura's list of days has not are told to be read by that.

        A list that fails leaves the days that must be read in any case; one that is refused raises.
        """
        sought = merge(planned.seek)
        if not sought:
            return merge(planned.read)
        asked_at = self.clock()
        listed = Days(sought[0].start, sought[-1].end)
        try:
            at_oura, certain = self.days_at_oura(type_, listed)
        except (OuraUnauthorized, OuraForbidden):
            raise
        except OuraError as error:
            self.failed(type_, error, listed)
            self.report_failure(type_, sought, error)
            if isinstance(error, OuraRateLimited):
                raise
            return merge(planned.read)
        # Of the others it is known already whether Oura has them.
        found = intersect(from_days(at_oura), sought)
        wanted = merge([*planned.read, *found])
        empty = subtract(sought, windows(wanted))
        if certain:
            self.note_empty(type_, empty, asked_at)
        else:
            unsure = OuraBadAnswer("Oura's list has entries without a day: no day is sure to lack.")
            self.failed(type_, unsure, listed)
            self.report_failure(type_, empty, unsure)
        return wanted

    def days_at_oura(self, type_: str, wanted: Days) -> tuple[set[date], bool]:
        found: set[date] = set()
        all_certain = True
        for collection in TYPES[type_].collections:
            days, certain = self.client.days(collection, wanted)
            found |= days
            all_certain &= certain
        return found, all_certain

    def collect_range(self, type_: str, days: Days) -> None:
        fetched_at = self.clock()
        found = self.read(type_, days)
        self.report.tallies[type_].fetched += len(found.documents) + len(found.undated)
        for collection, number in found.strange.items():
            error = OuraBadAnswer(f"Oura's {collection} has {number} entries that are none.")
            self.failed(type_, error, days)
        if self.wish.dry_run:
            return
        span = None if found.undated or found.strange else days
        ingest = self.processor.ingest
        sent = ingest(
            type_,
            found.documents,
            fetched_at=fetched_at,
            span=span,
            pages=found.pages,
            read=found.read,
        )
        # The processor rejects these, keeps them, and knows them the next time.
        for receipt in chain(sent, ingest(type_, found.undated, fetched_at=fetched_at)):
            self.count(type_, receipt)
        if span is None:
            whole = OuraBadAnswer("Oura sent entries without a day.")
            self.report_failure(type_, [days], whole)
        log.info("range collected", type=type_, documents=len(found.documents))

    def note_empty(self, type_: str, ranges: Iterable[Days], listed_at: datetime) -> None:
        """Oura's list of days was read to its last page, and has none of these."""
        if self.wish.dry_run:
            return
        for days in ranges:
            try:
                for _ in self.processor.ingest(type_, [], fetched_at=listed_at, span=days):
                    pass
            except ProcessorError as error:
                self.failed(type_, error, days)
                return

    def read(self, type_: str, days: Days) -> Found:
        """The documents of a range, each collection read to its last page."""
        metric_type = TYPES[type_]
        by_day: dict[date, dict[str, list[Document]]] = defaultdict(
            lambda: {collection: [] for collection in metric_type.collections}
        )
        undated: list[Document] = []
        strange: Counter[str] = Counter()
        read = 0
        before = self.client.pages_read
        for collection in metric_type.collections:
            for document in self.client.documents(collection, days):
                read += 1
                if not isinstance(document, dict):
                    strange[collection] += 1
                elif (day := day_of(document)) is None:
                    undated.append(without_a_day(collection, document))
                else:
                    by_day[day][collection].append(document)
        mapped = (metric_type.map(day.isoformat(), by_day[day]) for day in sorted(by_day))
        documents = [document for document in mapped if document is not None]
        return Found(documents, undated, strange, self.client.pages_read - before, read)

    def report_failure(self, type_: str, ranges: Sequence[Days], error: Exception) -> None:
        """Report to the processor what could not be read, and why.

        Best effort: a report that fails is only logged.
        """
        if self.wish.dry_run or not ranges:
            return
        try:
            self.processor.report(type_, ranges, error, asked_at=self.clock())
        except ProcessorError as refused:
            log.warning("failure not reported", type=type_, error=str(refused))

    def count(self, type_: str, receipt: Receipt) -> None:
        tally = self.report.tallies[type_]
        tally.created += receipt.created
        tally.updated += receipt.updated
        tally.unchanged += receipt.unchanged
        tally.rejected += len(receipt.rejected)
        known = receipt.again == len(receipt.rejected)
        for sentence in receipt.rejected:
            self.problem(type_, sentence, "rejected", known=known)

    def problem(self, type_: str, error: str, kind: str, *, known: bool = False) -> None:
        self.report.problems.append(Problem(self.account.user, type_, error, kind, known))

    def all_failed(self, types: Iterable[str], error: Exception) -> None:
        for type_ in types:
            self.failed(type_, error)

    def failed(
        self,
        type_: str,
        error: Exception,
        days: Days | None = None,
        *,
        known: bool = False,
    ) -> None:
        kind = getattr(error, "kind", "error")
        self.report.tallies.setdefault(type_, Tally()).failed += 1
        span = f"{days}: " if days else ""
        self.problem(type_, f"{span}{error}", kind, known=known)
        tell = log.warning if known else log.error
        tell("collection failed", type=type_, error_type=kind, error=str(error))


def without_a_day(collection: str, document: Document) -> Document:
    """What the processor is told of a document that no row can be made from."""
    return {
        "id": document.get("id"),
        "day": document.get("day"),
        "source": {collection: [document]},
    }
