"""A read-only client of the Oura Cloud API v2. It raises the errors of `oura.errors` only."""

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
from oura.exchange import MAX_RESPONSE_BYTES, Response, ResponseTooLarge, send_request
from oura.retries import RetryTime, retry_after

_CONNECT_TIMEOUT = 5.0
# Some collections end a range before its last day, some after it (measured in 2026): ask for more
# at both ends, and keep the documents of the wanted days.
_PADDING = timedelta(days=2)
_MAX_PAGES = 10_000


class OuraClient:
    """A client for one Oura account, over one HTTP connection.

    `renew_token` returns a new token for one that Oura refused. It is called once at most, since
    Oura answers a scope that was not granted with the same 401. `before_request` is called before
    each request.
    Methods raise the errors of `oura.errors`, whose text never has a token.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 30.0,
        retry_time: RetryTime | None = None,
        renew_token: Callable[[str], str] | None = None,
        before_request: Callable[[], None] = lambda: None,
    ) -> None:
        self.base_url = base_url
        self.token = token
        self.renew_token = renew_token
        self.before_request = before_request
        self.timeout = (_CONNECT_TIMEOUT, timeout)
        self.retry_time = retry_time or RetryTime()
        self.session = requests.Session()
        # No .netrc or proxy setting may decide where a token goes.
        self.session.trust_env = False
        self.session.headers["User-Agent"] = f"myhealth/{__version__}"
        self.pages_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def documents(self, collection: str, wanted: Days) -> list[Any]:
        """Return all documents whose `day` is one of these, and those without a day."""
        return [
            document
            for page in self._pages(collection, wanted)
            for document in page
            if (day := day_of(document)) is None or day in wanted
        ]

    def days(self, collection: str, wanted: Days) -> tuple[set[date], bool]:
        """Return which of the days the collection has, and whether all entries had a day.

        Only if they had, all other days are sure to have no document. The answer is small, since
        Oura is asked for this one field.
        """
        listed = {
            day_of(document)
            for page in self._pages(collection, wanted, fields="day")
            for document in page
        }
        return {day for day in listed if day and day in wanted}, None not in listed

    def _pages(self, collection: str, wanted: Days, *, fields: str = "") -> Iterator[list[Any]]:
        """Yield each page of the collection that Oura has for the days and some around them.

        A page that fails raises, so that part of a range is never taken for all of it.
        """
        parameters = {
            "start_date": (wanted.start - _PADDING).isoformat(),
            "end_date": (wanted.end + _PADDING).isoformat(),
        }
        if fields:
            parameters["fields"] = fields
        tokens: set[str] = set()
        while True:
            try:
                documents, token = self._page(collection, parameters)
            except OuraError as error:
                error.collection, error.page = collection, len(tokens) + 1
                raise
            self.pages_read += 1
            yield documents
            if not token:
                return
            if token in tokens:
                raise OuraBadAnswer(
                    f"Oura repeats a page of {collection}, so the range can't be fetched."
                )
            if len(tokens) >= _MAX_PAGES:
                raise OuraBadAnswer(f"Oura has more than {_MAX_PAGES} pages of {collection}.")
            tokens.add(token)
            parameters = {**parameters, "next_token": token}

    def _page(self, collection: str, parameters: dict[str, str]) -> tuple[list[Any], str | None]:
        retrying = self.retry_time.retrying(OuraUnavailable)
        page = retrying(self._get_with_renewal, collection, parameters)
        documents, token = page.get("data"), page.get("next_token")
        if not isinstance(documents, list) or not (token is None or isinstance(token, str)):
            raise OuraBadAnswer(f"Oura's answer for {collection} has no list of documents.")
        return documents, token

    def _get_with_renewal(self, collection: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            return self._get(collection, parameters)
        except OuraUnauthorized:
            if self.renew_token is None:
                raise
            self.token = self.renew_token(self.token)
            self.renew_token = None
        return self._get(collection, parameters)

    def _get(self, collection: str, parameters: dict[str, str]) -> dict[str, Any]:
        self.before_request()
        try:
            response = send_request(
                self.session,
                "GET",
                f"{self.base_url}/v2/usercollection/{collection}",
                params=parameters,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=self.timeout,
            )
        except requests.Timeout:
            raise OuraUnavailable(f"Oura did not answer for {collection} in time.") from None
        except ResponseTooLarge:
            raise OuraBadAnswer(
                f"Oura's answer for {collection} is larger than {MAX_RESPONSE_BYTES} bytes."
            ) from None
        except requests.RequestException as error:
            raise OuraUnavailable(
                f"Oura can't be reached for {collection} ({type(error).__name__})."
            ) from None
        try:
            _raise_for_status(response, collection)
        except OuraError as error:
            error.status = response.status
            raise
        try:
            page = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            raise OuraUnavailable(f"Oura's answer for {collection} is not valid JSON.") from None
        if not isinstance(page, dict):
            raise OuraBadAnswer(f"Oura's answer for {collection} is not an object.")
        return page


def _raise_for_status(response: Response, collection: str) -> None:
    status = response.status
    if status == 200:
        return
    if status == 401:
        raise OuraUnauthorized(
            f"Oura rejected the access token for {collection} (401): it is wrong, expired or "
            "revoked, or it lacks the scope. Create a new token, or reconnect the account."
        )
    if status == 403:
        raise OuraForbidden(
            f"Oura denied access to {collection} (403): the scope was not granted or the "
            "membership has expired. Grant the scope or renew the membership at Oura."
        )
    if status == 426:
        raise OuraForbidden(
            f"Oura requires a newer version of its mobile app for {collection} (426). "
            "Update the Oura app."
        )
    if status == 429:
        wait = retry_after(response.headers.get("Retry-After"))
        raise OuraRateLimited(f"Oura's rate limit is reached (429) for {collection}.", wait)
    if status >= 500 or status == 408:
        raise OuraUnavailable(
            f"Oura answered the request for {collection} with an error ({status})."
        )
    raise OuraBadAnswer(f"Oura did not accept the request for {collection} ({status}).")


def origin_of(url: str) -> str:
    """Return the origin of data from this URL: only Oura's own host has real data."""
    host = urlsplit(url).hostname or ""
    return "oura" if host == "ouraring.com" or host.endswith(".ouraring.com") else "sandbox"


def day_of(document: Any) -> date | None:
    """Return the document's `day`, or None. A timestamp could be of another date."""
    return parse_day(document.get("day")) if isinstance(document, dict) else None
