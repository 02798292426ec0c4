"""One account's collection: fetch what is planned, map it, send it to the processor.

A day counts as fetched only when every collection of its type has been fetched to its last page and
the processor has acknowledged the documents; failures are reported to the processor, too. Nothing
is remembered here: the processor's ledger is the only memory, and `oura.plan` decides what follows
from it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import orjson
import structlog

from metrics import TYPES
from metrics.base import Source
from myhealth.days import Days, from_days, intersect, merge, subtract, utc_date
from myhealth.errors import START_OVER
from myhealth.states import FailureKind
from oura.accounts import Account
from oura.client import ListedDocument, OuraClient
from oura.errors import (
    CollectionDown,
    Disconnected,
    KnownFailure,
    OtherOwner,
    OuraBadAnswer,
    OuraDown,
    OuraError,
    OuraForbidden,
    OuraNotFound,
    OuraRateLimited,
    OuraUnauthorized,
    OuraUnreachable,
    ProcessorError,
    RunEnded,
    log_unexpected,
)
from oura.plan import (
    CollectOptions,
    LedgerRange,
    Plan,
    list_spans,
    make_plan,
    request_ranges,
    windows,
)
from oura.processor import MetricDocument, Processor, Receipt
from oura.ranges import BadDay, RangeFetcher
from oura.report import Problem, Report, Tally
from oura.retries import RetryTime
from oura.tokens import CONNECTION_DELETED

log = structlog.get_logger("oura.collector")

_NOT_GRANTED = (
    "The scope '{scope}' was not granted at Oura. Connect again and leave its box ticked."
)
_GRANT_PERSONAL = (
    "Create a valid token with the scope `personal`, or connect again and leave its box ticked."
)
_OWNER_UNKNOWN = (
    "Oura does not say whose account this is{status}, so myhealth can't notice if another person's "
    f"token is used later. {_GRANT_PERSONAL}"
)
_OWNER_REFUSED = (
    "Oura does not say whose account this is{status}, so nothing was collected: this account "
    "already has the days of one Oura account, and days of another one must not be mixed with "
    f"them. {_GRANT_PERSONAL}"
)
_OTHER_OWNER = (
    "This token belongs to a different Oura account from the one that the stored days came from, "
    f"so nothing was collected. {START_OVER}"
)
# Nested as deeply as this, a document can be written with all that it is sent in.
_SAFE_DEPTH = 200
# After these, nothing more can be fetched of a type, or of the account.
_ENDS_TYPE = (OuraUnauthorized, OuraForbidden, OuraNotFound, CollectionDown, ProcessorError)
_ENDS_RUN = (OuraRateLimited, OuraDown, OuraUnreachable)


@dataclass
class RangeResult:
    """What Oura has of a range of days, still as JSON: as Python objects it needs much memory.

    `documents` are those of the days that were answered, by day and collection; `undated` those
    without a day, of which no row can be made, by collection; `malformed` counts each collection's
    entries that are no JSON objects. Where there is either, the collection is sure of those days
    only that have a document. `failures` are the days that a collection did not answer for,
    `skipped` those that it was not asked for, `narrow` those of which documents may be missing.
    """

    type: str
    documents: dict[date, dict[str, list[ListedDocument]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    undated: dict[str, list[MetricDocument]] = field(default_factory=lambda: defaultdict(list))
    malformed: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Days, OuraError]] = field(default_factory=list)
    skipped: list[Days] = field(default_factory=list)
    narrow: list[Days] = field(default_factory=list)
    page_count: int = 0
    document_count: int = 0

    def certain_days(self, days: Sequence[Days]) -> list[Days]:
        """Return those of the days that no entry without a day can belong to."""
        certain = list(days)
        for collection in {*self.undated, *self.malformed}:
            listed = [
                day for day, by_collection in self.documents.items() if by_collection[collection]
            ]
            certain = intersect(certain, from_days(listed))
        return certain

    @property
    def why_unsure(self) -> str:
        """A sentence about the entries of which the day is not known."""
        parts = [
            f"Oura's {name} has {count} malformed entr{'y' if count == 1 else 'ies'}."
            for name, count in self.malformed.items()
        ]
        parts += [
            f"Oura's {name} has {count} document{'' if count == 1 else 's'} without a day."
            for name, documents in self.undated.items()
            for count in [len(documents)]
        ]
        return " ".join(parts)

    def add(self, collection: str, documents: Iterable[ListedDocument]) -> None:
        for document in documents:
            self.document_count += 1
            if not document.is_object:
                self.malformed[collection] += 1
            elif document.day is None:
                self.undated[collection].append(_undated_document(collection, document))
            else:
                self.documents[document.day][collection].append(document)

    def metric_documents(self, days: Days) -> Iterator[MetricDocument]:
        """Yield the metric documents of the days, oldest first."""
        for day in sorted(self.documents):
            if day in days and (document := self._metric_document(day)) is not None:
                yield document

    def _metric_document(self, day: date) -> MetricDocument | None:
        texts: dict[int, bytes] = {}
        documents: dict[str, list[Any]] = {}
        try:
            for collection, listed in self.documents[day].items():
                documents[collection] = []
                for each in listed:
                    document = orjson.loads(text := bytes(each.raw))
                    documents[collection].append(document)
                    texts[id(document)] = text
        except orjson.JSONDecodeError:
            # The processor rejects this one by name, and the other days are stored.
            name = next(each.id for listed in self.documents[day].values() for each in listed)
            return {"id": name, "day": day.isoformat(), "source": "not valid JSON"}
        mapped = TYPES[self.type].map(day.isoformat(), documents)
        if mapped:
            mapped["source"] = _as_received(mapped["source"], texts)
        return mapped


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
    _fetcher: RangeFetcher = field(init=False)
    _ledger: Mapping[str, Sequence[LedgerRange]] = field(init=False)
    # The days of each type that were fetched, or that were tried and failed.
    _tried: dict[str, list[Days]] = field(default_factory=lambda: defaultdict(list))
    # The days of the current type that make Oura fail.
    _bad_days: list[BadDay] = field(default_factory=list)

    def collect(self, types: Sequence[str], retry_time: RetryTime) -> None:
        """Collect the types. Failures are added to the report, never raised."""
        try:
            self._collect(types, retry_time)
        except RunEnded as end:
            # What had failed was about data that nobody wants any more, or failed because of this.
            self.report.problems.clear()
            self.report.is_cut_short = True
            log.info("collection ended", reason=str(end))

    def _collect(self, types: Sequence[str], retry_time: RetryTime) -> None:
        ended = "" if self.options.plan_only else self.account.ended
        if ended:
            self._add_problem("all", ended, FailureKind.DISCONNECTED, is_repeat=True)
        try:
            self._ledger = self.processor.ledger()
        except ProcessorError as error:
            self._require_account()
            if self.options.plan_only:
                self._add_problem("all", str(error), error.kind)
            elif not ended:
                self._record_failures(types, error)
            return
        # After the ledger: if the person's data are deleted later, what is sent will be refused.
        self._require_account()
        plans = self._make_plans(types)
        if self.options.plan_only:
            self.report.plans.append((self.account.user, plans))
            return
        if ended:
            for type_, plan in plans.items():
                self._report_failure(type_, plan.days, Disconnected(ended))
        else:
            self._collect_types(plans, retry_time)
            self._list_standing_failures(plans)
        self._finish_run()

    def _require_account(self) -> None:
        if not self.account.exists():
            raise RunEnded(CONNECTION_DELETED)

    def _make_plans(self, types: Sequence[str]) -> dict[str, Plan]:
        now, plans = self.clock(), {}
        for type_ in types:
            try:
                plans[type_] = make_plan(self._ledger[type_], self.options, now)
            except Exception as error:
                self._record_failure(type_, log_unexpected(error, type=type_))
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
            self._fail_types(granted, plans, error)
            return
        with client as self._client:
            if self._is_owner(granted, plans):
                self._fetcher = RangeFetcher(
                    client, _collections(self.account), utc_date(self.clock())
                )
                self._collect_granted(granted, plans)

    def _is_owner(self, granted: Sequence[str], plans: Mapping[str, Plan]) -> bool:
        """Return whether the token is of the Oura account whose days are stored, as far as known.

        If not, everything has failed. The processor learns the id with the first documents.
        """
        owner = self.processor.owner
        try:
            user_id = self.account.oura_user_id or self._client.user_id()
        except OuraError as error:
            status = f" ({error.status})" if error.status else ""
            is_lasting = isinstance(error, OuraUnauthorized | OuraForbidden | OuraBadAnswer)
            if is_lasting and not owner:
                unknown = _OWNER_UNKNOWN.format(status=status)
                self._add_problem("all", unknown, FailureKind.FORBIDDEN, is_repeat=True)
                return True
            failure = error
            if isinstance(error, OuraUnauthorized | OuraForbidden | OuraNotFound):
                failure = OuraForbidden(_OWNER_REFUSED.format(status=status))
                failure.status = error.status
            failure.collection = "personal_info"
            self._fail_types(granted, plans, failure)
        else:
            if not owner or owner == user_id:
                self.processor.owner = user_id
                return True
            # Nothing is reported: the ledger is about the days of the other Oura account.
            self._record_failures(granted, OtherOwner(_OTHER_OWNER))
        return False

    def _fail_types(
        self, types: Sequence[str], plans: Mapping[str, Plan], error: OuraError
    ) -> None:
        self._record_failures(types, error)
        for type_ in types:
            self._report_failure(type_, plans[type_].days, error)

    def _collect_granted(self, granted: Sequence[str], plans: Mapping[str, Plan]) -> None:
        for number, type_ in enumerate(granted):
            try:
                self._collect_type(type_, plans[type_])
            except OuraRateLimited as error:
                # The limit is on the token: another request would only prolong it.
                self._record_failures(granted[number + 1 :], error)
                break
            except _ENDS_RUN as error:
                self._fail_types(granted[number + 1 :], plans, error)
                break
            except RunEnded:
                raise
            except Exception as error:
                self._record_failure(type_, log_unexpected(error, type=type_))

    def _finish_run(self) -> None:
        if not self.options.dry_run:
            try:
                self.processor.finish_run()
            except ProcessorError as error:
                log.warning("run not finished", error=str(error))

    def _collect_type(self, type_: str, plan: Plan) -> None:
        """Fetch what is planned of a type. Raises the errors that end the run."""
        always = request_ranges(plan.always, self._fetcher.today)
        searched = subtract(plan.if_listed, always)
        spans = list_spans(searched)
        total = len(always) + len(spans) + len(plan.apart)
        self._bad_days = _bad_days(plan)
        began_at = self.clock()
        empty: list[Days] = []
        end: Exception | None = None
        try:
            for done, days in enumerate(always):
                self.progress(type_, done, total)
                self._collect_range(type_, days)
            for day in plan.apart:
                self._collect_range(type_, Days(day.start, day.end), is_bad=True)
            for done, span in enumerate(spans, len(always) + len(plan.apart)):
                self.progress(type_, done, total)
                empty += self._collect_listed(type_, intersect(searched, [span]))
        except (*_ENDS_TYPE, *_ENDS_RUN) as error:
            end = error
        # All at once: years without a ring are one request.
        self._report_empty(type_, merge(empty), began_at)
        if end:
            self._record_failure(type_, end)
            self._report_failure(type_, subtract(plan.days, self._tried[type_]), end)
            if isinstance(end, _ENDS_RUN):
                raise end
        self.progress(type_, total, total)

    def _collect_listed(self, type_: str, searched: Sequence[Days]) -> list[Days]:
        """Fetch those of the days that Oura lists, and return those that it is sure not to have.

        Where Oura does not answer with a list, fetch all of the days.
        """
        span = Days(searched[0].start, searched[-1].end)
        listed = self._listed_days(type_, span)
        if listed is None:
            for days in windows(searched)[::-1]:
                self._collect_range(type_, days)
            return []
        days_listed, is_certain = listed
        wanted = windows(intersect(from_days(days_listed), searched))
        for days in wanted[::-1]:
            self._collect_range(type_, days)
        empty = subtract(searched, wanted)
        if is_certain:
            return empty
        uncertain = OuraBadAnswer(
            "Oura's list has entries without a day, so none of the days can be marked as empty."
        )
        self._record_failure(type_, uncertain, span)
        self._report_failure(type_, empty, uncertain)
        return []

    def _listed_days(self, type_: str, span: Days) -> tuple[set[date], bool] | None:
        """Return the days that any collection has, and whether all entries had a day.

        None if Oura does not answer for so many days.
        """
        collections = TYPES[type_].collections
        if not all(self._fetcher.takes(collection, span) for collection in collections):
            return None
        listed: set[date] = set()
        is_certain = True
        for collection in collections:
            try:
                days, all_dated = self._fetcher.days(collection, span)
            except OuraError as error:
                if not error.is_divisible:
                    raise
                return None
            listed |= days
            is_certain &= all_dated
        return listed, is_certain

    def _collect_range(self, type_: str, days: Days, *, is_bad: bool = False) -> None:
        """Fetch a range and send it; days that failed are reported, and left as they are stored."""
        fetched_at = self.clock()
        result = self._fetch(type_, days, is_bad=is_bad)
        self._require_account()
        for failed, error in result.failures:
            self._record_failure(type_, error, failed)
            self._report_failure(type_, [failed], error)
        # What is stored may have more than such an answer.
        kept = intersect(
            result.narrow, [each for each in self._ledger[type_] if each.state.has_row]
        )
        tried = subtract([days], [*result.skipped, *kept])
        answered = subtract(tried, [failed for failed, _ in result.failures])
        certain = result.certain_days(answered)
        # Later days need not have anything yet.
        unsure = intersect(subtract(answered, certain), [Days(date.min, self._fetcher.today)])
        if unsure or result.malformed:
            error = OuraBadAnswer(result.why_unsure)
            is_known = bool(unsure) and all(self._is_lasting(type_, error, each) for each in unsure)
            self._record_failure(type_, error, days, is_repeat=is_known)
            self._report_failure(type_, unsure, error)
        for part in certain:
            self._send(type_, result, part, fetched_at)
        self._send_undated(type_, result, fetched_at)
        self._tried[type_] += tried
        log.info("range collected", type=type_, documents=result.document_count)

    def _send(self, type_: str, result: RangeResult, days: Days, fetched_at: datetime) -> None:
        documents = self._counted(type_, result.metric_documents(days))
        if self.options.dry_run:
            for _ in documents:
                pass
            return
        for receipt in self.processor.ingest(
            type_,
            documents,
            fetched_at=fetched_at,
            complete=days,
            page_count=result.page_count,
            document_count=result.document_count,
        ):
            self._count_receipt(type_, receipt)

    def _send_undated(self, type_: str, result: RangeResult, fetched_at: datetime) -> None:
        """Send documents without a day: the processor rejects, keeps, and later recognizes them."""
        undated = list(self._counted(type_, chain.from_iterable(result.undated.values())))
        if undated and not self.options.dry_run:
            for receipt in self.processor.ingest(type_, undated, fetched_at=fetched_at):
                self._count_receipt(type_, receipt)

    def _counted(self, type_: str, documents: Iterable[MetricDocument]) -> Iterator[MetricDocument]:
        tally = self.report.tallies[type_]
        for document in documents:
            tally.fetched += 1
            yield document

    def _report_empty(self, type_: str, ranges: Sequence[Days], listed_at: datetime) -> None:
        """Report to the processor that Oura's complete lists of days have none of these."""
        self._tried[type_] += ranges
        if self.options.dry_run or not ranges:
            return
        self._require_account()
        try:
            for days in ranges:
                for _ in self.processor.ingest(type_, [], fetched_at=listed_at, complete=days):
                    pass
        except ProcessorError as error:
            self._record_failure(type_, error)

    def _fetch(self, type_: str, days: Days, *, is_bad: bool) -> RangeResult:
        """Fetch a range of each collection, as far as Oura answers."""
        result = RangeResult(type_)
        pages_before = self._client.pages_read
        for collection in TYPES[type_].collections:
            answer = self._fetcher.fetch(collection, days, self._bad_days, is_bad=is_bad)
            result.add(collection, answer.documents)
            # A day fails once, for its first collection.
            failed = [days for days, _ in result.failures]
            result.failures += [
                (part, error)
                for each, error in answer.failures
                for part in subtract([each], failed)
            ]
            result.skipped += answer.skipped
            result.narrow += answer.narrow
            if answer.failed_days == [days]:
                break
        result.page_count = self._client.pages_read - pages_before
        return result

    def _list_standing_failures(self, plans: Mapping[str, Plan]) -> None:
        """Add the days to the report whose last fetch failed, and that were not fetched again."""
        for type_ in plans:
            for entry in self._ledger[type_]:
                if entry.failing is None or FailureKind(entry.failing.kind).is_refusal:
                    continue
                for days in subtract([entry], self._tried[type_]):
                    self._add_problem(
                        type_,
                        f"{days}: {entry.reason}",
                        entry.failing.kind,
                        is_repeat=entry.failing.is_lasting
                        or entry.failing.kind == FailureKind.REJECTED,
                    )

    def _report_failure(self, type_: str, ranges: Sequence[Days], error: Exception) -> None:
        """Report to the processor which ranges could not be fetched, and why.

        Best effort: a report that fails is only logged.
        """
        self._tried[type_] += ranges
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
        tally.warnings += receipt.warnings
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
        is_repeat = is_repeat or bool(days and self._is_lasting(type_, error, days))
        self.report.tallies.setdefault(type_, Tally()).failed += 1
        self._add_problem(
            type_, f"{days}: {error}" if days else str(error), kind, is_repeat=is_repeat
        )
        write = log.warning if is_repeat else log.error
        write("collection failed", type=type_, error_type=kind, error=str(error))

    def _is_lasting(self, type_: str, error: Exception, days: Days) -> bool:
        """Return whether all of the days have failed for the same reason for a long time."""
        reason = tuple(getattr(error, name, None) for name in ("kind", "status", "collection"))
        lasting = [
            entry
            for entry in self._ledger[type_]
            if (failing := entry.failing)
            and failing.is_lasting
            and (failing.kind, failing.status, failing.collection) == reason
        ]
        return not subtract([days], lasting)


