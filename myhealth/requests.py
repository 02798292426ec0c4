"""What happens around every request: its id, its log line, its metrics, its worst errors."""

import ipaddress
import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from myhealth.errors import error_body, unavailable
from myhealth.metrics import IN_PROGRESS, REQUEST_SECONDS, REQUESTS
from myhealth.renderers import dumps

log = structlog.get_logger("myhealth.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = ("/health", "/health/ready", "/metrics")


def client_address(request: HttpRequest) -> str:
    """The address of the client: the last one that no trusted proxy has vouched for."""
    address: str = request.META.get("REMOTE_ADDR", "") or ""
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    while hops and _trusted(address):
        hop = hops.pop().strip()
        if not hop:
            break
        address = hop
    return address


def _trusted(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def endpoint(request: HttpRequest) -> str:
    """The route's pattern, never the path: paths would make a label per person or document."""
    match = request.resolver_match
    return f"/{match.route}" if match else "unknown"


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.service = settings.SERVICE or "api"

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.match(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        with IN_PROGRESS.labels(self.service).track_inprogress():
            response = self.get_response(request)
        seconds = time.perf_counter() - start
        response["X-Request-ID"] = request_id
        self._record(request, response.status_code, seconds)
        return response

    def _record(self, request: HttpRequest, status: int, seconds: float) -> None:
        method = request.method if request.method in METHODS else "other"
        labels = (self.service, str(method), endpoint(request))
        REQUESTS.labels(*labels, str(status)).inc()
        REQUEST_SECONDS.labels(*labels).observe(seconds)
        # The query string stays out: it names people and days.
        log.log(
            10 if request.path in QUIET else 20,
            "request",
            method=method,
            endpoint=labels[2],
            status=status,
            duration_ms=round(seconds * 1000, 2),
        )

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Views outside Django REST framework: the database away is 503, the rest a plain 500."""
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("database unavailable", error=type(exception).__name__)
            body, headers = unavailable()
            return HttpResponse(
                dumps(body), status=503, headers=headers, content_type="application/json"
            )
        return None


def server_error(request: HttpRequest) -> HttpResponse:
    body = error_body("Something went wrong on our side.", "error")
    return HttpResponse(dumps(body), status=500, content_type="application/json")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("There is nothing at this address.", "not_found")
    return HttpResponse(dumps(body), status=404, content_type="application/json")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("This request can't be understood.", "bad_request")
    return HttpResponse(dumps(body), status=400, content_type="application/json")
