"""The Oura Cloud API v2, read-only. Nothing of `requests` leaves this module."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
import requests

from myhealth import __version__
from myhealth.days import Days, parse_day
from oura.errors import (
    OuraBadAnswer,
    OuraError,
    OuraForbidden,
    OuraRateLimited,
    OuraUnauthorized,
    OuraUnavailable,
)
from oura.exchange import MOST_BYTES, Answer, TooLarge, ask
from oura.retries import Waiting, retry_after

CONNECT_TIMEOUT = 5.0
# Oura ends some ranges before, some after their last day (facts measured in 2026): ask for more
# at both ends, and keep what has the wanted day.
PADDING = timedelta(days=2)
MOST_PAGES = 10_000


class OuraClient:
    """One person's view of the API, over one connection.

    `renew` gives a token for one that Oura refuses; it is asked once, since a scope that is not
    granted is refused with the same 401. `spend` is called before each request.
    Raises the errors of `oura.errors`; a token is never part of one.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 30.0,
        waiting: Waiting | None = None,
        renew: Callable[[str], str] | None = None,
        spend: Callable[[], None] = lambda: None,
    ) -> None:
        self.base_url = base_url
        self.token = token
        self.renew = renew
        self.spend = spend
        self.timeout = (CONNECT_TIMEOUT, timeout)
        self.waiting = waiting or Waiting()
        self.session = requests.Session()
        # A .netrc or proxy setting must not decide where a token goes.
        self.session.trust_env = False
        self.session.headers["User-Agent"] = f"myhealth/{__version__}"
        self.pages_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def pages(
        self, collection: str, start: date, end: date, *, fields: str = ""
    ) -> Iterator[list[Any]]:
        """Yield each page of the collection's documents that Oura gives for start to end.

        A page that fails raises: nobody takes half a range for a whole one.
        """
        parameters = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        if fields:
            parameters["fields"] = fields
        seen: set[str] = set()
        while True:
            try:
                documents, token = self._page(collection, parameters)
            except OuraError as error:
                error.collection, error.page = collection, len(seen) + 1
                raise
            self.pages_read += 1
            yield documents
            if not token:
                return
            if token in seen or len(seen) >= MOST_PAGES:
                raise OuraBadAnswer(f"Oura repeats a page of {collection}; the range is not read.")
            seen.add(token)
            parameters = {**parameters, "next_token": token}

    def documents(self, collection: str, wanted: Days) -> list[Any]:
        """All documents whose `day` is one of these, and those without one."""
        return [
            document
            for page in self.pages(collection, wanted.start - PADDING, wanted.end + PADDING)
            for document in page
            if (day := day_of(document)) is None or day in wanted
        ]

    def days(self, collection: str, wanted: Days) -> tuple[set[date], bool]:
        """Those of the days that the collection has documents of, by a small answer.

        Besides: whether each entry told its day, so that no other day can have any.
        """
        found = {
            day_of(document)
            for page in self.pages(
                collection, wanted.start - PADDING, wanted.end + PADDING, fields="day"
            )
            for document in page
        }
        return {day for day in found if day and day in wanted}, None not in found

    def _page(self, collection: str, parameters: dict[str, str]) -> tuple[list[Any], str | None]:
        answer = self.waiting.retrying(OuraUnavailable)(self._renewed, collection, parameters)
        documents, token = answer.get("data"), answer.get("next_token")
        if not isinstance(documents, list) or not (token is None or isinstance(token, str)):
            raise OuraBadAnswer(f"Oura's answer for {collection} has no list of documents.")
        return documents, token

    def _renewed(self, collection: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            return self._get(collection, parameters)
        except OuraUnauthorized:
            if self.renew is None:
                raise
            self.token = self.renew(self.token)
            self.renew = None
        return self._get(collection, parameters)

    def _get(self, collection: str, parameters: dict[str, str]) -> dict[str, Any]:
        self.spend()
        try:
            answer = ask(
                self.session,
                "GET",
                f"{self.base_url}/v2/usercollection/{collection}",
                params=parameters,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=self.timeout,
            )
        except requests.Timeout:
            raise OuraUnavailable(f"Oura did not answer for {collection} in time.") from None
        except TooLarge:
            raise OuraBadAnswer(
                f"Oura's answer for {collection} is larger than {MOST_BYTES} bytes."
            ) from None
        except requests.RequestException as error:
            raise OuraUnavailable(
                f"Oura can't be reached for {collection} ({type(error).__name__})."
            ) from None
        try:
            raise_for(answer, collection)
        except OuraError as error:
            error.status = answer.status
            raise
        try:
            page = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise OuraUnavailable(f"Oura's answer for {collection} is not valid JSON.") from None
        if not isinstance(page, dict):
            raise OuraBadAnswer(f"Oura's answer for {collection} is not an object.")
        return page


def raise_for(answer: Answer, collection: str) -> None:
    status = answer.status
    if status == 200:
        return
    if status == 401:
        raise OuraUnauthorized(
            f"Oura refuses the access token for {collection} (401): it is wrong, expired, revoked "
            "or lacks the scope. Make a new one, or connect the account again."
        )
    if status == 403:
        raise OuraForbidden(
            f"Oura does not permit {collection} (403): the scope was not granted or the "
            "membership has run out. Grant it, or renew the membership, at Oura."
        )
    if status == 426:
        raise OuraForbidden(
            f"Oura wants a newer mobile app for {collection} (426). Update the Oura app."
        )
    if status == 429:
        wait = retry_after(answer.headers.get("Retry-After"))
        raise OuraRateLimited(f"Oura's rate limit is reached (429) for {collection}.", wait)
    if status >= 500 or status == 408:
        raise OuraUnavailable(f"Oura failed for {collection} ({status}).")
    raise OuraBadAnswer(f"Oura did not accept the request for {collection} ({status}).")


def origin_of(url: str) -> str:
    """Only Oura's own host gives real data; whatever else answers is a stand-in."""
    host = urlsplit(url).hostname or ""
    return "oura" if host == "ouraring.com" or host.endswith(".ouraring.com") else "sandbox"


def day_of(document: Any) -> date | None:
    """The document's own `day`; never derived from a timestamp, which may tell another date."""
    return parse_day(document.get("day")) if isinstance(document, dict) else None
