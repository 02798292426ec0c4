"""What operators see of ingest."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError
from django.db.models import Max
from django.utils import timezone
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.registry import METRICS
from ingest.upsert import Outcome

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


def observe(type_: str, outcome: Outcome, *, began: datetime) -> None:
    now = timezone.now()
    for name in ("created", "updated", "unchanged"):
        PROCESSED.labels(type_, name).inc(getattr(outcome, name))
    PROCESSED.labels(type_, "rejected").inc(len(outcome.rejected))
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
            for name, kind in METRICS.items():
                newest = kind.model._default_manager.aggregate(newest=Max("day"))["newest"]
                if newest:
                    midnight = datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
                    family.add_metric([name], (timezone.now() - midnight).total_seconds())
        except (DatabaseError, InterfaceError):
            return []
        return [family]
