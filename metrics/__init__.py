"""What is collected: the one registry of metric types.

A new type is a file beside this one and an entry in `TYPES`, a model in `ingest.models` with its
migration, and an entry in the sandbox's registry where the sandbox has not the collection yet; all
else follows from what the file declares.
"""

from metrics.activity import ACTIVITY
from metrics.base import MetricType
from metrics.readiness import READINESS
from metrics.sleep import SLEEP

__all__ = ["ACTIVITY", "READINESS", "SLEEP", "TYPES", "MetricType"]

# In the order in which they are collected and shown.
TYPES: dict[str, MetricType] = {each.name: each for each in (SLEEP, ACTIVITY, READINESS)}
