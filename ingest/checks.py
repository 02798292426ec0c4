"""System checks of the declarations of metric types."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES, MetricType
from metrics.columns import INT32, Contributors, Integer, Number

_MAX_NAME_LENGTH = 32
# Names that each row or document has besides the declared columns.
_RESERVED_COLUMNS = {"id", "source", *(field.name for field in Metric._meta.fields)}
# Names that documents of facts have besides the types.
_RESERVED_TYPES = {"rejected", "has_marks", "revisions"}


def check_metric_types(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Return an error for each mistake in the declarations."""
    messages: list[CheckMessage] = [Error(text, id="ingest.E001") for text in _registry_errors()]
    for metric_type in TYPES.values():
        messages += [
            Error(f"{metric_type.name}: {text}", id="ingest.E002")
            for text in _type_errors(metric_type)
        ]
    return messages


def _registry_errors() -> Iterator[str]:
    if list(METRIC_MODELS) != list(TYPES):
        yield (
            f"The models store {', '.join(METRIC_MODELS)}; expected {', '.join(TYPES)}, in the "
            "order of metrics.TYPES."
        )
    figures = Counter(figure.name for each in TYPES.values() for figure in each.figures)
    figures.update(("start", "end", "coverage", "marks", *(f"{name}_days" for name in TYPES)))
    provenances = Counter(name for each in TYPES.values() for name in each.provenance)
    for name, count in (*figures.items(), *provenances.items()):
        if count > 1:
            yield f"{name} is declared {count} times; each needs a different name."
    if sum(bool(each.off_minutes) for each in TYPES.values()) > 1:
        yield "Several types declare off_minutes; expected at most one."


def _type_errors(metric_type: MetricType) -> Iterator[str]:
    kinds = {column.name: column.kind for column in metric_type.columns}
    if not metric_type.name.isidentifier() or len(metric_type.name) > _MAX_NAME_LENGTH:
        yield f"its name must be an identifier of up to {_MAX_NAME_LENGTH} characters."
    if metric_type.name in _RESERVED_TYPES:
        yield "its name has another meaning where all types are read at once."
    if not metric_type.collections:
        yield "it has no collection."
    if len(kinds) < len(metric_type.columns):
        yield "it has two columns of the same name."
    shown = [name for name, kind in kinds.items() if not isinstance(kind, Contributors)]
    for name in metric_type.card:
        if name not in shown:
            yield f"{name} can't be on the card; expected one or more of {', '.join(shown)}."
    numbers = [name for name, kind in kinds.items() if isinstance(kind, Number)]
    off_minutes = (metric_type.off_minutes,) if metric_type.off_minutes else ()
    for name in (*off_minutes, *(figure.column for figure in metric_type.figures)):
        if name not in numbers:
            yield f"{name} is not a number; expected one or more of {', '.join(numbers)}."
    if metric_type.off_minutes and not metric_type.on_every_worn_day:
        yield "it has off_minutes, so it must be on_every_worn_day."
    for name, kind in kinds.items():
        if name in _RESERVED_COLUMNS:
            yield f"{name} can't be the name of a column: each row has one already."
        if isinstance(kind, Contributors) != (name == "contributors"):
            yield f"{name}: the column of contributors, and no other, must be named contributors."
        if isinstance(kind, Integer) and not -INT32 - 1 <= kind.lowest <= kind.highest <= INT32:
            yield f"{name}: the table has whole numbers from {-INT32 - 1} to {INT32}."
