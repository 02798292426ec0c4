"""The collector's Prometheus metrics, which are pushed: it ends before it could be scraped."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

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

from myhealth.outgoing import direct_session
from oura.models import Connection
from oura.report import Report
from oura.tokens import RECONNECT

log = structlog.get_logger("oura.prometheus")

_JOB = "collector"
_RUNS, _POINTS = "collector_runs_total", "data_points_collected_total"
_ERRORS = "collector_errors_total"
_SUCCESS = "collector_last_successful_run_timestamp_seconds"
_LABELS = {
    _RUNS: ("status",),
    _POINTS: ("type",),
    _ERRORS: ("data_type", "error_type"),
    _SUCCESS: (),
}
_TIMEOUT_SECONDS = 10.0

# By name, and the labels' values in the order of _LABELS.
_Samples = dict[tuple[str, tuple[str, ...]], float]


def publish(report: Report, *, seconds: float, now: float, exit_code: int) -> None:
    """Write the run's metrics to `METRICS_TEXTFILE` and push them to `PUSHGATEWAY_URL`, if set.

    Never raises: a run does not fail because its metrics can't be published.
    """
    targets: tuple[tuple[str, Callable[[str], str], Callable[[str, CollectorRegistry], None]], ...]
    targets = (
        (settings.METRICS_TEXTFILE, _read_textfile, write_to_textfile),
        (settings.PUSHGATEWAY_URL, _read_gateway, _push),
    )
    for target, read, write in targets:
        if not target:
            continue
        try:
            previous = _previous_samples(read, target)
            registry = _registry(report, previous, seconds=seconds, now=now, exit_code=exit_code)
            write(target, registry)
        except Exception as error:
            log.warning("figures not published", error_type=type(error).__name__)


def _registry(
    report: Report, previous: _Samples, *, seconds: float, now: float, exit_code: int
) -> CollectorRegistry:
    """Return the run's metrics; counters continue from their previous values."""
    registry = CollectorRegistry()
    duration = Gauge(
        "collector_run_duration_seconds", "Duration of the last run.", registry=registry
    )
    duration.set(seconds)
    runs = Counter(_RUNS, "Runs.", _LABELS[_RUNS], registry=registry)
    points = Counter(_POINTS, "Days read.", _LABELS[_POINTS], registry=registry)
    errors = Counter(_ERRORS, "What failed.", _LABELS[_ERRORS], registry=registry)
    counters = {_RUNS: runs, _POINTS: points, _ERRORS: errors}
    for (name, labels), value in previous.items():
        if name in counters:
            counters[name].labels(*labels).inc(value)
    runs.labels(report.status).inc()
    for type_, tally in report.tallies.items():
        points.labels(type_).inc(tally.fetched)
    for problem in report.problems:
        errors.labels(problem.type, problem.kind).inc()
    # A gateway keeps what isn't pushed; an unknown time must not be published as 1970.
    success = now if exit_code == 0 else previous.get((_SUCCESS, ()))
    if success is not None:
        Gauge(_SUCCESS, "When a run last collected everything.", registry=registry).set(success)
    return registry


def _previous_samples(read: Callable[[str], str], target: str) -> _Samples:
    """Return the earlier runs' samples, which counters continue from; none if unreadable."""
    samples: _Samples = {}
    try:
        for family in text_string_to_metric_families(read(target)):
            for sample in family.samples:
                labels = dict(sample.labels)
                # A gateway has other programs' metrics, too, and adds these two labels to ours.
                if labels.pop("job", _JOB) != _JOB or labels.pop("instance", ""):
                    continue
                names = _LABELS.get(sample.name)
                if names is None or labels.keys() != set(names) or not 0 <= sample.value < math.inf:
                    continue
                samples[sample.name, tuple(labels[name] for name in names)] = sample.value
    except Exception as error:
        log.warning("earlier figures not read", error_type=type(error).__name__)
        return {}
    return samples


def _read_textfile(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _read_gateway(url: str) -> str:
    with direct_session() as session:
        response = session.get(f"{url}/metrics", timeout=_TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.text


def _push(url: str, registry: CollectorRegistry) -> None:
    pushadd_to_gateway(
        url, job=_JOB, registry=registry, timeout=_TIMEOUT_SECONDS, handler=_push_handler
    )


def _push_handler(
    url: str, method: str, timeout: float | None, headers: Sequence[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """Return what sends a push; the library's own one takes proxies from the environment."""

    def send() -> None:
        with direct_session() as session:
            session.request(
                method, url, data=data, headers=dict(headers), timeout=timeout
            ).raise_for_status()

    return send


class ConnectionsCollector(Collector):
    """Counts connections in the database at each scrape."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "oura_connections", "Connected Oura accounts by state.", labels=["state"]
        )
        try:
            states = Connection.objects.order_by().values_list("ended")
            counts = dict(states.annotate(Count("pk")))
            # As the last run saw it: to decrypt all tokens at each scrape would take too long.
            lost = Connection.objects.living().filter(problem__endswith=RECONNECT).count()
        except (DatabaseError, InterfaceError):
            return []
        family.add_metric(["connected"], counts.pop("", 0) - lost)
        family.add_metric(["lost"], lost)
        for state in Connection.Ended.values:
            family.add_metric([state], counts.get(state, 0))
        return [family]
