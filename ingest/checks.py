"""What no declaration of a metric type may leave open, found before the first request."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from ingest.models import METRIC_MODELS
from metrics import TYPES, MetricType
from metrics.columns import Contributors, Number

LONGEST_NAME = 32


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
    provenances = Counter(name for each in TYPES.values() for name in each.provenance)
    for name, count in (figures + provenances).items():
        if count > 1:
            yield f"{name} is declared {count} times; expected another name for each."
    if sum(bool(each.worn_minutes) for each in TYPES.values()) > 1:
        yield "Several types declare worn_minutes; expected one that has the ring's word."


def _type(metric_type: MetricType) -> Iterator[str]:
    kinds = {column.name: column.kind for column in metric_type.columns}
    if not metric_type.name.isidentifier() or len(metric_type.name) > LONGEST_NAME:
        yield f"its name must be an identifier of up to {LONGEST_NAME} characters."
    if len(kinds) < len(metric_type.columns):
        yield "it has two columns of one name."
    for name in (*metric_type.card, *metric_type.worn_minutes):
        if name not in kinds:
            yield f"{name} is not a column; expected some of {', '.join(kinds)}."
    for figure in metric_type.figures:
        if not isinstance(kinds.get(figure.column), Number):
            yield f"{figure.name} needs a column of numbers, not {figure.column}."
    for name, kind in kinds.items():
        if isinstance(kind, Contributors) != (name == "contributors"):
            yield f"{name}: a column of contributors is named contributors, and no other is."
