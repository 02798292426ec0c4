"""A client of the processor's API, for the collector."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

import orjson
import requests

from metrics import TYPES
from myhealth import __version__
from myhealth.days import ONE_DAY, Days
from myhealth.outgoing import direct_session
from myhealth.states import FailureKind, State
from oura.errors import ProcessorError, ProcessorUnavailable, RunEnded
from oura.exchange import Response, send_request
from oura.plan import Failing, LedgerRange
from oura.retries import RetryTime, retry_after

MAX_BATCH_DOCUMENTS = 5_000
# The processor accepts 10 MiB; smaller requests need less memory on both sides.
MAX_BATCH_BYTES = 2 * 1024 * 1024
# What reading an answer of an unexpected form raises.
_FORM_ERRORS = (AttributeError, KeyError, TypeError, ValueError)
_UNEXPECTED_ANSWER = (
    "The collector can't understand the processor's answer. Is PROCESSOR_URL right?"
)

_GENERATION = "Data-Generation"
# After the ledger, these say that the data, or the account with them, were deleted meanwhile.
_CODES_OF_DELETION = ("data_deleted", "unknown_user")

MetricDocument = dict[str, Any]


@dataclass
class Receipt:
    """The processor's answer to one request with documents.

    `rejected` has a sentence for each rejected document; `rejected_again` is how many of them had
    been rejected before; `warnings` how many documents were stored without some of their values.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: tuple[str, ...] = ()
    rejected_again: int = 0
    warnings: int = 0


class Processor:
    """A connection to the processor, for one user.

    Methods raise ProcessorError. Temporary failures are retried: all requests are idempotent.
    `owner` is the id of the Oura account whose data the user has, empty if it is not known; it is
    read with the ledger, and sent with documents. So is the generation of the user's data: when
    they are deleted after that, methods raise RunEnded.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        user: str | None,
        origin: str,
        request_id: str,
        timeout: float = 60.0,
        retry_time: RetryTime | None = None,
        ca_bundle: str = "",
    ) -> None:
        self.base_url = base_url
        self.user = user
        self.origin = origin
        self.owner = ""
        self.timeout = (5.0, timeout)
        self.retry_time = retry_time or RetryTime()
        self.session = direct_session()
        self.session.verify = ca_bundle or True
        self.session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "User-Agent": f"myhealth-collector/{__version__}",
                "X-Request-ID": request_id,
                "Content-Type": "application/json",
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def ledger(self) -> dict[str, list[LedgerRange]]:
        """Return the state of every day, from FIRST_DAY to tomorrow, by type."""
        parameters = {"user": self.user} if self.user else {}
        response = self._send("GET", "/api/v1/metrics/ledger", params=parameters)
        self.owner = response.headers.get("Owner", "")
        # A processor of an earlier version sends none.
        if generation := response.headers.get(_GENERATION):
            self.session.headers[_GENERATION] = generation
        body = _json_object(response)
        try:
            return {name: _ledger_ranges(body[name]) for name in TYPES}
        except _FORM_ERRORS:
            raise ProcessorError(_UNEXPECTED_ANSWER) from None

    def report_failure(
        self, type_: str, ranges: Sequence[Days], error: Exception, *, asked_at: datetime
    ) -> None:
        """Report which ranges could not be fetched, and why.

        Sent only once: if it is lost, the ranges are due at the next run all the same.
        """
        kind = getattr(error, "kind", FailureKind.ERROR)
        body = {
            "type": type_,
            "user": self.user,
            "asked_at": asked_at,
            "ranges": [{"start": days.start, "end": days.end} for days in ranges],
            "kind": FailureKind.PROCESSOR if isinstance(error, ProcessorError) else kind,
            "status": getattr(error, "status", None),
            "collection": getattr(error, "collection", None),
            "page": getattr(error, "page", None),
        }
        self._send_once("POST", "/api/v1/reports", data=orjson.dumps(body))

    def finish_run(self) -> None:
        """Report that the run has ended."""
        self._send("POST", "/api/v1/runs", data=orjson.dumps({"user": self.user}))

    def ingest(
        self,
        type_: str,
        documents: Iterable[MetricDocument],
        *,
        fetched_at: datetime,
        complete: Days | None = None,
        page_count: int | None = None,
        document_count: int | None = None,
    ) -> Iterator[Receipt]:
        """Send the documents, and yield a receipt for each request.

        With a `complete` range, the documents must be all that Oura has of it, in the order of
        their days. The counts are of Oura's pages and documents that the range was made from.
        """
        for batch, part in batches(documents, complete):
            read: dict[str, Any] | None = None
            if part:
                read = {"start": part.start, "end": part.end}
                if page_count is not None:
                    read |= {"pages": page_count, "documents": document_count}
            envelope = orjson.dumps(
                {
                    "type": type_,
                    "user": self.user,
                    "origin": self.origin,
                    "owner": self.owner or None,
                    "fetched_at": fetched_at,
                    "read": read,
                    "data": [orjson.Fragment(document) for document in batch],
                }
            )
            yield _to_receipt(self._send("POST", "/api/v1/ingest", data=envelope))

    def _send(self, method: str, path: str, **options: Any) -> Response:
        retrying = self.retry_time.retrying(ProcessorUnavailable)
        return retrying(self._send_once, method, path, **options)

    def _send_once(self, method: str, path: str, **options: Any) -> Response:
        url = self.base_url + path
        try:
            response = send_request(self.session, method, url, timeout=self.timeout, **options)
        except requests.RequestException as error:
            raise ProcessorUnavailable(
                f"The processor can't be reached ({type(error).__name__}). "
                "Is it running, and is PROCESSOR_URL right?"
            ) from None
        try:
            _raise_for_status(response)
        except ProcessorError as error:
            error.status = response.status
            code = _json_object(response).get("code")
            if _GENERATION in self.session.headers and code in _CODES_OF_DELETION:
                raise RunEnded("The person's data were deleted.") from None
            raise
        return response


def _raise_for_status(response: Response) -> None:
    if 200 <= response.status < 300 or _all_rejected(response):
        return
    if response.status >= 500 or response.status == 429:
        wait = retry_after(response.headers.get("Retry-After"))
        detail = _json_object(response).get("detail") or ""
        sentence = f"The processor failed ({response.status}). {detail}".strip()
        raise ProcessorUnavailable(sentence, wait)
    if response.status == 401:
        raise ProcessorError(
            "The processor rejected the collector's token. Check INGEST_TOKENS on both sides."
        )
    if 300 <= response.status < 400:
        raise ProcessorError(
            f"The processor redirects to another address ({response.status}). "
            "Is PROCESSOR_URL right?"
        )
    detail = _json_object(response).get("detail") or f"status {response.status}."
    raise ProcessorError(f"The processor rejected the request: {detail}")


def _all_rejected(response: Response) -> bool:
    """Return whether it is a 400 with a receipt: every document of the request was rejected."""
    return response.status == 400 and _json_object(response).get("status") == "failed"


def _json_object(response: Response) -> dict[str, Any]:
    """Return the body's JSON object; an empty one if it is anything else."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _ledger_ranges(ranges: Any) -> list[LedgerRange]:
    def parse_time(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    def parse_failing(failing: Any) -> Failing | None:
        if failing is None:
            return None
        return Failing(
            failing["kind"], failing["status"], failing["collection"], failing["lasting"]
        )

    if not isinstance(ranges, list):
        raise TypeError
    # A newer processor may have further states; days in those are not planned by.
    return [
        LedgerRange(
            date.fromisoformat(entry["from"]),
            date.fromisoformat(entry["to"]),
            State(entry["state"]),
            entry["why"],
            parse_time(entry["asked_at"]),
            parse_time(entry["next_at"]),
            entry["times"],
            entry.get("reason") or "",
            parse_failing(entry.get("failing")),
        )
        for entry in ranges
        if entry["state"] in State.values
    ]


def _to_receipt(response: Response) -> Receipt:
    body = _json_object(response)
    try:
        return Receipt(
            int(body["created"]),
            int(body["updated"]),
            int(body["unchanged"]),
            tuple(map(_describe_rejection, body["rejected"])),
            int(response.headers.get("Rejected-Again", 0)),
            len(body.get("warnings", ())),
        )
    except _FORM_ERRORS:
        raise ProcessorError(_UNEXPECTED_ANSWER) from None


def _describe_rejection(rejected: dict[str, Any]) -> str:
    name = rejected["id"] or "without an id"
    errors = rejected["errors"].items()
    reason = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in errors)
    return f"The processor rejected document {name}: {reason}"


