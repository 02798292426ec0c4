"""The registry of metric types.

A new type needs a module in this package and an entry in `TYPES`, a model in `ingest.models` with a
migration, and an entry in the sandbox's registry if the sandbox lacks the collection. Everything
else follows from what the module declares.
"""

from metrics.activity import ACTIVITY
from metrics.base import MetricType
from metrics.readiness import READINESS
from metrics.series import Series
from metrics.sleep import SLEEP

__all__ = [
    "ACTIVITY",
    "READINESS",
    "SLEEP",
    "TYPES",
    "MetricType",
    "all_series",
    "collection_in_words",
]

# In the order in which they are fetched and shown.
TYPES: dict[str, MetricType] = {each.name: each for each in (SLEEP, ACTIVITY, READINESS)}


def collection_in_words(name: str) -> str:
    """Return what people call one of Oura's collections: `the sleep score`."""
    declared = (each.collection_words.get(name) for each in TYPES.values())
    return next(filter(None, declared), f"the {name.replace('_', ' ')}")


def all_series() -> dict[str, tuple[MetricType, Series]]:
    """Return all series by name, each with its type."""
    return {series.name: (each, series) for each in TYPES.values() for series in each.series}
