"""What happens around every request: its id, its log line, its metrics, its worst errors."""

import ipaddress
import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from myhealth.errors import error_body, unavailable
from myhealth.health import health, ready
from myhealth.prometheus import IN_PROGRESS, REQUEST_SECONDS, REQUESTS, metrics

log = structlog.get_logger("myhealth.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROBES = {"/health": health, "/health/ready": ready, "/metrics": metrics}
# In a request's META: its id, as it came or as it was made.
REQUEST_ID_KEY = "myhealth.request_id"
PROXY = "HTTP_X_FORWARDED_PROTO"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest) -> str | None:
    """The address of the client: the last one that no trusted proxy has vouched for."""
    address = address_of(request.META.get("REMOTE_ADDR", ""))
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    while hops and trusted(address):
        hop = address_of(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address) if address else None


def address_of(hop: str) -> Address | None:
    """The address in one hop, which some proxies write with a port; None for `unknown`."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return ipaddress.ip_address(hop)
    except ValueError:
        return None


def trusted(address: Address | None) -> bool:
    return address is not None and any(address in each for each in settings.TRUSTED_PROXIES)


def endpoint(request: HttpRequest) -> str:
    """The route's pattern, never the path: paths would make a label per person or document."""
    if request.path in PROBES:
        return request.path
    match = request.resolver_match
    return f"/{match.route}" if match else "unknown"


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.service = settings.SERVICE or "api"

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.match(given) else uuid.uuid4().hex
        request.META[REQUEST_ID_KEY] = request_id
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
            10 if request.path in PROBES else 20,
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
            return JsonResponse(body, status=503, headers=headers)
        return None


class ProbeMiddleware:
    """Answers what orchestrators and Prometheus ask, before anybody looks at the host's name.

    They ask each process at an address of its own, which no ALLOWED_HOSTS could list.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            body = error_body("This address is only read.", "method_not_allowed")
            return JsonResponse(body, status=405, headers={"Allow": "GET, HEAD"})
        return probe(request)


class ProxyMiddleware:
    """Believes `X-Forwarded-Proto` of trusted proxies alone, and says so when one is not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if PROXY in request.META and not trusted(address_of(request.META.get("REMOTE_ADDR", ""))):
            claimed = request.META.pop(PROXY)
            if claimed == "https" and settings.SECURE_SSL_REDIRECT and not request.is_secure():
                # Redirecting to https would come back here, again and again.
                log.error("TRUSTED_PROXIES does not name the proxy that this request came through")
                body = error_body("TRUSTED_PROXIES must name this proxy.", "untrusted_proxy")
                return JsonResponse(body, status=421)
        return self.get_response(request)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return JsonResponse(error_body("This is not permitted.", "permission_denied"), status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    body = error_body("Something went wrong on our side.", "error")
    return JsonResponse(body, status=500)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("There is nothing at this address.", "not_found")
    return JsonResponse(body, status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    body = error_body("This request can't be understood.", "bad_request")
    return JsonResponse(body, status=400)
