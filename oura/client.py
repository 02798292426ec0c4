"""A read-only client of the Oura Cloud API v2. It raises the errors of `oura.errors` only."""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Self

import msgspec
import requests
import urllib3
from msgspec import Raw

from myhealth import __version__
from myhealth.days import Days, parse_day
from oura.errors import (
    OuraBadAnswer,
    OuraError,
    OuraForbidden,
    OuraNotFound,
    OuraRateLimited,
    OuraUnauthorized,
    OuraUnavailable,
    OuraUnreachable,
)
from oura.exchange import (
    MAX_RESPONSE_BYTES,
    PROXY_PASSWORD,
    Response,
    ResponseTooLarge,
    connection_problem,
    send_request,
    session_for,
)
from oura.retries import RetryTime, retry_after

_CONNECT_TIMEOUT = 5.0
# Two years of documents, each on a page of its own.
_MAX_PAGES = 5_000
_MAX_EMPTY_PAGES = 20
# These concern no range: a part of one is asked for again as well.
_LASTING_ERRORS = (OuraUnreachable, OuraRateLimited)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")


class _Page(msgspec.Struct):
    """A page of a list. Documents stay JSON: as Python objects they need ten times the memory."""

    data: list[Raw]
    next_token: str | None = None


class _Identity(msgspec.Struct):
    id: Any = None
    day: Any = None


_read_identity = msgspec.json.Decoder(_Identity).decode


class ListedDocument:
    """An entry of a list: its JSON, its id and its `day`, each None if it has none.

    `is_object` is False for an entry that is no JSON object.
    """

    __slots__ = ("day", "id", "is_object", "raw")

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.id: Any = None
        self.day: date | None = None
        try:
            identity = _read_identity(raw)
        except msgspec.DecodeError:
            self.is_object = False
        else:
            self.is_object = True
            # A timestamp could be of another date.
            self.id, self.day = identity.id, parse_day(identity.day)


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
        self.session = session_for(base_url)
        self.session.headers["User-Agent"] = f"myhealth/{__version__}"
        self.pages_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def documents(
        self, collection: str, asked: Days, *, fields: str = "", is_part: bool = False
    ) -> list[ListedDocument]:
        """Return what Oura lists for a request from the first to the last of the days.

        Which of them it includes depends on the collection. With `fields`, documents need not have
        others. Requests are retried; those for a part of a range (`is_part`) only if Oura can't be
        reached or its rate limit is.
        """
        parameters = _date_parameters(asked)
        if fields:
            parameters["fields"] = fields
        errors = _LASTING_ERRORS if is_part else (OuraUnavailable,)
        pages = self._pages(collection, parameters, errors)
        return [ListedDocument(raw) for page in pages for raw in page]

    def check(self, collection: str, asked: Days) -> None:
        """Ask for the first page only. Raises OuraError if Oura does not answer."""
        self._page(collection, _date_parameters(asked), _LASTING_ERRORS)

    def user_id(self) -> str:
        """Return Oura's own id of the account."""
        identity = self.retry_time.retrying(OuraUnavailable)(self._parsed_identity)
        return parse_user_id(identity.id)

    def _parsed_identity(self) -> _Identity:
        body = self._get_with_renewal("personal_info", {})
        try:
            return _read_identity(body)
        except msgspec.ValidationError:
            return _Identity()
        except (msgspec.DecodeError, RecursionError):
            raise OuraUnavailable("Oura's answer for personal_info is not valid JSON.") from None

    def _pages(
        self, collection: str, parameters: dict[str, str], errors: tuple[type[OuraError], ...]
    ) -> Iterator[list[Raw]]:
        """Yield each page of the collection; retry on these errors.

        A page that fails raises, so that part of a range is never taken for all of it.
        """
        tokens: set[str] = set()
        seen: set[int] = set()
        empty_in_a_row = 0
        while True:
            try:
                page = self._page(collection, parameters, errors)
            except OuraError as error:
                error.collection, error.page = collection, len(tokens) + 1
                raise
            self.pages_read += 1
            yield page.data
            token = page.next_token
            if not token:
                return
            if token in tokens:
                raise OuraBadAnswer(
                    f"Oura repeats a page of {collection}, so the range can't be fetched."
                )
            # Hashes: the documents themselves would be in memory twice.
            documents = {hash(bytes(raw)) for raw in page.data}
            empty_in_a_row = 0 if documents - seen else empty_in_a_row + 1
            seen |= documents
            if empty_in_a_row >= _MAX_EMPTY_PAGES or len(tokens) >= _MAX_PAGES:
                raise OuraBadAnswer(
                    f"Oura keeps sending more pages of {collection}, so the range can't be fetched."
                )
            tokens.add(token)
            parameters = {**parameters, "next_token": token}

    def _page(
        self, collection: str, parameters: dict[str, str], errors: tuple[type[OuraError], ...]
    ) -> _Page:
        return self.retry_time.retrying(*errors)(self._parsed_page, collection, parameters)

    def _parsed_page(self, collection: str, parameters: dict[str, str]) -> _Page:
        body = self._get_with_renewal(collection, parameters)
        try:
            return msgspec.json.decode(body, type=_Page)
        except msgspec.ValidationError:
            raise OuraBadAnswer(
                f"Oura's answer for {collection} has no list of documents."
            ) from None
        except (msgspec.DecodeError, RecursionError):
            raise OuraUnavailable(f"Oura's answer for {collection} is not valid JSON.") from None

    def _get_with_renewal(self, collection: str, parameters: dict[str, str]) -> bytearray:
        try:
            return self._get(collection, parameters)
        except OuraUnauthorized:
            if self.renew_token is None:
                raise
            self.token = self.renew_token(self.token)
            self.renew_token = None
        return self._get(collection, parameters)

    def _get(self, collection: str, parameters: dict[str, str]) -> bytearray:
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
        except requests.RequestException as error:
            raise _connection_error(error, collection) from None
        try:
            _raise_for_status(response, collection)
        except OuraError as error:
            error.status = response.status
            raise
        return response.body