def _collections(account: Account) -> list[tuple[str, ...]]:
    """Return the collections of each type that the account has access to."""
    return [each.collections for each in TYPES.values() if account.has_scope(each.scope)]


def _bad_days(plan: Plan) -> list[BadDay]:
    failing = ((day, day.failing) for day in plan.bad if day.failing)
    return [
        BadDay(day.start, day.end, KnownFailure(each.kind, each.status)) for day, each in failing
    ]


def _as_received(source: Source, texts: Mapping[int, bytes]) -> dict[str, Any]:
    """Return a source with Oura's own text for each document, which need not be written again.

    `texts` are by the documents' identity. Documents that may be nested too deeply to be sent stay
    as they are: `Processor.ingest` sends only their names.
    """

    def received(document: Any) -> Any:
        text = texts.get(id(document))
        if text is None or text.count(b"[") + text.count(b"{") > _SAFE_DEPTH:
            return document
        return orjson.Fragment(text)

    return {
        name: [received(each) for each in value] if isinstance(value, list) else received(value)
        for name, value in source.items()
    }


def _undated_document(collection: str, document: ListedDocument) -> MetricDocument:
    """Return what is sent to the processor of an Oura document that no row can be made from."""
    try:
        source: Any = orjson.loads(bytes(document.raw))
    except orjson.JSONDecodeError:
        source = None
    day = source.get("day") if isinstance(source, dict) else None
    return {"id": document.id, "day": day, "source": {collection: [source]}}
