"""The processor, as the collector sees it: over HTTP, with one token."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

import orjson
import requests

from myhealth import __version__
from oura.errors import ProcessorError, ProcessorUnavailable
from oura.retries import retry_after, retrying

MOST_DOCUMENTS = 5_000
# Under the processor's 10 MiB, with room for what surrounds the documents.
MOST_BYTES = 8 * 1024 * 1024


@dataclass
class Receipt:
    """What the processor says of the documents sent; `again` of the rejected were known before."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: tuple[dict[str, Any], ...] = ()
    again: int = 0


@dataclass
class Coverage:
    """The days held of one type."""

    first: date | None
    last: date | None
    missing: list[tuple[date, date]]

    def __contains__(self, day: date) -> bool:
        if self.first is None or self.last is None or not self.first <= day <= self.last:
            return False
        return not any(start <= day <= end for start, end in self.missing)


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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url
        self.user = user
        self.origin = origin
        self.timeout = (5.0, timeout)
        self.sleep = sleep
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

    def coverage(self) -> dict[str, Coverage]:
        parameters = {"user": self.user} if self.user else {}
        answer = self._ask("GET", "/api/v1/metrics/coverage", params=parameters).json()
        return {name: coverage_of(held) for name, held in answer.items()}

    def ingest(
        self,
        type_: str,
        documents: Sequence[dict[str, Any]],
        *,
        fetched_at: datetime,
        start: date,
        end: date,
    ) -> Iterator[Receipt]:
        """Send all documents of a range that was read whole; a receipt for each request."""
        for batch, first, last in batches(documents, start, end):
            envelope = orjson.dumps(
                {
                    "type": type_,
                    "user": self.user,
                    "origin": self.origin,
                    "fetched_at": fetched_at,
                    "read": {"start": first, "end": last},
                    "data": [orjson.Fragment(document) for document in batch],
                }
            )
            yield receipt_of(self._ask("POST", "/api/v1/ingest", data=envelope))

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return retrying(ProcessorUnavailable, self.sleep)(self._once, method, path, **options)

    def _once(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            response = self.session.request(
                method, self.base_url + path, timeout=self.timeout, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise ProcessorUnavailable(
                f"The processor can't be reached ({type(error).__name__}). "
                "Is it running, and is PROCESSOR_URL right?"
            ) from None
        if response.status_code >= 500 or response.status_code == 429:
            wait = retry_after(response.headers.get("Retry-After"))
            raise ProcessorUnavailable(f"The processor failed ({response.status_code}).", wait)
        if response.status_code == 401:
            raise ProcessorError(
                "The processor refuses our token. Check INGEST_TOKENS on both sides."
            )
        if not (response.ok or is_refusal(response)):
            raise ProcessorError(f"The processor refused: {detail_of(response)}")
        return response


def is_refusal(response: requests.Response) -> bool:
    """A 400 that is an outcome: every document of the request was rejected."""
    return response.status_code == 400 and json_of(response).get("status") == "failed"


def json_of(response: requests.Response) -> dict[str, Any]:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def detail_of(response: requests.Response) -> str:
    return str(json_of(response).get("detail") or f"status {response.status_code}.")


def coverage_of(held: dict[str, Any]) -> Coverage:
    def day(value: str | None) -> date | None:
        return date.fromisoformat(value) if value else None

    missing = [
        (date.fromisoformat(start), date.fromisoformat(end)) for start, end in held["missing"]
    ]
    return Coverage(day(held["first"]), day(held["last"]), missing)


def receipt_of(response: requests.Response) -> Receipt:
    body = json_of(response)
    try:
        return Receipt(
            body["created"],
            body["updated"],
            body["unchanged"],
            tuple(body["rejected"]),
            int(response.headers.get("Rejected-Again", 0)),
        )
    except (KeyError, TypeError, ValueError):
        raise ProcessorError("The processor's answer can't be understood.") from None


def batches(
    documents: Sequence[dict[str, Any]], start: date, end: date
) -> Iterator[tuple[list[bytes], date, date]]:
    """Serialised documents in requests of bounded size, each with the part of the range it covers.

    The documents are in the order of their days.
    """
    batch: list[bytes] = []
    size, first, newest = 0, start, start
    for document in documents:
        text = orjson.dumps(document)
        if batch and (size + len(text) > MOST_BYTES or len(batch) >= MOST_DOCUMENTS):
            yield batch, first, newest
            batch, size, first = [], 0, newest + timedelta(days=1)
        batch.append(text)
        size += len(text)
        newest = date.fromisoformat(document["day"])
    yield batch, first, end
