"""Prometheus metrics that all services have, and the page that shows them.

With several workers, `PROMETHEUS_MULTIPROC_DIR` must name a folder that is empty at start.
"""

import hmac
import ipaddress
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.registry import Collector

from myhealth.addresses import parse_address
from myhealth.headers import bearer_token

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
    "Duration of SQL statements.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
DB_ERRORS = Counter("db_errors_total", "SQL statements and connections that failed.")

# A worker's files for its metrics and their first size, as prometheus_client has them.
_FILES = ("counter", "histogram", "gauge_livesum", "gauge_max")
_FILE_BYTES = 2**20

# Collectors that compute their metrics at each scrape; apps add theirs when they are ready.
at_scrape: list[Collector] = []


def reserve_space() -> None:
    """Take the space that this worker's metrics need on the disk.

    They are written through memory, and the kernel kills a process whose page finds no space.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    # macOS has no such call.
    if folder and sys.platform == "linux":
        for name in _FILES:
            with Path(folder, f"{name}_{os.getpid()}.db").open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)


def observe_query(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Record the time and the failure of an SQL statement (a database wrapper of Django's)."""
    start = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    except Exception:
        DB_ERRORS.inc()
        raise
    finally:
        QUERY_SECONDS.observe(time.perf_counter() - start)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        return hmac.compare_digest(bearer_token(request).encode(), settings.METRICS_TOKEN.encode())
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    is_private = address is not None and address.is_private
    return is_private and "X-Forwarded-For" not in request.headers and _is_local_name(request)


def _is_local_name(request: HttpRequest) -> bool:
    """Return whether the request asks for an address or for a name without dots.

    A public name means that a proxy passed it on, or that another site's page sent it: a browser
    takes any address of ours for the site's, if the site's name server says so.
    """
    host = request.META.get("HTTP_HOST", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return "." not in name
    return True


def _forget_dead_workers() -> None:
    """Remove the gauges of workers that were killed, whose requests are no longer in progress."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob("gauge_live*_*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            pass


def metrics(request: HttpRequest) -> HttpResponse:
    """`GET /metrics`: the metrics in Prometheus' text format, with `METRICS_TOKEN` as a token.

    If none is set, only private addresses have access, by an address or a name without dots, and
    never through a proxy.
    """
    if not _may_read(request):
        body = {
            "detail": "This page requires the metrics token.",
            "code": "not_authenticated",
            "errors": {},
        }
        return JsonResponse(body, status=401, headers={"WWW-Authenticate": "Bearer"})
    _forget_dead_workers()
    response: HttpResponse = ExportToDjangoView(request)
    registry = CollectorRegistry()
    for collector in at_scrape:
        registry.register(collector)
    response.write(generate_latest(registry))
    return response
