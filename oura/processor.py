"""The processor, as the collector sees it: over HTTP, with one token."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

import orjson
import requests

from metrics import TYPES
from myhealth import __version__
from myhealth.days import ONE_DAY, Days
from oura.errors import ProcessorError, ProcessorUnavailable
from oura.exchange import Answer, ask
from oura.plan import Known
from oura.retries import Waiting, retry_after

MOST_DOCUMENTS = 5_000
# The processor takes 10 MiB; less at a time keeps the memory of both small.
MOST_BYTES = 2 * 1024 * 1024
NOT_UNDERSTOOD = (AttributeError, KeyError, TypeError, ValueError)
STRANGE = "The processor's answer can't be understood. Is PROCESSOR_URL right?"

Document = dict[str, Any]


@dataclass
class Receipt:
    """What the processor says of the documents sent.

    `rejected` has a sentence for each document; `again` of them were known before.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: tuple[str, ...] = ()
    again: int = 0


class Processor:
    """Raises ProcessorError; what may pass is tried again, since ingest is idempotent."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        user: str | None,
        origin: str,
        request_id: str,
        timeout: float = 60.0,
        waiting: Waiting | None = None,
    ) -> None:
        self.base_url = base_url
        self.user = user
        self.origin = origin
        self.timeout = (5.0, timeout)
        self.waiting = waiting or Waiting()
        self.session = requests.Session()
        self.session.trust_env = False
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

    def ledger(self) -> dict[str, list[Known]]:
        """The state of every day, from the first ring to tomorrow, by type."""
        found = self._get("/api/v1/metrics/ledger")
        try:
            return {name: known_of(found.get(name)) for name in TYPES}
        except NOT_UNDERSTOOD:
            raise ProcessorError(STRANGE) from None

    def report(
        self, type_: str, ranges: Sequence[Days], error: Exception, *, asked_at: datetime
    ) -> None:
        """Tell which ranges could not be read, and why. Tried once: the next run meets them."""
        kind = getattr(error, "kind", "error")
        body = {
            "type": type_,
            "user": self.user,
            "asked_at": asked_at,
            "ranges": [{"start": days.start, "end": days.end} for days in ranges],
            "kind": "processor" if isinstance(error, ProcessorError) else kind,
            "status": getattr(error, "status", None),
            "collection": getattr(error, "collection", None),
            "page": getattr(error, "page", None),
        }
        self._once("POST", "/api/v1/reports", data=orjson.dumps(body))

    def finish(self) -> dict[str, Any]:
        """End the run; returns what it brought, and the days that are missing after it."""
        return json_of(self._ask("POST", "/api/v1/runs", data=orjson.dumps({"user": self.user})))

    def _get(self, path: str) -> dict[str, Any]:
        parameters = {"user": self.user} if self.user else {}
        found = json_of(self._ask("GET", path, params=parameters))
        if not found:
            raise ProcessorError(STRANGE)
        return found

    def ingest(
        self,
        type_: str,
        documents: Iterable[Document],
        *,
        fetched_at: datetime,
        span: Days | None = None,
        pages: int | None = None,
        read: int | None = None,
    ) -> Iterator[Receipt]:
        """Send the documents; a receipt for each request.

        With a `span` they are, in the order of their days, all that Oura has of it: `read` of
        Oura's documents on so many `pages`.
        """
        for batch, part in batches(documents, span):
            told: dict[str, Any] | None = None
            if part:
                told = {"start": part.start, "end": part.end}
                if pages is not None:
                    told |= {"pages": pages, "documents": read}
            envelope = orjson.dumps(
                {
                    "type": type_,
                    "user": self.user,
                    "origin": self.origin,
                    "fetched_at": fetched_at,
                    "read": told,
                    "data": [orjson.Fragment(document) for document in batch],
                }
            )
            yield receipt_of(self._ask("POST", "/api/v1/ingest", data=envelope))

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        return self.waiting.retrying(ProcessorUnavailable)(self._once, method, path, **options)

    def _once(self, method: str, path: str, **options: Any) -> Answer:
        url = self.base_url + path
        try:
            answer = ask(self.session, method, url, timeout=self.timeout, **options)
        except requests.RequestException as error:
            raise ProcessorUnavailable(
                f"The processor can't be reached ({type(error).__name__}). "
                "Is it running, and is PROCESSOR_URL right?"
            ) from None
        try:
            raise_for(answer)
        except ProcessorError as error:
            error.status = answer.status
            raise
        return answer


def raise_for(answer: Answer) -> None:
    if 200 <= answer.status < 300 or is_refusal(answer):
        return
    if answer.status >= 500 or answer.status == 429:
        wait = retry_after(answer.headers.get("Retry-After"))
        raise ProcessorUnavailable(f"The processor failed ({answer.status}).", wait)
    if answer.status == 401:
        raise ProcessorError("The processor refuses our token. Check INGEST_TOKENS on both sides.")
    if 300 <= answer.status < 400:
        raise ProcessorError(
            f"The processor's address sends us elsewhere ({answer.status}). Is PROCESSOR_URL right?"
        )
    raise ProcessorError(f"The processor refused: {detail_of(answer)}")


def is_refusal(answer: Answer) -> bool:
    """A 400 that is an outcome: every document of the request was rejected."""
    return answer.status == 400 and json_of(answer).get("status") == "failed"


def json_of(answer: Answer) -> dict[str, Any]:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def detail_of(answer: Answer) -> str:
    return str(json_of(answer).get("detail") or f"status {answer.status}.")


def known_of(ranges: Any) -> list[Known]:
    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    if not isinstance(ranges, list):
        raise TypeError
    return [
        Known(
            date.fromisoformat(each["from"]),
            date.fromisoformat(each["to"]),
            each["state"],
            each["why"],
            moment(each["asked_at"]),
            moment(each["next_at"]),
            each["times"],
        )
        for each in ranges
    ]


def receipt_of(answer: Answer) -> Receipt:
    body = json_of(answer)
    try:
        return Receipt(
            int(body["created"]),
            int(body["updated"]),
            int(body["unchanged"]),
            tuple(refusal_of(each) for each in body["rejected"]),
            int(answer.headers.get("Rejected-Again", 0)),
        )
    except NOT_UNDERSTOOD:
        raise ProcessorError(STRANGE) from None


def serialised(document: Document) -> bytes:
    """The document as JSON. What is nested deeper than JSON writers go is for the processor to
    refuse by name, so that it costs no other day.
    """
    try:
        return orjson.dumps(document)
    except TypeError:
        told = {"id": document.get("id"), "day": document.get("day")}
        return orjson.dumps({**told, "source": "nested too deeply"})


def refusal_of(rejected: dict[str, Any]) -> str:
    name = rejected["id"] or "without an id"
    errors = rejected["errors"].items()
    reason = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in errors)
    return f"The processor rejected document {name}: {reason}"


def batches(
    documents: Iterable[Document], span: Days | None
) -> Iterator[tuple[list[bytes], Days | None]]:
    """Serialised documents in requests of bounded size, each with the part of the span it covers.

    A span without documents is told by a request without any.
    """
    chunks = bounded(documents)
    if span is None:
        yield from ((texts, None) for texts, _ in chunks)
        return
    start = span.start
    texts, last = next(chunks, ([], {}))
    for more, latest in chunks:
        newest = date.fromisoformat(last["day"])
        yield texts, Days(start, newest)
        texts, last, start = more, latest, newest + ONE_DAY
    yield texts, Days(start, span.end)


def bounded(documents: Iterable[Document]) -> Iterator[tuple[list[bytes], Document]]:
    """Serialised documents, as many as one request may have, and the last of them."""
    texts: list[bytes] = []
    size = 0
    last: Document = {}
    for document in documents:
        text = serialised(document)
        if texts and (size + len(text) > MOST_BYTES or len(texts) >= MOST_DOCUMENTS):
            yield texts, last
            texts, size = [], 0
        texts.append(text)
        size, last = size + len(text), document
    if texts:
        yield texts, last
