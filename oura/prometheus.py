"""What operators see of the collector, which is gone before anyone could scrape it."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import requests
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Count
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    pushadd_to_gateway,
    write_to_textfile,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from oura.models import Connection
from oura.report import Report

log = structlog.get_logger("oura.prometheus")

JOB = "collector"
RUNS, POINTS = "collector_runs_total", "data_points_collected_total"
ERRORS = "collector_errors_total"
SUCCESS = "collector_last_successful_run_timestamp_seconds"
LABELS = {RUNS: ("status",), POINTS: ("type",), ERRORS: ("data_type", "error_type"), SUCCESS: ()}
TIMEOUT = 10.0

# By name, and the labels' values in the order of LABELS.
Earlier = dict[tuple[str, tuple[str, ...]], float]


def publish(report: Report, *, seconds: float, now: float, exit_code: int) -> None:
    """Write the run's figures to `METRICS_TEXTFILE` and push them to `PUSHGATEWAY_URL`, if set.

    Never raises: what was collected is no worse for it.
    """
    places: tuple[tuple[str, Callable[[str], str], Callable[[str, CollectorRegistry], None]], ...]
    places = (
        (settings.METRICS_TEXTFILE, written, write_to_textfile),
        (settings.PUSHGATEWAY_URL, pushed, push),
    )
    for place, read, write in places:
        if not place:
            continue
        try:
            before = earlier(read, place)
            write(place, figures(report, before, seconds=seconds, now=now, exit_code=exit_code))
        except Exception as error:
            log.warning("figures not published", error_type=type(error).__name__)


def figures(
    report: Report, before: Earlier, *, seconds: float, now: float, exit_code: int
) -> CollectorRegistry:
    """The run's figures, counted on from those before."""
    registry = CollectorRegistry()
    duration = Gauge("collector_run_duration_seconds", "Last run's time.", registry=registry)
    duration.set(seconds)
    runs = Counter(RUNS, "Runs.", LABELS[RUNS], registry=registry)
    points = Counter(POINTS, "Days read.", LABELS[POINTS], registry=registry)
    errors = Counter(ERRORS, "What failed.", LABELS[ERRORS], registry=registry)
    counters = {RUNS: runs, POINTS: points, ERRORS: errors}
    for (name, labels), value in before.items():
        if name in counters:
            counters[name].labels(*labels).inc(value)
    runs.labels(report.status).inc()
    for type_, tally in report.tallies.items():
        points.labels(type_).inc(tally.fetched)
    for problem in report.problems:
        errors.labels(problem.type, problem.kind).inc()
    # A gateway keeps what isn't pushed, so an unknown time must not be told as 1970.
    success = now if exit_code == 0 else before.get((SUCCESS, ()))
    if success is not None:
        Gauge(SUCCESS, "When a run last collected all.", registry=registry).set(success)
    return registry


def earlier(read: Callable[[str], str], place: str) -> Earlier:
    """Earlier runs' figures, so that counters count on; none when they can't be read."""
    found: Earlier = {}
    try:
        for family in text_string_to_metric_families(read(place)):
            for sample in family.samples:
                labels = dict(sample.labels)
                # A gateway has other programs' figures as well, and adds these two to ours.
                if labels.pop("job", JOB) != JOB or labels.pop("instance", ""):
                    continue
                names = LABELS.get(sample.name)
                if names is None or labels.keys() != set(names) or not 0 <= sample.value < math.inf:
                    continue
                found[sample.name, tuple(labels[name] for name in names)] = sample.value
    except Exception as error:
        log.warning("earlier figures not read", error_type=type(error).__name__)
        return {}
    return found


def written(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def pushed(url: str) -> str:
    answer = requests.get(f"{url}/metrics", timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.text


def push(url: str, registry: CollectorRegistry) -> None:
    pushadd_to_gateway(url, job=JOB, registry=registry, timeout=TIMEOUT)


class Connections(Collector):
    """Asked of the database at each scrape."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "oura_connections", "Connected Oura accounts by state.", labels=["state"]
        )
        try:
            held = Connection.objects.order_by().values_list("ended")
            counts = dict(held.annotate(Count("pk")))
        except (DatabaseError, InterfaceError):
            return []
        for state in ("", *Connection.Ended.values):
            family.add_metric([state or "connected"], counts.get(state, 0))
        return [family]
