"""Middleware for all requests (ids, log lines, metrics, probes, proxies) and error handlers."""

import functools
import logging
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Histogram

from myhealth.addresses import is_from_this_machine, is_from_trusted_proxy
from myhealth.errors import database_unavailable, error_body, migrations_missing
from myhealth.headers import API_PATHS
from myhealth.health import health, lacks_migrations, ready
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
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SCHEMES = {"https": "https", "wss": "https", "http": "http", "ws": "http"}


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
        """Answer for views without Django REST framework: 503 if the database is unavailable,
        and 400 if it can't take a value, such as NUL or half a character.
        """
        if isinstance(exception, OperationalError | InterfaceError):
            body, headers = database_unavailable(exception)
            return JsonResponse(body, status=503, headers=headers)
        if isinstance(exception, ProgrammingError) and lacks_migrations():
            log.error("database lacks migrations")
            body, headers = migrations_missing()
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


def is_for_programs(request: HttpRequest) -> bool:
    """Return whether the address is one that only programs have a use for."""
    return request.path.startswith(API_PATHS)


def wants_page(request: HttpRequest) -> bool:
    """Return whether a person asks in a browser, and not a program.

    The browsable API has pages of its own; of the routes for tokens, people type the address.
    """
    is_browser = "text/html" in request.META.get("HTTP_ACCEPT", "")
    is_typed = request.path.startswith("/auth/") and request.method in ("GET", "HEAD")
    return is_browser and (is_typed or not is_for_programs(request))


def prefers_json(request: HttpRequest) -> bool:
    """Return whether a program asks for JSON where everybody else is shown a page of ours."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _refuse(request: HttpRequest, status: int, sentence: str, code: str) -> HttpResponse:
    """Answer what a wrong installation causes: browsers get the sentence, programs JSON.

    A page would need styles and links, which would be refused in the same way.
    """
    if wants_page(request):
        text = "text/plain; charset=utf-8"
        return HttpResponse(f"{sentence}\n", status=status, content_type=text)
    return JsonResponse(error_body(sentence, code), status=status)


class HostMiddleware:
    """Refuse other hosts than those of ALLOWED_HOSTS, and say which setting names them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            request.get_host()
        except DisallowedHost:
            log.warning(
                "the host of a request is neither in ALLOWED_HOSTS nor the host of PUBLIC_URL"
            )
            sentence = (
                "This server does not answer requests for this host name. The person who runs it "
                "can set PUBLIC_URL to the address that you opened, add the name to ALLOWED_HOSTS, "
                "or configure the proxy to pass on the Host header of the original request."
            )
            return _refuse(request, 400, sentence, "unknown_host")
        return self.get_response(request)


class ProxyMiddleware:
    """Decide whether a request came by https, as a trusted proxy says in `X-Forwarded-Proto`.

    Refuses requests through proxies that are not set up for that. A redirect to https would come
    back through them, and never end.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        scheme = _forwarded_scheme(request)
        if scheme and _may_name_scheme(request):
            request.META[_FORWARDED_PROTO] = scheme
        if request.is_secure() or not settings.SECURE_SSL_REDIRECT:
            return self.get_response(request)
        if not scheme and _is_program_of_this_machine(request):
            # Nobody else can read what it sends.
            request.META[_FORWARDED_PROTO] = "https"
            return self.get_response(request)
        if scheme == "http" and _came_by_https(request):
            log.error("X-Forwarded-Proto says http of a request that a browser sent by https")
            sentence = (
                "The proxy nearest to this server must pass on the X-Forwarded-Proto that it "
                "received from the proxy in front of it, instead of the scheme of the request "
                "that reached it."
            )
            return _refuse(request, 421, sentence, "forwarded_proto_wrong")
        if scheme == "http":
            return self.get_response(request)
        if scheme:
            log.error("TRUSTED_PROXIES does not name the proxy that this request came through")
            sentence = "TRUSTED_PROXIES must name this proxy."
            return _refuse(request, 421, sentence, "untrusted_proxy")
        log.error("a request came without X-Forwarded-Proto, which the proxy must send")
        sentence = (
            f"Open {settings.PUBLIC_URL} instead. If you did, the proxy in front of this server "
            "must send the header X-Forwarded-Proto with the scheme (http or https) of the "
            "browser's request."
        )
        return _refuse(request, 421, sentence, "forwarded_proto_missing")


def _forwarded_scheme(request: HttpRequest) -> str:
    """Remove `X-Forwarded-Proto`, and return what it says: https, http, or nothing.

    Of several proxies, the first one knows how the client asked.
    """
    first = request.META.pop(_FORWARDED_PROTO, "").partition(",")[0].strip().lower()
    return _SCHEMES.get(first, "")


def _is_program_of_this_machine(request: HttpRequest) -> bool:
    """Return whether a program asks the API of `make run` at localhost, and not by the tunnel."""
    if not settings.LOCAL or not request.path.startswith(API_PATHS):
        return False
    return is_from_this_machine(request) and _host_name(request) in _LOOPBACK_NAMES


def _came_by_https(request: HttpRequest) -> bool:
    """Return whether a browser asked the public address by https, as far as it says so.

    Browsers send this header by https, and to loopback.
    """
    public = urlsplit(settings.PUBLIC_URL).hostname
    return "HTTP_SEC_FETCH_SITE" in request.META and _host_name(request) == public


def _host_name(request: HttpRequest) -> str | None:
    return urlsplit(f"//{request.get_host()}").hostname


def _may_name_scheme(request: HttpRequest) -> bool:
    """Return whether to believe the scheme: that of a trusted proxy, or of this machine's programs.

    Theirs is believed for local use, so that a tunnel works; who the client is, is another matter.
    """
    return is_from_trusted_proxy(request) or (settings.LOCAL and is_from_this_machine(request))


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
