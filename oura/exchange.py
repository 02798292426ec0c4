"""One request and its whole answer, within limits; requests' time-out is for each read only."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

# Eight people are collected at once, so this much memory is needed eight times. No range that is
# asked for has a tenth of it, unless a day has a hundred times what Oura has ever sent.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
_MAX_SECONDS = 300.0
_CHUNK_BYTES = 64 * 1024


class ResponseTooLarge(requests.RequestException):
    """The body is larger than MAX_RESPONSE_BYTES."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytearray


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
