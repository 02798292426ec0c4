"""What operators see of ingest."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

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

PROCESSED = Counter(
    "processed_records_total", "Documents by what became of them.", ["type", "outcome"]
)
PROCESSING = Histogram("processing_duration_seconds", "Time to store a request.", ["type"])
LAST_PROCESSED = Gauge(
    "last_processed_timestamp_seconds",
    "When documents of a type were last stored.",
    ["type"],
    multiprocess_mode="max",
)

HEALED = Counter(
    "myhealth_days_healed_total", "Days that had been missing and came after all.", ["type"]
)
REVISED = Counter(
    "myhealth_days_revised_total", "Days that were over and changed or went.", ["type"]
)
READ_FAILURES = Counter(
    "myhealth_read_failures_total", "Ranges that could not be read.", ["type", "kind"]
)


def observe(type_: str, outcome: Outcome, *, began: datetime) -> None:
    now = timezone.now()
    for name in ("created", "updated", "unchanged"):
        PROCESSED.labels(type_, name).inc(getattr(outcome, name))
    PROCESSED.labels(type_, "rejected").inc(len(outcome.rejected))
    HEALED.labels(type_).inc(outcome.healed)
    REVISED.labels(type_).inc(outcome.revised)
    PROCESSING.labels(type_).observe((now - began).total_seconds())
    if outcome.stored:
        LAST_PROCESSED.labels(type_).set(now.timestamp())


class NewestDay(Collector):
    """Asked of the database at each scrape, so it is right whichever process is asked."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "newest_day_age_seconds",
            "Age of the newest day held, over all people.",
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


SUMS = """
    SELECT types.key, reasons.key, sum(reasons.value::bigint)
    FROM collection_runs, jsonb_each(missing) AS types, jsonb_each_text(types.value) AS reasons
    WHERE newest AND finished_at > %s GROUP BY 1, 2"""
# Whoever is no longer collected for lacks nothing that could come.
RECENT = timedelta(days=7)


class MissingDays(Collector):
    """As everybody's last run left them, so a scrape costs no ledger."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "myhealth_days_missing",
            "Days not wholly held after each person's last run, over all people.",
            labels=["type", "reason"],
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(SUMS, [timezone.now() - RECENT])
                sums = {(type_, reason): days for type_, reason, days in cursor.fetchall()}
        except (DatabaseError, InterfaceError):
            return []
        for name in TYPES:
            for state in State.values:
                if state != State.HELD:
                    family.add_metric([name, state], sums.get((name, state), 0))
        return [family]
