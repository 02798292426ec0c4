"""Middleware for all requests (ids, log lines, metrics, probes, proxies) and error handlers."""

import functools
import logging
import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Histogram

from myhealth.addresses import is_from_trusted_proxy
from myhealth.errors import database_unavailable, error_body
from myhealth.health import health, ready
from myhealth.limits import METHODS
from myhealth.logs import log_request
from myhealth.prometheus import IN_PROGRESS, REQUEST_SECONDS, REQUESTS, metrics

log = structlog.get_logger("myhealth.requests")
_request_log = logging.getLogger("myhealth.requests")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_PROBES = {"/health": health, "/health/ready": ready, "/metrics": metrics}
# The key of the request's id in its META.
REQUEST_ID_KEY = "myhealth.request_id"
_FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"


def _endpoint(request: HttpRequest) -> str:
    """Return the route's pattern. The path would make a label for each person or document."""
    if request.path in _PROBES:
        return request.path
    match = request.resolver_match
    return f"/{match.route}" if match else "unknown"


@functools.cache
def _instruments(*labels: str) -> tuple[Counter, Histogram]:
    """Return the counter and the histogram of a service, method, endpoint and status."""
    return REQUESTS.labels(*labels), REQUEST_SECONDS.labels(*labels[:-1])


class RequestMiddleware:
    """Give each request an id, and record it in the log and the metrics."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.service = settings.SERVICE or "api"
        self.in_progress = IN_PROGRESS.labels(self.service)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        header = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = header if _REQUEST_ID.match(header) else uuid.uuid4().hex
        request.META[REQUEST_ID_KEY] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        with self.in_progress.track_inprogress():
            response = self.get_response(request)
        seconds = time.perf_counter() - start
        response["X-Request-ID"] = request_id
        self._record(request, response.status_code, seconds)
        return response

    def _record(self, request: HttpRequest, status: int, seconds: float) -> None:
        method = str(request.method) if request.method in METHODS else "other"
        endpoint = _endpoint(request)
        counter, histogram = _instruments(self.service, method, endpoint, str(status))
        counter.inc()
        histogram.observe(seconds)
        # Not the query string: it contains names and days.
        log_request(
            _request_log,
            logging.DEBUG if request.path in _PROBES else logging.INFO,
            request.META[REQUEST_ID_KEY],
            method=method,
            endpoint=endpoint,
            status=status,
            duration_ms=round(seconds * 1000, 2),
        )

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for views without Django REST framework: 503 if the database can't be reached,
        and 400 if it can't take a value, such as NUL or half a character.
        """
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("database unavailable", error=type(exception).__name__)
            body, headers = database_unavailable()
            return JsonResponse(body, status=503, headers=headers)
        if isinstance(exception, DataError | UnicodeEncodeError):
            log.warning("impossible value", error=type(exception).__name__)
            return bad_request(request)
        return None


class ProbeMiddleware:
    """Answer orchestrators and Prometheus before ALLOWED_HOSTS is checked.

    They call each process at its own address, which ALLOWED_HOSTS can't list.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = _PROBES.get(request.path)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            body = error_body("Only GET and HEAD are allowed here.", "method_not_allowed")
            return JsonResponse(body, status=405, headers={"Allow": "GET, HEAD"})
        return probe(request)


class ProxyMiddleware:
    """Remove `X-Forwarded-Proto` unless a trusted proxy sent it, and report an untrusted one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _FORWARDED_PROTO in request.META and not is_from_trusted_proxy(request):
            scheme = request.META.pop(_FORWARDED_PROTO)
            if scheme == "https" and settings.SECURE_SSL_REDIRECT and not request.is_secure():
                # A redirect to https would come back here, and never end.
                log.error("TRUSTED_PROXIES does not name the proxy that this request came through")
                body = error_body("TRUSTED_PROXIES must name this proxy.", "untrusted_proxy")
                return JsonResponse(body, status=421)
        return self.get_response(request)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("You don't have permission to do this.", "permission_denied")
    return JsonResponse(body, status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    body = error_body("Something went wrong on the server.", "error")
    return JsonResponse(body, status=500)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("There is nothing at this address.", "not_found")
    return JsonResponse(body, status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("The request is invalid.", "bad_request")
    return JsonResponse(body, status=400)
