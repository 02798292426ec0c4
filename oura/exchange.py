"""One request and its whole answer, within bounds: requests' time-out is one for each read only."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

# Oura's largest page, a thousand sleep periods, has some 15 MB.
MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 300.0
PIECE = 64 * 1024


class TooLarge(requests.RequestException):
    """The body goes beyond MOST_BYTES."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    session: requests.Session,
    method: str,
    url: str,
    *,
    most_seconds: float = MOST_SECONDS,
    **options: Any,
) -> Answer:
    """Return the answer, its body decoded and read to the end.

    Raises requests.Timeout, TooLarge, or another requests.RequestException.
    """
    deadline = time.monotonic() + most_seconds
    # A redirect would carry the token to another place.
    with session.request(method, url, stream=True, allow_redirects=False, **options) as response:
        return Answer(response.status_code, response.headers, body_of(response.raw, deadline))


def body_of(raw: Any, deadline: float) -> bytes:
    body = bytearray()
    try:
        # `read` would wait until a piece is full, however slowly it drips.
        while piece := raw.read1(PIECE, decode_content=True):
            body += piece
            if len(body) > MOST_BYTES:
                raise TooLarge
            if time.monotonic() > deadline:
                raise requests.Timeout
    except urllib3.exceptions.ReadTimeoutError:
        raise requests.Timeout from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(type(error).__name__) from None
    return bytes(body)
