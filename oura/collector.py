"""One account's collection: fetch what is planned, map it, send it to the processor.

A range counts as fetched only when its last page has come and the processor has acknowledged the
documents; failures are reported to the processor, too. Nothing is remembered here: the processor's
ledger is the only memory, and `oura.plan` decides what follows from it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain

import structlog

from metrics import TYPES
from metrics.base import OuraDocument
from myhealth.days import Days, from_days, intersect, merge, subtract
from myhealth.states import FailureKind
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
    UnexpectedError,
)
from oura.plan import CollectOptions, LedgerRange, Plan, make_plan, windows
from oura.processor import MetricDocument, Processor, Receipt
from oura.report import Problem, Report, Tally
from oura.retries import RetryTime

log = structlog.get_logger("oura.collector")

# A server that fails this many ranges one after another is down.
_MAX_FAILURES_IN_A_ROW = 3
_NOT_GRANTED = (
    "The scope '{scope}' was not granted at Oura. Connect again and leave its box ticked."
)


@dataclass(frozen=True)
class RangeResult:
    """What Oura has of a range: metric documents in the order of their days, and how much it was.

    `undated` are documents without a day, of which no row can be made; `malformed` counts each
    collection's entries that are no JSON objects. With either, no day is sure to have nothing.
    """

    documents: list[MetricDocument]
    undated: list[MetricDocument]
    malformed: dict[str, int]
    page_count: int
    document_count: int


@dataclass
class Collector:
    """Collects an account's types one after another; a failure of one never stops the others."""

    account: Account
    processor: Processor
    options: CollectOptions
    report: Report
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Callable[[str, int, int], None] = lambda type_, done, total: None
    _client: OuraClient = field(init=False)

    def collect(self, types: Sequence[str], retry_time: RetryTime) -> None:
        """Collect the types. Failures are added to the report, never raised."""
        ended = "" if self.options.plan_only else self.account.ended
        if ended:
            self._add_problem("all", ended, FailureKind.DISCONNECTED, is_repeat=True)
        try:
            ledger = self.processor.ledger()
        except ProcessorError as error:
            if self.options.plan_only:
                self._add_problem("all", str(error), error.kind)
            elif not ended:
                self._record_failures(types, error)
            return
        plans = self._make_plans(types, ledger)
        if self.options.plan_only:
            self.report.plans.append((self.account.user, plans))
            return
        if ended:
            for type_, plan in plans.items():
                self._report_failure(type_, plan.days, Disconnected(ended))
        else:
            self._collect_types(plans, retry_time)
        self._finish_run()

    def _make_plans(
        self, types: Sequence[str], ledger: Mapping[str, Sequence[LedgerRange]]
    ) -> dict[str, Plan]:
        now, plans = self.clock(), {}
        for type_ in types:
            try:
                plans[type_] = make_plan(ledger[type_], self.options, now)
            except Exception as error:
                self._record_unexpected(type_, error)
        return plans

    def _collect_types(self, plans: Mapping[str, Plan], retry_time: RetryTime) -> None:
        for type_ in plans:
            self.report.tallies.setdefault(type_, Tally())
        granted = [type_ for type_ in plans if self.account.has_scope(TYPES[type_].scope)]
        for type_ in plans:
            if type_ not in granted:
                # Leaving out a scope is the person's choice; without any, nothing is collected.
                error = OuraForbidden(_NOT_GRANTED.format(scope=TYPES[type_].scope))
                self._record_failure(type_, error, is_repeat=bool(granted))
                self._report_failure(type_, plans[type_].days, error)
        if not granted:
            return
        try:
            client = self.account.client(retry_time)
        except OuraError as error:
            self._record_failures(granted, error)
            for type_ in granted:
                self._report_failure(type_, plans[type_].days, error)
            return
        with client as self._client:
            for number, type_ in enumerate(granted):
                try:
                    self._collect_type(type_, plans[type_])
                except OuraRateLimited as error:
                    # The limit is on the token: another request would only prolong it.
                    self._record_failures(granted[number + 1 :], error)
                    break
                except Exception as error:
                    self._record_unexpected(type_, error)

    def _record_unexpected(self, type_: str, error: Exception) -> None:
        """Record an error that only a bug raises. It must not stop the other types."""
        log.exception("unexpected error", type=type_, error_type=type(error).__name__)
        self._record_failure(type_, UnexpectedError(error))

    def _finish_run(self) -> None:
        if not self.options.dry_run:
            try:
                self.processor.finish_run()
            except ProcessorError as error:
                log.warning("run not finished", error=str(error))

    def _collect_type(self, type_: str, plan: Plan) -> None:
        try:
            wanted = self._days_to_fetch(type_, plan)
        except (OuraUnauthorized, OuraForbidden) as error:
            # The rest of this type would only be refused as well.
            self._record_failure(type_, error)
            self._report_failure(type_, plan.days, error)
            return
        # The newest first: people wait for those, and a refusal shows at once.
        ranges = windows(wanted)[::-1]
        failures = 0
        for done, days in enumerate(ranges):
            self.progress(type_, done, len(ranges))
            try:
                self._collect_range(type_, days)
                failures = 0
            except (OuraError, ProcessorError) as error:
                self._record_failure(type_, error, days)
                is_refused = isinstance(error, OuraUnauthorized | OuraForbidden)
                self._report_failure(type_, sorted(ranges[done:]) if is_refused else [days], error)
                if isinstance(error, OuraRateLimited):
                    raise
                failures += 1
                if (
                    is_refused
                    or isinstance(error, ProcessorError)
                    or failures >= _MAX_FAILURES_IN_A_ROW
                ):
                    return
        self.progress(type_, len(ranges), len(ranges))

    def _days_to_fetch(self, type_: str, plan: Plan) -> list[Days]:
        """Return the days to fetch; planned days that Oura does not list are reported as empty.

        If Oura's list of days can't be fetched, return the days that are always fetched.
        Raises OuraUnauthorized, OuraForbidden or OuraRateLimited.
        """
        searched = merge(plan.if_listed)
        if not searched:
            return merge(plan.always)
        asked_at = self.clock()
        span = Days(searched[0].start, searched[-1].end)
        try:
            listed, is_certain = self._listed_days(type_, span)
        except (OuraUnauthorized, OuraForbidden):
            raise
        except OuraError as error:
            self._record_failure(type_, error, span)
            self._report_failure(type_, searched, error)
            if isinstance(error, OuraRateLimited):
                raise
            return merge(plan.always)
        # Days of the span that were not searched for need no fetch.
        wanted = merge([*plan.always, *intersect(from_days(listed), searched)])
        empty = subtract(searched, windows(wanted))
        if is_certain:
            self._report_empty(type_, empty, asked_at)
        else:
            uncertain = OuraBadAnswer(
                "Oura's list has entries without a day, so none of the days can be marked as empty."
            )
            self._record_failure(type_, uncertain, span)
            self._report_failure(type_, empty, uncertain)
        return wanted

    def _listed_days(self, type_: str, span: Days) -> tuple[set[date], bool]:
        """Return the days that any collection has, and whether all entries had a day."""
        listed: set[date] = set()
        is_certain = True
        for collection in TYPES[type_].collections:
            days, all_dated = self._client.days(collection, span)
            listed |= days
            is_certain &= all_dated
        return listed, is_certain

    def _collect_range(self, type_: str, days: Days) -> None:
        fetched_at = self.clock()
        result = self._fetch(type_, days)
        self.report.tallies[type_].fetched += len(result.documents) + len(result.undated)
        for collection, count in result.malformed.items():
            error = OuraBadAnswer(f"Oura's {collection} has {count} malformed entries.")
            self._record_failure(type_, error, days)
        if self.options.dry_run:
            return
        complete = None if result.undated or result.malformed else days
        receipts = chain(
            self.processor.ingest(
                type_,
                result.documents,
                fetched_at=fetched_at,
                complete=complete,
                page_count=result.page_count,
                document_count=result.document_count,
            ),
            # The processor rejects these, keeps them, and recognizes them the next time.
            self.processor.ingest(type_, result.undated, fetched_at=fetched_at),
        )
        for receipt in receipts:
            self._count_receipt(type_, receipt)
        if complete is None:
            self._report_failure(type_, [days], OuraBadAnswer("Oura sent entries without a day."))
        log.info("range collected", type=type_, documents=len(result.documents))

    def _report_empty(self, type_: str, ranges: Iterable[Days], listed_at: datetime) -> None:
        """Report to the processor that Oura's complete list of days has none of these."""
        if self.options.dry_run:
            return
        for days in ranges:
            try:
                for _ in self.processor.ingest(type_, [], fetched_at=listed_at, complete=days):
                    pass
            except ProcessorError as error:
                self._record_failure(type_, error, days)
                return

    def _fetch(self, type_: str, days: Days) -> RangeResult:
        """Fetch a range, each collection to its last page. Raises OuraError."""
        metric_type = TYPES[type_]
        by_day: dict[date, dict[str, list[OuraDocument]]] = defaultdict(
            lambda: {collection: [] for collection in metric_type.collections}
        )
        undated: list[MetricDocument] = []
        malformed: Counter[str] = Counter()
        document_count = 0
        pages_before = self._client.pages_read
        for collection in metric_type.collections:
            for document in self._client.documents(collection, days):
                document_count += 1
                if not isinstance(document, dict):
                    malformed[collection] += 1
                elif (day := day_of(document)) is None:
                    undated.append(_undated_document(collection, document))
                else:
                    by_day[day][collection].append(document)
        mapped = (metric_type.map(day.isoformat(), by_day[day]) for day in sorted(by_day))
        documents = [document for document in mapped if document is not None]
        page_count = self._client.pages_read - pages_before
        return RangeResult(documents, undated, malformed, page_count, document_count)

    def _report_failure(self, type_: str, ranges: Sequence[Days], error: Exception) -> None:
        """Report to the processor which ranges could not be fetched, and why.

        Best effort: a report that fails is only logged.
        """
        if self.options.dry_run or not ranges:
            return
        try:
            self.processor.report_failure(type_, ranges, error, asked_at=self.clock())
        except ProcessorError as report_error:
            log.warning("failure not reported", type=type_, error=str(report_error))

    def _count_receipt(self, type_: str, receipt: Receipt) -> None:
        tally = self.report.tallies[type_]
        tally.created += receipt.created
        tally.updated += receipt.updated
        tally.unchanged += receipt.unchanged
        tally.rejected += len(receipt.rejected)
        all_repeated = receipt.rejected_again == len(receipt.rejected)
        for sentence in receipt.rejected:
            self._add_problem(type_, sentence, FailureKind.REJECTED, is_repeat=all_repeated)

    def _add_problem(self, type_: str, error: str, kind: str, *, is_repeat: bool = False) -> None:
        self.report.problems.append(Problem(self.account.user, type_, error, kind, is_repeat))

    def _record_failures(self, types: Iterable[str], error: Exception) -> None:
        for type_ in types:
            self._record_failure(type_, error)

    def _record_failure(
        self,
        type_: str,
        error: Exception,
        days: Days | None = None,
        *,
        is_repeat: bool = False,
    ) -> None:
        """Record a failure in the report and in the log."""
        kind = getattr(error, "kind", FailureKind.ERROR)
        self.report.tallies.setdefault(type_, Tally()).failed += 1
        self._add_problem(
            type_, f"{days}: {error}" if days else str(error), kind, is_repeat=is_repeat
        )
        write = log.warning if is_repeat else log.error
        write("collection failed", type=type_, error_type=kind, error=str(error))


def _undated_document(collection: str, document: OuraDocument) -> MetricDocument:
    """Return what is sent to the processor of an Oura document that no row can be made from."""
    return {
        "id": document.get("id"),
        "day": document.get("day"),
        "source": {collection: [document]},
    }
