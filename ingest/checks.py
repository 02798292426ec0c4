"""What no declaration of a metric type may leave open, found before the first request."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES, MetricType
from metrics.columns import INT32, Contributors, Integer, Number

LONGEST_NAME = 32
# What each row and each document has besides the declared columns.
RESERVED = {"id", "source", *(field.name for field in Metric._meta.fields)}


def check_metric_types(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Return an error for each mistake in the declarations."""
    found: list[CheckMessage] = [Error(text, id="ingest.E001") for text in _registry()]
    for metric_type in TYPES.values():
        found += [
            Error(f"{metric_type.name}: {text}", id="ingest.E002") for text in _type(metric_type)
        ]
    return found


def _registry() -> Iterator[str]:
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
            yield f"{name} is declared {count} times; expected another name for each."
    if sum(bool(each.worn_minutes) for each in TYPES.values()) > 1:
        yield "Several types declare worn_minutes; expected one that has the ring's word."


def _type(metric_type: MetricType) -> Iterator[str]:
    kinds = {column.name: column.kind for column in metric_type.columns}
    if not metric_type.name.isidentifier() or len(metric_type.name) > LONGEST_NAME:
        yield f"its name must be an identifier of up to {LONGEST_NAME} characters."
    if not metric_type.collections:
        yield "it has no collection of Oura's."
    if len(kinds) < len(metric_type.columns):
        yield "it has two columns of one name."
    shown = [name for name, kind in kinds.items() if not isinstance(kind, Contributors)]
    for name in metric_type.card:
        if name not in shown:
            yield f"{name} can't be on the card; expected some of {', '.join(shown)}."
    numbers = [name for name, kind in kinds.items() if isinstance(kind, Number)]
    for name in (*metric_type.worn_minutes, *(figure.column for figure in metric_type.figures)):
        if name not in numbers:
            yield f"{name} can't be computed with; expected some of {', '.join(numbers)}."
    if metric_type.worn_minutes and not metric_type.on_every_worn_day:
        yield "it has worn_minutes, so it must be on_every_worn_day."
    for name, kind in kinds.items():
        if name in RESERVED:
            yield f"{name} is no name for a column: each row has one."
        if isinstance(kind, Contributors) != (name == "contributors"):
            yield f"{name}: a column of contributors is named contributors, and no other is."
        if isinstance(kind, Integer) and not -INT32 - 1 <= kind.lowest <= kind.highest <= INT32:
            yield f"{name}: the table has whole numbers from {-INT32 - 1} to {INT32}."
