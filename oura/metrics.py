"""What operators see of the collector, which is gone before anyone could scrape it."""

from pathlib import Path

from django.conf import settings
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    pushadd_to_gateway,
    write_to_textfile,
)
from prometheus_client.parser import text_string_to_metric_families

from oura.collector import Report


def publish(report: Report, *, seconds: float, now: float, exit_code: int) -> None:
    """Write the run's figures to `METRICS_TEXTFILE`, or push them to `PUSHGATEWAY_URL`."""
    if not (settings.METRICS_TEXTFILE or settings.PUSHGATEWAY_URL):
        return
    registry = figures(report, seconds=seconds, now=now, exit_code=exit_code)
    if settings.METRICS_TEXTFILE:
        write_to_textfile(settings.METRICS_TEXTFILE, registry)
    if settings.PUSHGATEWAY_URL:
        pushadd_to_gateway(settings.PUSHGATEWAY_URL, job="collector", registry=registry)


def figures(report: Report, *, seconds: float, now: float, exit_code: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    runs = Counter("collector_runs_total", "Runs.", ["status"], registry=registry)
    duration = Gauge("collector_run_duration_seconds", "Last run's time.", registry=registry)
    points = Counter("data_points_collected_total", "Days read.", ["type"], registry=registry)
    errors = Counter(
        "collector_errors_total", "What failed.", ["data_type", "error_type"], registry=registry
    )
    success = Gauge(
        "collector_last_successful_run_timestamp_seconds",
        "When a run last collected all.",
        registry=registry,
    )
    before = previous()
    for (name, labels), value in before.items():
        counter = {"collector_runs_total": runs, "data_points_collected_total": points}.get(name)
        counter = errors if name == "collector_errors_total" else counter
        if counter is not None:
            counter.labels(**dict(labels)).inc(value)
    runs.labels(report.status).inc()
    duration.set(seconds)
    for type_, tally in report.tallies.items():
        points.labels(type_).inc(tally.fetched)
    for problem in report.problems:
        errors.labels(problem.type, problem.kind).inc()
    last = before.get(("collector_last_successful_run_timestamp_seconds", ()), 0)
    success.set(now if exit_code == 0 else last)
    return registry


def previous() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Earlier runs' figures in the textfile, so that counters count on."""
    path = Path(settings.METRICS_TEXTFILE) if settings.METRICS_TEXTFILE else None
    if path is None or not path.exists():
        return {}
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