def _serialize(document: MetricDocument) -> bytes:
    """Return the document as JSON.

    Of one that is nested too deeply for orjson, only the id and the day are sent: the processor
    rejects it by name, and all other days are stored.
    """
    try:
        return orjson.dumps(document)
    except TypeError:
        identity = {"id": document.get("id"), "day": document.get("day")}
        return orjson.dumps({**identity, "source": "nested too deeply"})


def batches(
    documents: Iterable[MetricDocument], complete: Days | None
) -> Iterator[tuple[list[bytes], Days | None]]:
    """Yield serialized documents for requests of bounded size, and the range each completes.

    A complete range without documents yields one batch without any.
    """
    chunks = _chunks(documents)
    if complete is None:
        yield from ((texts, None) for texts, _ in chunks)
        return
    start = complete.start
    texts, last = next(chunks, ([], {}))
    for next_texts, next_last in chunks:
        end = date.fromisoformat(last["day"])
        yield texts, Days(start, end)
        texts, last, start = next_texts, next_last, end + ONE_DAY
    yield texts, Days(start, complete.end)


def _chunks(
    documents: Iterable[MetricDocument],
) -> Iterator[tuple[list[bytes], MetricDocument]]:
    """Yield as many serialized documents as one request may have, and the last of them."""
    texts: list[bytes] = []
    size = 0
    last: MetricDocument = {}
    for document in documents:
        text = _serialize(document)
        is_full = size + len(text) > MAX_BATCH_BYTES or len(texts) >= MAX_BATCH_DOCUMENTS
        if texts and is_full:
            yield texts, last
            texts, size = [], 0
        texts.append(text)
        size, last = size + len(text), document
    if texts:
        yield texts, last
