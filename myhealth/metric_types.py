"""The one registry of metric types. A new type is an entry here and what the entry names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricType:
    """Where the parts of a metric type are, as dotted paths: its folders don't import each other.

    `collections` are Oura's collections that a day is made from, the day's summary first.
    `traits` and `notes` tell by what a day was measured, and what changed in it; not all can.
    """

    model: str
    document: str
    mapping: str
    collections: tuple[str, ...]
    traits: str = ""
    notes: str = ""


METRIC_TYPES = {
    "sleep": MetricType(
        model="ingest.models.SleepMetric",
        document="ingest.documents.SleepDocument",
        mapping="oura.mapping.sleep",
        collections=("daily_sleep", "sleep"),
        traits="oura.reanalysis.traits",
        notes="oura.reanalysis.notes",
    ),
    "activity": MetricType(
        model="ingest.models.ActivityMetric",
        document="ingest.documents.ActivityDocument",
        mapping="oura.mapping.activity",
        collections=("daily_activity",),
    ),
    "readiness": MetricType(
        model="ingest.models.ReadinessMetric",
        document="ingest.documents.ReadinessDocument",
        mapping="oura.mapping.readiness",
        collections=("daily_readiness",),
    ),
}
