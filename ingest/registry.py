"""The metric types as this app sees them: model, document schema, columns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
    collections: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """A document's columns in the contract's order: score first, contributors last."""
        own = [name for name in self.document.__struct_fields__ if name not in Document.ENVELOPE]
        return ("score", *own, "contributors")

    def map(self, day: str, documents: Any) -> dict[str, Any] | None:
        """The metric document of a day's Oura documents, by collection; None when none counts."""
        found: dict[str, Any] | None = self._function("mapping")(day, documents)
        return found

    @property
    def has_traits(self) -> bool:
        return bool(METRIC_TYPES[self.type].traits)

    def traits(self, source: Any) -> dict[str, str]:
        """By what a day was measured, as its Oura documents tell."""
        found: dict[str, str] = self._function("traits")(source) if source else {}
        return found

    def notes(self, before: Any, after: Any) -> list[str]:
        """What changed from one day's Oura documents to others, in words."""
        found = self._function("notes")(before, after) if before and after else []
        return list(found)

    def _function(self, name: str) -> Callable[..., Any]:
        path = getattr(METRIC_TYPES[self.type], name)
        return import_string(path) if path else nothing


def nothing(*_: Any) -> Any:
    return {}


METRICS = {
    name: MetricKind(
        name,
        import_string(entry.model),
        import_string(entry.document),
        entry.collections,
    )
    for name, entry in METRIC_TYPES.items()
}
