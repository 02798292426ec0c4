"""Faults on demand: errors, delays and broken bodies in place of a proper response."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import BoundedSemaphore, Event, Lock

from django.http import HttpResponse

from sandbox.registry import COLLECTIONS, PERSONAL_INFO, RINGS
from sandbox.responses import gateway_page, json_response, raw_json_response
from sandbox.series import SERIES

_HOLD_SECONDS = 60.0  # How long a timeout holds a request.
_MAX_HELD = 4  # Each occupies one of the server's eight threads.
_SLOW_SECONDS = 1.0
MAX_RETRY_AFTER = 3600
TOKEN_PATH = "token"  # The token endpoints of both OAuth2 providers.
_LIMIT, _WINDOW_SECONDS = 5000, 300  # The limit that Oura publishes.

_NO_PERSONAL_SCOPE = "Token is not authorized access personal scope."

_GetResponse = Callable[[], HttpResponse]


def fault_paths() -> tuple[str, ...]:
    """Return the names of the routes that a fault can be limited to."""
    return (*COLLECTIONS, *SERIES, RINGS, PERSONAL_INFO, TOKEN_PATH)


@dataclass(slots=True)
class Fault:
    fault: str
    times: int = 1
    path: str | None = None
    name: str | None = None
    retry_after: int = 1
    hits: int = 0


def _to_dict(fault: Fault) -> dict[str, object]:
    """Return the fault as the controls show it, with `name` only if it is limited to a person."""
    return {key: value for key, value in asdict(fault).items() if (key, value) != ("name", None)}


@dataclass(frozen=True, slots=True)
class Hit:
    """One request's share of a fault: its ordinal number, what ends its wait, and its path."""

    kind: str
    number: int
    retry_after: int
    released: Event
    path: str = ""


class _Faults:
    """The active faults, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.active: list[Fault] = []
        self.released = Event()

    def add(self, fault: Fault) -> dict[str, object]:
        with self.lock:
            self.active.append(fault)
            return _to_dict(fault)

    def to_list(self) -> list[dict[str, object]]:
        with self.lock:
            return [_to_dict(fault) for fault in self.active]

    def clear(self) -> int:
        """Remove all faults and release the requests that they hold. Return their number."""
        with self.lock:
            count, self.active = len(self.active), []
            self.released.set()
            # Waiting requests have the old event; later faults wait for a new one.
            self.released = Event()
            return count

    def next_hit(self, path: str, name: str | None = None) -> Hit | None:
        """Count and return a hit of the first matching fault that has any left."""
        with self.lock:
            for fault in self.active:
                matches = fault.path in (None, path) and fault.name in (None, name)
                if matches and fault.hits < fault.times:
                    fault.hits += 1
                    return Hit(fault.fault, fault.hits, fault.retry_after, self.released, path)
        return None

    def hit_once(self, kind: str, retry_after: int, path: str) -> Hit:
        """Return a hit that belongs to none of the active faults."""
        with self.lock:
            return Hit(kind, 1, retry_after, self.released, path)


class _RequestCounts:
    """The number of requests to Oura's routes, per route. Thread-safe."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.counts: Counter[str] = Counter()

    def count(self, route: str) -> None:
        with self.lock:
            self.counts[route] += 1

    def to_dict(self) -> dict[str, object]:
        with self.lock:
            return {"total": self.counts.total(), "paths": dict(sorted(self.counts.items()))}

    def clear(self) -> None:
        with self.lock:
            self.counts.clear()


faults, request_counts = _Faults(), _RequestCounts()
_held_slots = BoundedSemaphore(_MAX_HELD)


def respond_with_fault(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return the faulty response. Faults that pass a response on call `get_response`."""
    return KINDS[hit.kind](hit, get_response)


def _rate_limit(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    headers = {
        "Retry-After": str(hit.retry_after),
        "X-RateLimit-Limit": str(_LIMIT),
        "X-RateLimit-Window": str(_WINDOW_SECONDS),
        "X-RateLimit-Reset": str(int(time.time()) + hit.retry_after),
        "X-RateLimit-Tier": "user",
    }
    return json_response({"detail": "Rate limit exceeded"}, 429, headers)


def _server_error(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return in turn an application error, a gateway error (not JSON) and an outage."""
    status = (500, 502, 503)[(hit.number - 1) % 3]
    if status == 500:
        return json_response({"detail": "Internal Server Error"}, 500)
    return HttpResponse(gateway_page(status), status=status, content_type="text/html")


def _timeout(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Hold the request for a minute, then return 504.

    At most _MAX_HELD requests are held at a time, even if their client has gone; further ones get
    504 at once. This leaves threads for other requests, such as the controls.
    """
    if _held_slots.acquire(blocking=False):
        try:
            hit.released.wait(_HOLD_SECONDS)
        finally:
            _held_slots.release()
    return HttpResponse(gateway_page(504), status=504, content_type="text/html")


def _slow(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    hit.released.wait(_SLOW_SECONDS)
    return get_response()


def _truncated(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return half of the body with the Content-Length of all of it, as a broken connection does."""
    response = get_response()
    length = len(response.content)
    response.content = response.content[: length // 2]
    response["Content-Length"] = str(length)
    return response


def _malformed(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return 200 with, in turn, an HTML page and incomplete JSON."""
    if hit.number % 2:
        return HttpResponse(gateway_page(None), content_type="text/html")
    return raw_json_response(b'{"data": [{"id": "')


def _unauthorized(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    detail = "Access token is invalid or has expired."
    return json_response({"detail": _NO_PERSONAL_SCOPE if _is_personal(hit) else detail}, 401)


def _forbidden(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    detail = "The user's Oura membership has expired, or the scope was not granted."
    return json_response({"detail": _NO_PERSONAL_SCOPE if _is_personal(hit) else detail}, 403)


def _is_personal(hit: Hit) -> bool:
    return hit.path == PERSONAL_INFO


def _too_large(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    return json_response({"detail": "Request Entity Too Large"}, 413)


def _unprocessable(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    error = {"type": "value_error", "loc": ["query"], "msg": "Value error", "input": None}
    return json_response({"detail": [error]}, 422)


def _bad_request(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    return json_response({"detail": "Bad Request"}, 400)


def _gateway_timeout(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return 504 at once."""
    return HttpResponse(gateway_page(504), status=504, content_type="text/html")


def _not_json(hit: Hit, get_response: _GetResponse) -> HttpResponse:
    """Return 200 with NaN, which Python writes although JSON has no such number."""
    return raw_json_response(b'{"data":[{"id":"0","score":NaN}],"next_token":null}')


KINDS: dict[str, Callable[[Hit, _GetResponse], HttpResponse]] = {
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "timeout": _timeout,
    "slow": _slow,
    "truncated": _truncated,
    "malformed": _malformed,
    "unauthorized": _unauthorized,
    "forbidden": _forbidden,
    "bad_request": _bad_request,
    "too_large": _too_large,
    "unprocessable": _unprocessable,
    "gateway_timeout": _gateway_timeout,
    "not_json": _not_json,
}
