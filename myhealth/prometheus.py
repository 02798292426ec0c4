"""Prometheus metrics that every service has, and the page that shows them.

Figures are right with several workers when `PROMETHEUS_MULTIPROC_DIR` names a folder that is
empty at start.
"""

import hmac
import ipaddress
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

REQUESTS = Counter(
    "http_requests_total", "Requests answered.", ["service", "method", "endpoint", "status"]
)
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds", "Time to answer.", ["service", "method", "endpoint"]
)
IN_PROGRESS = Gauge(
    "http_requests_in_progress",
    "Requests being answered now.",
    ["service"],
    multiprocess_mode="livesum",
)
QUERY_SECONDS = Histogram(
    "db_query_duration_seconds",
    "Time of an SQL statement.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
DB_ERRORS = Counter("db_errors_total", "SQL statements and connections that failed.")

at_scrape: list[Collector] = []


def observe_query(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    start = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    except Exception:
        DB_ERRORS.inc()
        raise
    finally:
        QUERY_SECONDS.observe(time.perf_counter() - start)


def may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    try:
        neighbour = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        neighbour = False
    return neighbour and "X-Forwarded-For" not in request.headers


def metrics(request: HttpRequest) -> HttpResponse:
    """`GET /metrics`: Prometheus' text format; by token where `METRICS_TOKEN` is set.

    Without a token only neighbours are answered: what came through a proxy is from outside.
    """
    if not may_read(request):
        body = {
            "detail": "This page needs the metrics token.",
            "code": "not_authenticated",
            "errors": {},
        }
        return JsonResponse(body, status=401, headers={"WWW-Authenticate": "Bearer"})
    answer: HttpResponse = ExportToDjangoView(request)
    own = CollectorRegistry()
    for collector in at_scrape:
        own.register(collector)
    answer.write(generate_latest(own))
    return answer
