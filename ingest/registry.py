"""The metric types as this app sees them: model, document schema, columns."""

from dataclasses import dataclass
from functools import cached_property

from django.utils.module_loading import import_string

from ingest.documents import Document
from ingest.models import Metric
from myhealth.metric_types import METRIC_TYPES

Model = type[Metric]
Schema = type[Document]


@dataclass(frozen=True)
class MetricKind:
    type: str
    model: Model
    document: Schema

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """A document's columns in the contract's order: score first, contributors last."""
        own = [name for name in self.document.__struct_fields__ if name not in Document.ENVELOPE]
        return ("score", *own, "contributors")


METRICS = {
    name: MetricKind(name, import_string(entry.model), import_string(entry.document))
    for name, entry in METRIC_TYPES.items()
}
