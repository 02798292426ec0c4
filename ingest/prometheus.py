"""The processor's Prometheus metrics."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Max
from django.utils import timezone
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.models import METRIC_MODELS
from ingest.upsert import Outcome
from metrics import TYPES
from myhealth.states import State

_PROCESSED = Counter(
    "processed_records_total", "Documents received, by outcome.", ["type", "outcome"]
)
_PROCESSING = Histogram(
    "processing_duration_seconds", "Time taken to store the documents of a request.", ["type"]
)
_LAST_PROCESSED = Gauge(
    "last_processed_timestamp_seconds",
    "When documents were last stored.",
    ["type"],
    multiprocess_mode="max",
)

_HEALED = Counter("myhealth_days_healed_total", "Missing days that have since arrived.", ["type"])
_REVISED = Counter(
    "myhealth_days_revised_total", "Past days that changed or were removed at Oura.", ["type"]
)
READ_FAILURES = Counter("myhealth_read_failures_total", "Failed fetches.", ["type", "kind"])


def observe(type_: str, outcome: Outcome, *, began: datetime) -> None:
    """Add the outcome of a request that stored documents to the metrics."""
    now = timezone.now()
    counters, processing, last_processed = _metrics(type_)
    counts = vars(outcome) | {"rejected": len(outcome.rejected), "warned": len(outcome.warnings)}
    for name, counter in counters.items():
        if count := counts[name]:
            counter.inc(count)
    processing.observe((now - began).total_seconds())
    if outcome.stored:
        last_processed.set(now.timestamp())


@cache
def _metrics(type_: str) -> tuple[dict[str, Counter], Histogram, Gauge]:
    """Return the metrics of a type: counters by the name of what they count; all begin with 0."""
    # Those that are warned were created, updated or unchanged as well.
    names = ("created", "updated", "unchanged", "rejected", "warned")
    counters = {name: _PROCESSED.labels(type_, name) for name in names}
    counters |= {"healed": _HEALED.labels(type_), "revised": _REVISED.labels(type_)}
    return counters, _PROCESSING.labels(type_), _LAST_PROCESSED.labels(type_)


class NewestDay(Collector):
    """Queries the database at each scrape, so that every process reports the same."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "newest_day_age_seconds",
            "Seconds since the start of the newest day stored for anyone.",
            labels=["type"],
        )
        try:
            for name, model in METRIC_MODELS.items():
                newest = model.objects.aggregate(newest=Max("day"))["newest"]
                if newest:
                    midnight = datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
                    family.add_metric([name], (timezone.now() - midnight).total_seconds())
        except (DatabaseError, InterfaceError):
            return []
        return [family]


_MISSING_DAYS = """
    SELECT types.key, reasons.key, sum(reasons.value::bigint)
    FROM collection_runs, jsonb_each(missing) AS types, jsonb_each_text(types.value) AS reasons
    WHERE newest AND finished_at > %s GROUP BY 1, 2"""
# People whose data are no longer collected are left out: none of their missing days can arrive.
_RECENT = timedelta(days=7)


class MissingDays(Collector):
    """Sums up what each person's last run stored, since deriving ledgers would take too long."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "myhealth_days_missing",
            "Days missing after each person's last run, summed over all people.",
            labels=["type", "reason"],
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(_MISSING_DAYS, [timezone.now() - _RECENT])
                days = {(type_, reason): count for type_, reason, count in cursor.fetchall()}
        except (DatabaseError, InterfaceError):
            return []
        for name in TYPES:
            for state in State.values:
                if state != State.HELD:
                    family.add_metric([name, state], days.get((name, state), 0))
        return [family]
