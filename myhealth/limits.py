"""What a request may cost before anybody knows who sent it.

The server reads a body and sends a large file in the thread that handles the request, and waits for
the client without a limit of time. So at most half of the threads do: the others stay for reads
and probes. Django looks at paths and headers in ways that take the square of their length, so they
are short; the server limits all of a request's headers together (myhealth.serve).
"""

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError

from myhealth.addresses import client_network
from myhealth.errors import error_body

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# In bytes, for views that don't set `max_body`. It is many times the largest form.
_MAX_BODY = 16 * 1024
# A body that is handled alone, since its documents take many times its memory.
_LARGE_BODY = 4 * 1024 * 1024
_LENGTH = re.compile(r"0|[1-9][0-9]{0,9}")
# In characters. The longest path has a user name of 150.
_MAX_PATH = 512
# In characters. Python before 3.11.10 and 3.12.6 takes the square of the time for escaped ones.
_MAX_ESCAPED_COOKIES = 2048
_IS_SLOW_WITH_ESCAPES = sys.version_info < (3, 11, 10) or (3, 12) <= sys.version_info < (3, 12, 6)
# The key of a request with a large body, in its META.
_IS_LARGE = "myhealth.large_body"


class LengthRequired(APIException):
    """A body without Content-Length: the server would pass it on as an empty one."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "The body needs a Content-Length header (chunked bodies are not supported)."
    default_code = "length_required"


class UnsupportedMethod(APIException):
    status_code = status.HTTP_405_METHOD_NOT_ALLOWED
    default_detail = "This method is not supported."
    default_code = "method_not_allowed"


class PathTooLong(APIException):
    status_code = status.HTTP_414_REQUEST_URI_TOO_LONG
    default_detail = f"The path is too long; expected at most {_MAX_PATH} characters."
    default_code = "path_too_long"


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, max_body: int = _MAX_BODY) -> None:
        size = f"{max_body // 1024} KiB" if max_body < 2**20 else f"{max_body // 2**20} MiB"
        super().__init__(f"The body is too large; expected at most {size}.")


class Busy(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Too many requests are being received; try again in a second."
    default_code = "busy"
    wait = 1


class WaitingThreads:
    """How many threads wait for clients at this moment."""

    def __init__(self, most: int) -> None:
        self._most = most
        # What is left is for networks that have no thread yet, so that few clients can't take all.
        self._most_shared = most * 3 // 4
        self._most_of_a_network = max(1, most // 2)
        self._by_network: Counter[Hashable] = Counter()
        self.patient = 0
        self._changed = threading.Condition()

    def add(self, network: Hashable, patience: float = 0) -> None:
        """Count this thread, within `patience` seconds. Raises Busy if there are too many."""
        with self._changed:
            if not self._has_place(network):
                # Those who wait for a place take threads, too.
                if not patience or self.patient >= self._most // 2:
                    raise Busy
                self.patient += 1
                try:
                    if not self._changed.wait_for(lambda: self._has_place(network), patience):
                        raise Busy
                finally:
                    self.patient -= 1
            self._by_network[network] += 1

    def remove(self, network: Hashable) -> None:
        with self._changed:
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]
            self._changed.notify_all()

    def _has_place(self, network: Hashable) -> bool:
        total, own = self._by_network.total(), self._by_network[network]
        if not own:
            return total < self._most
        return total < self._most_shared and own < self._most_of_a_network


waiting_threads = WaitingThreads(settings.THREADS // 2)
_large_body = threading.BoundedSemaphore()
# Most bodies have arrived when they are read, so others leave their places soon.
_PATIENCE_SECONDS = 0.2


def waiting_network(request: HttpRequest) -> str | None:
    """Return the network for which a waiting thread is counted.

    It is the one of a whole customer of a provider, who has many smaller ones.
    """
    return client_network(request, ipv6_prefix=48)


@contextmanager
def waiting_for_client(network: Hashable) -> Iterator[None]:
    """Count this thread while it reads a body. Raises Busy."""
    waiting_threads.add(network, _PATIENCE_SECONDS)
    try:
        yield
    finally:
        waiting_threads.remove(network)


class CountedStream:
    """Content that a thread sends in many parts; the thread counts as one that waits for a client.

    Raises Busy.
    """

    def __init__(self, chunks: Iterator[bytes], network: Hashable) -> None:
        waiting_threads.add(network)
        self._chunks = chunks
        self._network = network
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Stop counting the thread. Django calls it when the response ends, sent whole or not."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if isinstance(self._chunks, Generator):
                # What it still holds, such as a transaction, belongs to this thread.
                self._chunks.close()
        finally:
            waiting_threads.remove(self._network)


class LimitsMiddleware:
    """Refuse methods and bodies by their headers, and read the bodies that are allowed.

    A view's attribute `max_body` is the size of its body in bytes. A view with `reads_body` reads
    it by itself, after it knows who sent it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if error := _error(request):
            return refuse(error)
        try:
            return self.get_response(request)
        finally:
            if _IS_LARGE in request.META:
                _large_body.release()

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponseBase | None:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if not length:
            return None
        options = getattr(view, "view_class", None) or getattr(view, "cls", view)
        max_body = getattr(options, "max_body", _MAX_BODY)
        if length > max_body:
            return refuse(BodyTooLarge(max_body))
        if length > _LARGE_BODY:
            if not _large_body.acquire(blocking=False):
                return refuse(Busy())
            request.META[_IS_LARGE] = True
        if getattr(options, "reads_body", False):
            return None
        try:
            with waiting_for_client(waiting_network(request)):
                # Django keeps it, so that nothing waits for it later.
                check_length(request, request.body)
        except (Busy, ParseError) as error:
            return refuse(error)
        return None


def check_length(request: HttpRequest, body: bytes) -> None:
    """Raise ParseError if a body was cut off. The server takes it for a whole one."""
    if len(body) < int(request.META.get("CONTENT_LENGTH") or 0):
        raise ParseError("The body is incomplete.")


def _error(request: HttpRequest) -> APIException | None:
    """Return why a request is refused by its first line and headers, or None if it is not."""
    headers = request.META
    if request.method not in METHODS:
        return UnsupportedMethod()
    if len(headers["PATH_INFO"]) > _MAX_PATH:
        return PathTooLong()
    length = headers.get("CONTENT_LENGTH")
    if "HTTP_TRANSFER_ENCODING" in headers or (request.method == "POST" and not length):
        return LengthRequired()
    if length and not _LENGTH.fullmatch(length):
        return ParseError("Content-Length must be a whole number.", code="bad_request")
    cookies = headers.get("HTTP_COOKIE", "")
    if len(cookies) > _MAX_ESCAPED_COOKIES and "\\" in cookies and _IS_SLOW_WITH_ESCAPES:
        # None of ours has escaped characters.
        del headers["HTTP_COOKIE"]
    return None


def refuse(error: APIException) -> JsonResponse:
    """Return the response to an error, for middleware."""
    body = error_body(str(error.detail), str(error.get_codes()))
    headers = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(error.wait)
    if isinstance(error, UnsupportedMethod):
        headers["Allow"] = ", ".join(sorted(METHODS))
    return JsonResponse(body, status=error.status_code, headers=headers)
