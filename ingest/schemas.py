"""The processor's OpenAPI schemas that no serializer tells."""

from typing import Any

import msgspec

from ingest.registry import METRICS


def _documents() -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components(
        [kind.document for kind in METRICS.values()], ref_template="#/components/schemas/{name}"
    )
    return list(components.values())


COUNTS: dict[str, Any] = {
    name: {"type": "integer", "minimum": 0} for name in ("created", "updated", "unchanged")
}
MESSAGES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["detail", "code", "errors"],
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}, "errors": MESSAGES},
}
REJECTED: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["index", "id", "errors"],
        "properties": {
            "index": {"type": "integer"},
            "id": {"type": ["string", "null"]},
            "errors": MESSAGES,
        },
    },
}
OUTCOME: dict[str, Any] = {
    "type": "object",
    "required": ["status", "created", "updated", "unchanged", "rejected"],
    "properties": {
        "status": {"type": "string", "enum": ["success", "partial"]},
        **COUNTS,
        "rejected": REJECTED,
    },
}
REFUSAL: dict[str, Any] = {
    "type": "object",
    "required": ERROR["required"],
    "properties": {
        **ERROR["properties"],
        "status": {"type": "string", "enum": ["failed"]},
        **COUNTS,
        "rejected": REJECTED,
    },
}
DATE = {"type": "string", "format": "date"}
COVERAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["first", "last", "days", "missing"],
        "properties": {
            "first": {"type": ["string", "null"], "format": "date"},
            "last": {"type": ["string", "null"], "format": "date"},
            "days": {"type": "integer"},
            "missing": {"type": "array", "items": {"type": "array", "items": DATE}},
        },
    },
}
ROWS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["oura_id", "day", "score"],
        "properties": {
            "oura_id": {"type": "string"},
            "day": DATE,
            "score": {"type": ["integer", "null"]},
        },
    },
}
DOCUMENTS = _documents()
INGEST_REQUEST: dict[str, Any] = {
    "application/json": {
        "type": "object",
        "required": ["type", "data"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "enum": list(METRICS)},
            "user": {"type": ["string", "null"]},
            "data": {
                "anyOf": [
                    *DOCUMENTS,
                    {"type": "array", "maxItems": 5000, "items": {"anyOf": DOCUMENTS}},
                ]
            },
            "fetched_at": {"type": ["string", "null"], "format": "date-time"},
            "read": {
                "type": ["object", "null"],
                "required": ["start", "end"],
                "additionalProperties": False,
                "properties": {"start": DATE, "end": DATE},
            },
            "origin": {"type": ["string", "null"], "enum": ["oura", "sandbox", None]},
        },
    }
}


def errors(*statuses: int) -> dict[int, dict[str, Any]]:
    return dict.fromkeys(statuses, ERROR)
