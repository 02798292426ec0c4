"""Faults on demand: what the next requests suffer instead of, or besides, their answer."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import BoundedSemaphore, Event, Lock

from django.http import HttpResponse

from sandbox import answers
from sandbox.registry import COLLECTIONS, PERSONAL_INFO, RINGS
from sandbox.series import SERIES

HOLD = 60.0  # Seconds for which a timeout holds a request.
MOST_HELD = 4  # Each keeps a thread of the server's, which has eight.
SLOW = 1.0
TOKEN = "token"  # OAuth2's, of either provider.
LIMIT, WINDOW = 5000, 300  # Requests in seconds: the ceiling that Oura publishes.
GATEWAY = b"""<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE>
</HEAD><BODY><H1>%b ERROR</H1><H2>The request could not be satisfied.</H2></BODY></HTML>"""

Answer = Callable[[], HttpResponse]


def paths() -> tuple[str, ...]:
    """What a fault can be limited to."""
    return (*COLLECTIONS, *SERIES, RINGS, PERSONAL_INFO, TOKEN)


@dataclass(slots=True)
class Fault:
    fault: str
    times: int = 1
    path: str | None = None
    name: str | None = None
    retry_after: int = 1
    hits: int = 0


def told(fault: Fault) -> dict[str, object]:
    """The fault as the controls show it; a person is named where it is one's alone."""
    return {key: value for key, value in asdict(fault).items() if (key, value) != ("name", None)}


@dataclass(frozen=True, slots=True)
class Hit:
    """One request's share of a fault: the how manieth it is, and what ends its wait."""

    kind: str
    number: int
    retry_after: int
    released: Event


class Faults:
    """The faults in force, the oldest first; safe for several threads."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.held: list[Fault] = []
        self.released = Event()

    def add(self, fault: Fault) -> dict[str, object]:
        with self.lock:
            self.held.append(fault)
            return told(fault)

    def listed(self) -> list[dict[str, object]]:
        with self.lock:
            return [told(fault) for fault in self.held]

    def clear(self) -> int:
        """Forget all faults and let go whom they hold; returns how many they were."""
        with self.lock:
            count, self.held = len(self.held), []
            self.released.set()
            # Whoever waits has the old event; later faults wait for a new one.
            self.released = Event()
            return count

    def take(self, path: str, name: str | None = None) -> Hit | None:
        """The first fault for path and person that has hits left, with this one counted."""
        with self.lock:
            for fault in self.held:
                meant = fault.path in (None, path) and fault.name in (None, name)
                if meant and fault.hits < fault.times:
                    fault.hits += 1
                    return Hit(fault.fault, fault.hits, fault.retry_after, self.released)
        return None

    def asked(self, kind: str, retry_after: int) -> Hit:
        """A hit that no fault in force stands behind."""
        with self.lock:
            return Hit(kind, 1, retry_after, self.released)


class Requests:
    """How many requests of Oura's routes came, by route."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.counts: Counter[str] = Counter()

    def count(self, route: str) -> None:
        with self.lock:
            self.counts[route] += 1

    def listed(self) -> dict[str, object]:
        with self.lock:
            return {"total": self.counts.total(), "paths": dict(sorted(self.counts.items()))}

    def clear(self) -> None:
        with self.lock:
            self.counts.clear()


faults, requests = Faults(), Requests()
holding = BoundedSemaphore(MOST_HELD)


def suffer(hit: Hit, answer: Answer) -> HttpResponse:
    """What comes instead of the answer; `answer` is called only by faults that pass it on."""
    return KINDS[hit.kind](hit, answer)


def rate_limit(hit: Hit, answer: Answer) -> HttpResponse:
    headers = {
        "Retry-After": str(hit.retry_after),
        "X-RateLimit-Limit": str(LIMIT),
        "X-RateLimit-Window": str(WINDOW),
        "X-RateLimit-Reset": str(int(time.time()) + hit.retry_after),
        "X-RateLimit-Tier": "user",
    }
    return answers.json({"detail": "Rate limit exceeded"}, 429, headers)


def server_error(hit: Hit, answer: Answer) -> HttpResponse:
    """Each in turn: an error of the application, of the gateway (not JSON), and an outage."""
    status = (500, 502, 503)[(hit.number - 1) % 3]
    if status == 500:
        return answers.json({"detail": "Internal Server Error"}, 500)
    page = GATEWAY % str(status).encode()
    return HttpResponse(page, status=status, content_type="text/html")


def timeout(hit: Hit, answer: Answer) -> HttpResponse:
    """Hold the request for a minute, then 504.

    At most MOST_HELD are held at a time, also after their client has gone; any more get their 504
    at once. Other requests, the controls among them, so always find a thread.
    """
    if holding.acquire(blocking=False):
        try:
            hit.released.wait(HOLD)
        finally:
            holding.release()
    return HttpResponse(GATEWAY % b"504", status=504, content_type="text/html")


def slow(hit: Hit, answer: Answer) -> HttpResponse:
    hit.released.wait(SLOW)
    return answer()


def truncated(hit: Hit, answer: Answer) -> HttpResponse:
    """The first half of the answer, under the length of the whole: the connection breaks off."""
    response = answer()
    whole = len(response.content)
    response.content = response.content[: whole // 2]
    response["Content-Length"] = str(whole)
    return response


def malformed(hit: Hit, answer: Answer) -> HttpResponse:
    """200 each time, and in turn a page of HTML and JSON that ends too soon."""
    if hit.number % 2:
        return HttpResponse(GATEWAY % b"", content_type="text/html")
    return answers.raw(b'{"data": [{"id": "')


def unauthorized(hit: Hit, answer: Answer) -> HttpResponse:
    return answers.json({"detail": "Access token is invalid or has expired."}, 401)


def forbidden(hit: Hit, answer: Answer) -> HttpResponse:
    detail = "The user's Oura membership has expired, or the scope was not granted."
    return answers.json({"detail": detail}, 403)


KINDS: dict[str, Callable[[Hit, Answer], HttpResponse]] = {
    "rate_limit": rate_limit,
    "server_error": server_error,
    "timeout": timeout,
    "slow": slow,
    "truncated": truncated,
    "malformed": malformed,
    "unauthorized": unauthorized,
    "forbidden": forbidden,
}
