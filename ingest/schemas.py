"""The processor's OpenAPI schemas that no serializer tells."""

from typing import Any

import msgspec

from ingest.documents import schema_of
from ingest.reports import KINDS, MOST_RANGES
from ingest.runs import COUNTED
from metrics import TYPES
from myhealth.schemas import COUNT, DATE, ERROR, MESSAGES
from myhealth.states import State


def _documents() -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components(
        [schema_of(each) for each in TYPES.values()], ref_template="#/components/schemas/{name}"
    )
    return list(components.values())


COUNTS: dict[str, Any] = {
    name: {"type": "integer", "minimum": 0} for name in ("created", "updated", "unchanged")
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
MOMENT = {"type": ["string", "null"], "format": "date-time"}
RANGE: dict[str, Any] = {
    "type": "object",
    "required": ["from", "to", "state", "why", "reason", "asked_at", "next_at", "times"],
    "properties": {
        "from": DATE,
        "to": DATE,
        "state": {"type": "string", "enum": list(State.values)},
        "why": {"type": "string"},
        "reason": {"type": ["string", "null"]},
        "asked_at": MOMENT,
        "next_at": MOMENT,
        "times": COUNT,
    },
}
COVERAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["first", "last", "days", "missing"],
        "properties": {
            "first": {"type": ["string", "null"], "format": "date"},
            "last": {"type": ["string", "null"], "format": "date"},
            "days": COUNT,
            "missing": {"type": "array", "items": {"type": "array", "items": DATE}},
        },
    },
}
LEDGER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": RANGE},
}
REPORT_REQUEST: dict[str, Any] = {
    "application/json": {
        "type": "object",
        "required": ["type", "ranges", "kind"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "enum": list(TYPES)},
            "user": {"type": ["string", "null"]},
            "asked_at": MOMENT,
            "ranges": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_RANGES,
                "items": {
                    "type": "object",
                    "required": ["start", "end"],
                    "additionalProperties": False,
                    "properties": {"start": DATE, "end": DATE},
                },
            },
            "kind": {"type": "string", "enum": list(KINDS)},
            "status": {"type": ["integer", "null"], "minimum": 100, "maximum": 599},
            "collection": {"type": ["string", "null"], "maxLength": 64},
            "page": {"type": ["integer", "null"], "minimum": 1},
        },
    }
}
RUN_REQUEST: dict[str, Any] = {
    "application/json": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"user": {"type": ["string", "null"]}},
    }
}
RUN: dict[str, Any] = {
    "type": "object",
    "required": [*COUNTED, "missing"],
    "properties": {
        **dict.fromkeys(COUNTED, COUNT),
        "missing": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": COUNT},
        },
    },
}
ROWS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["oura_id", "day"],
        "properties": {"oura_id": {"type": "string"}, "day": DATE},
    },
}
DOCUMENTS = _documents()
INGEST_REQUEST: dict[str, Any] = {
    "application/json": {
        "type": "object",
        "required": ["type", "data"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "enum": list(TYPES)},
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
                "properties": {
                    "start": DATE,
                    "end": DATE,
                    "pages": {"type": ["integer", "null"], "minimum": 0},
                    "documents": {"type": ["integer", "null"], "minimum": 0},
                },
            },
            "origin": {"type": ["string", "null"], "enum": ["oura", "sandbox", None]},
        },
    }
}