def _date_parameters(days: Days) -> dict[str, str]:
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


def _connection_error(error: requests.RequestException, collection: str) -> OuraError:
    if isinstance(error, ResponseTooLarge):
        return OuraBadAnswer(
            f"Oura's answer for {collection} is larger than {MAX_RESPONSE_BYTES} bytes."
        )
    if sentence := connection_problem(error):
        return OuraUnreachable(sentence)
    if _is_unreachable(error):
        return OuraUnreachable(
            f"Oura can't be reached to fetch {collection} ({type(error).__name__})."
        )
    if isinstance(error, requests.Timeout):
        return OuraUnavailable(f"Oura did not answer the request for {collection} in time.")
    return OuraUnavailable(f"Oura's answer for {collection} broke off ({type(error).__name__}).")


def _is_unreachable(error: requests.RequestException) -> bool:
    """Return whether there was no connection, so that nothing was asked."""
    never_sent = (
        requests.ConnectTimeout,
        requests.exceptions.SSLError,
        requests.exceptions.ProxyError,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    )
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(error, never_sent) or isinstance(
        reason, urllib3.exceptions.NewConnectionError
    )


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
    if status == 407:
        raise OuraUnreachable(PROXY_PASSWORD)
    if status == 429:
        wait = retry_after(response.headers.get("Retry-After"))
        raise OuraRateLimited(f"Oura's rate limit is reached (429) for {collection}.", wait)
    if status == 404:
        raise OuraNotFound(f"Oura has nothing at the address of {collection} (404).")
    if status >= 500 or status == 408:
        raise OuraUnavailable(
            f"Oura answered the request for {collection} with an error ({status})."
        )
    raise OuraBadAnswer(f"Oura did not accept the request for {collection} ({status}).")


def parse_user_id(value: Any) -> str:
    """Return an account's id at Oura, as it is stored; one that can't be in a header, as its hash.

    Raises OuraBadAnswer if it is no id.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise OuraBadAnswer("Oura's answer for personal_info does not contain the account's id.")
    if _HEADER_VALUE.fullmatch(value):
        return value
    return f"sha256:{hashlib.sha256(value.encode(errors='replace')).hexdigest()}"
