"""The API's OpenAPI schemas, told from the tables."""

from typing import Any

from django.db import models
from drf_spectacular.utils import OpenApiParameter

from dashboard.reading import columns
from dashboard.summaries import DECIMALS, FIGURES, mean
from ingest.registry import METRICS, MetricKind

Schema = dict[str, Any]
DATE: Schema = {"type": "string", "format": "date"}
MESSAGES: Schema = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
ERROR: Schema = {
    "type": "object",
    "required": ["detail", "code", "errors"],
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}, "errors": MESSAGES},
}
TOKENS: Schema = {
    "type": "object",
    "required": ["token", "access", "refresh"],
    "properties": {
        "token": {"type": "string", "description": "The same as access."},
        "access": {"type": "string", "description": "Valid for 15 minutes."},
        "refresh": {"type": "string", "description": "Works once."},
    },
}
TYPES: "dict[type[models.Field[Any, Any]], str]" = {
    models.IntegerField: "integer",
    models.FloatField: "number",
}


def errors(*statuses: int) -> dict[Any, Schema]:
    return {(status, "application/json"): ERROR for status in statuses}


def page_errors(*statuses: int) -> dict[Any, Schema]:
    """Errors of a route that the browsable API shows, too."""
    pages = {(status, "text/html"): {"type": "string"} for status in statuses}
    return {**errors(*statuses), **pages}


def column(kind: MetricKind, name: str) -> Schema:
    field = kind.model._meta.get_field(name)
    text = str(getattr(field, "help_text", ""))
    if name == "day":
        return {**DATE, "description": text}
    if name == "updated_at":
        return {"type": "string", "format": "date-time", "description": text}
    if name == "contributors":
        values = {"type": ["integer", "null"], "minimum": 0, "maximum": 100}
        return {"type": "object", "additionalProperties": values, "description": text}
    known = next((told for type_, told in TYPES.items() if isinstance(field, type_)), "string")
    return {"type": [known, "null"] if field.null else known, "description": text}


def row(kind: MetricKind) -> Schema:
    properties = {name: column(kind, name) for name in columns(kind)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def full_row(kind: MetricKind) -> Schema:
    return {**row(kind), "required": list(columns(kind))}


def read(kind: MetricKind) -> dict[Any, Any]:
    rows = {"type": "array", "items": row(kind)}
    return {
        (200, "application/json"): rows,
        (200, "text/csv"): {"type": "string"},
        (200, "text/html"): {"type": "string"},
        304: None,
        **page_errors(400, 401, 406, 503),
    }


def figure(compute: Any) -> Schema:
    if compute is mean:
        return {"type": ["number", "null"], "description": f"Mean, {DECIMALS} decimals."}
    return {"type": ["number", "null"], "description": "Sum."}


WEEK: Schema = {
    "type": "object",
    "required": ["start", "end", *(each.name for each in FIGURES)],
    "properties": {
        "start": DATE,
        "end": DATE,
        **{each.name: figure(each.compute) for each in FIGURES},
        **{f"{name}_days": {"type": "integer", "minimum": 0, "maximum": 7} for name in METRICS},
    },
}
DASHBOARD: dict[Any, Any] = {
    (200, "application/json"): {
        "type": "object",
        "required": [
            "today",
            *(f"latest_{name}" for name in METRICS),
            "weekly_summary",
            "weekly_summaries",
        ],
        "properties": {
            "today": DATE,
            **{
                f"latest_{name}": {"anyOf": [full_row(kind), {"type": "null"}]}
                for name, kind in METRICS.items()
            },
            "weekly_summary": WEEK,
            "weekly_summaries": {"type": "array", "items": WEEK},
        },
    },
    (200, "text/html"): {"type": "string"},
    304: None,
    **page_errors(400, 401, 406, 503),
}


START = OpenApiParameter("start", DATE, description="First day; without it 30 days up to the end.")
END = OpenApiParameter(
    "end", DATE, description="Last day, included; without it the person's today."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag of an earlier answer."
)


def fields(kind: MetricKind) -> OpenApiParameter:
    known = {"type": "string", "enum": list(columns(kind))}
    return OpenApiParameter(
        "fields",
        {"type": "array", "items": known, "minItems": 1},
        style="form",
        explode=False,
        description="Just these columns, separated by commas.",
    )


def format_parameter(*formats: str) -> OpenApiParameter:
    return OpenApiParameter("format", str, enum=formats, description="Instead of an Accept header.")
