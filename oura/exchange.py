"""One request and its whole answer, within limits; requests' time-out is for each read only."""

import ipaddress
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings

from myhealth.outgoing import direct_session

# Eight people are collected at once, so this much memory is needed eight times. No range that is
# asked for has a tenth of it, unless a day has a hundred times what Oura has ever sent.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
_MAX_SECONDS = 300.0
_CHUNK_BYTES = 64 * 1024
_Session = TypeVar("_Session", bound=requests.Session)
_PROXY_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
PROXY_PASSWORD = (
    "The proxy in OURA_PROXY requires a user name and password, or rejects the ones given (407)."
)


class ResponseTooLarge(requests.RequestException):
    """The body is larger than MAX_RESPONSE_BYTES."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytearray


def session_for(url: str) -> requests.Session:
    """Return a session for requests to Oura at this address."""
    return prepare_session(direct_session(), url)


def prepare_session(session: _Session, url: str) -> _Session:
    """Let a session reach Oura at this address as the settings say, and return it.

    Nothing else may decide where a token goes: no .netrc, and no variable of the environment.
    """
    session.trust_env = False
    session.verify = settings.OURA_CA_BUNDLE or True
    if settings.OURA_PROXY and not _is_loopback(urlsplit(url).hostname or ""):
        session.proxies = {"http": settings.OURA_PROXY, "https": settings.OURA_PROXY}
    return session


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def send_request(
    session: requests.Session,
    method: str,
    url: str,
    *,
    max_seconds: float = _MAX_SECONDS,
    **options: Any,
) -> Response:
    """Return the response, with its body decoded and read to the end.

    Raises requests.Timeout, ResponseTooLarge, or another requests.RequestException.
    """
    deadline = time.monotonic() + max_seconds
    # A redirect would carry the token to another place.
    with session.request(method, url, stream=True, allow_redirects=False, **options) as response:
        body = _read_body(response.raw, deadline)
        return Response(response.status_code, response.headers, body)


def _read_body(raw: Any, deadline: float) -> bytearray:
    body = bytearray()
    try:
        # `read` would wait until a chunk is full, however slowly the bytes come.
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise ResponseTooLarge
            if time.monotonic() > deadline:
                raise requests.Timeout
    except urllib3.exceptions.ReadTimeoutError:
        raise requests.Timeout from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(type(error).__name__) from None
    return body


def connection_problem(error: requests.RequestException) -> str:
    """Return a sentence about the proxy or the certificate that was in the way; empty otherwise."""
    causes = list(_causes(error))
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        statuses = (_PROXY_STATUS.search(str(cause)) for cause in causes)
        status = next((found[1] for found in statuses if found), None)
        if status == "407":
            return PROXY_PASSWORD
        if status and status.startswith("5"):
            return f"The proxy in OURA_PROXY can't reach Oura ({status})."
        if status:
            return f"The proxy in OURA_PROXY refuses to connect to Oura ({status}): allow it there."
        return "The proxy in OURA_PROXY can't be reached. Is its address right, and is it running?"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"Oura's certificate isn't trusted ({cause.verify_message}). If this network "
                "replaces certificates, set OURA_CA_BUNDLE to a file with the certificates to "
                "trust."
            )
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    # urllib3 keeps some of them only as an argument.
    for cause in (error.__cause__, error.__context__, *error.args):
        if isinstance(cause, BaseException):
            yield from _causes(cause)
