"""What a request may cost before anybody knows who sent it.

The server reads a body and sends a large file in the thread that handles the request, and waits for
the client without a limit of time. So at most half of the threads do: the others stay for reads
and probes.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError

from myhealth.addresses import client_network
from myhealth.errors import error_body

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# In bytes, for views that don't set `max_body`. It is many times the largest form.
_MAX_BODY = 16 * 1024


class LengthRequired(APIException):
    """A body without Content-Length: the server would pass it on as an empty one."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "The body needs a Content-Length header (chunked bodies are not supported)."
    default_code = "length_required"


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
        # One client alone can't take all.
        self._most_of_a_network = max(1, most * 3 // 4)
        self._by_network: Counter[str | None] = Counter()
        self._lock = threading.Lock()

    def add(self, network: str | None) -> None:
        """Count this thread. Raises Busy if there are too many."""
        with self._lock:
            if (
                self._by_network.total() >= self._most
                or self._by_network[network] >= self._most_of_a_network
            ):
                raise Busy
            self._by_network[network] += 1

    def remove(self, network: str | None) -> None:
        with self._lock:
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]


waiting_threads = WaitingThreads(settings.THREADS // 2)


def waiting_network(request: HttpRequest) -> str | None:
    """Return the network for which a waiting thread is counted.

    It is the one of a whole customer of a provider, who has many smaller ones.
    """
    return client_network(request, ipv6_prefix=48)


@contextmanager
def waiting_for_client(request: HttpRequest) -> Iterator[None]:
    """Count this thread while it reads a body. Raises Busy."""
    network = waiting_network(request)
    waiting_threads.add(network)
    try:
        yield
    finally:
        waiting_threads.remove(network)


class LimitsMiddleware:
    """Refuse methods and bodies by their headers, and read the bodies that are allowed.

    A view's attribute `max_body` is the size of its body in bytes. A view with `reads_body` reads
    it by itself, after it knows who sent it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in METHODS:
            body = error_body("This method is not supported.", "method_not_allowed")
            allow = ", ".join(sorted(METHODS))
            return JsonResponse(body, status=405, headers={"Allow": allow})
        if "HTTP_TRANSFER_ENCODING" in request.META or (
            request.method == "POST" and not request.META.get("CONTENT_LENGTH")
        ):
            return refuse(LengthRequired())
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponseBase | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length == "0":
            return None
        if not (length.isascii() and length.isdecimal()):
            return refuse(ParseError("Content-Length must be a whole number."))
        options = getattr(view, "view_class", None) or getattr(view, "cls", view)
        max_body = getattr(options, "max_body", _MAX_BODY)
        if int(length[:20]) > max_body:
            return refuse(BodyTooLarge(max_body))
        if getattr(options, "reads_body", False):
            return None
        try:
            with waiting_for_client(request):
                # Django keeps it, so that nothing waits for it later.
                request.body  # noqa: B018
        except Busy as error:
            return refuse(error)
        except UnreadablePostError:
            return refuse(ParseError("The body is incomplete."))
        return None


def refuse(error: APIException) -> JsonResponse:
    """Return the response to an error, for middleware."""
    body = error_body(str(error.detail), str(error.get_codes()))
    wait = getattr(error, "wait", None)
    headers = {"Retry-After": str(wait)} if wait else {}
    return JsonResponse(body, status=error.status_code, headers=headers)
