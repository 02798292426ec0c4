"""What there is: the types with their columns, as far as a person shares and has them."""

from typing import Any

from django.db.models import Max, Min

from accounts.models import User
from dashboard.queries import database_alias, rows_of_user
from ingest.models import METRIC_MODELS, Metric
from metrics.columns import Column, Contributors
from oura.models import Connection


def granted_scopes(user: User) -> list[str] | None:
    """Return what the person shares from Oura; None without a connection."""
    connections = Connection.objects.using(database_alias()).filter(user=user)
    return connections.values_list("scopes", flat=True).first()


def describe_types(user: User, granted: list[str] | None) -> list[dict[str, Any]]:
    return [_describe(model, user, granted) for model in METRIC_MODELS.values()]


def _describe(model: type[Metric], user: User, granted: list[str] | None) -> dict[str, Any]:
    of = model.metric_type
    days = rows_of_user(model, user.pk).aggregate(first_day=Min("day"), last_day=Max("day"))
    return {
        "name": of.name,
        "kind": "daily",
        "title": of.title,
        "columns": list(map(_describe_column, of.columns)),
        "scope": of.scope,
        "granted": None if granted is None else of.scope in granted,
        **days,
        "series": [each.name for each in of.series],
    }


def _describe_column(column: Column) -> dict[str, Any]:
    kind = column.kind
    values = kind.value if isinstance(kind, Contributors) else kind
    return {
        "name": column.name,
        "label": column.title,
        "unit": column.unit,
        "kind": type(kind).__name__.lower(),
        "meaning": column.meaning,
        "minimum": getattr(values, "lowest", None),
        "maximum": getattr(values, "highest", None),
        "contributors": list(getattr(kind, "names", ())),
    }
