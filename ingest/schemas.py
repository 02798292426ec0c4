"""The OpenAPI schemas of the processor's requests and responses."""

from typing import Any

import msgspec

from ingest.documents import schema_of
from ingest.runs import COUNTERS
from ingest.validation import FAILURE_KINDS, MAX_DOCUMENTS, MAX_OWNER_LENGTH, MAX_RANGES
from metrics import TYPES
from myhealth.schemas import COUNT, DATE, ERROR, MESSAGES, TYPE_NAME, component
from myhealth.states import FailureKind, State


def _documents() -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components(
        [schema_of(each) for each in TYPES.values()], ref_template="#/components/schemas/{name}"
    )
    return [
        component(schema["title"], schema)
        for each in components.values()
        for schema in (_bare(each), _with_source(each))
    ]


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of documents without their source."""
    return {**schema, "properties": {**schema["properties"], "source": {"type": "null"}}}


def _with_source(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of documents with their source: a bad value only costs itself."""
    columns = {
        name: {"description": f"{each['anyOf'][0]['description']}; else null, with a warning"}
        for name, each in schema["properties"].items()
        if "anyOf" in each
    }
    exact = {name: schema["properties"][name] for name in ("id", "day")}
    return {
        **schema,
        "title": f"{schema['title']}WithSource",
        "required": [*schema["required"], "source"],
        "properties": {**columns, **exact, "source": {"type": "object"}},
    }


_COUNTS: dict[str, Any] = {
    name: {"type": "integer", "minimum": 0} for name in ("created", "updated", "unchanged")
}
# What is wrong with single documents.
_WRONG: dict[str, Any] = {
    "type": "array",
    "items": component(
        "DocumentErrors",
        {
            "type": "object",
            "required": ["index", "id", "errors"],
            "properties": {
                "index": {"type": "integer"},
                "id": {"type": ["string", "null"]},
                "errors": MESSAGES,
            },
        },
    ),
}
OUTCOME = component(
    "Outcome",
    {
        "type": "object",
        "required": ["status", "created", "updated", "unchanged", "rejected", "warnings"],
        "properties": {
            "status": {"type": "string", "enum": ["success", "partial"]},
            **_COUNTS,
            "rejected": _WRONG,
            "warnings": _WRONG,
        },
    },
)
REFUSAL = component(
    "Refusal",
    {
        "type": "object",
        "required": ERROR["required"],
        "properties": {
            **ERROR["properties"],
            "status": {"type": "string", "enum": ["failed"]},
            **_COUNTS,
            "rejected": _WRONG,
            "warnings": _WRONG,
        },
    },
)
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_FAILING = component(
    "Failing",
    {
        "type": "object",
        "required": ["attempts", "alike", "since", "lasting", "kind", "status", "collection"],
        "properties": {
            "attempts": COUNT,
            "alike": COUNT,
            "since": {"type": "string", "format": "date-time"},
            "lasting": {"type": "boolean"},
            "kind": {"type": "string", "enum": list(FailureKind.values)},
            "status": {"type": ["integer", "null"]},
            "collection": {"type": "string"},
        },
    },
)
_RANGE = component(
    "LedgerRange",
    {
        "type": "object",
        "required": [
            "from",
            "to",
            "state",
            "why",
            "reason",
            "asked_at",
            "next_at",
            "times",
            "failing",
        ],
        "properties": {
            "from": DATE,
            "to": DATE,
            "state": component("State", {"type": "string", "enum": State.values}),
            "why": {"type": "string"},
            "reason": {"type": ["string", "null"]},
            "asked_at": _MOMENT,
            "next_at": _MOMENT,
            "times": COUNT,
            "failing": {
                "anyOf": [_FAILING, {"type": "null"}],
                "description": "The unbroken run of failed fetches up to the last fetch; null if "
                "the last fetch did not fail. The newest `alike` of them, from `since` on, had "
                "the same kind, status and collection. `lasting` means that these are at least "
                "ten, over at least 30 days.",
            },
        },
    },
)
_STORED_DAYS = component(
    "StoredDays",
    {
        "type": "object",
        "required": ["first", "last", "days", "missing"],
        "properties": {
            "first": {"type": ["string", "null"], "format": "date"},
            "last": {"type": ["string", "null"], "format": "date"},
            "days": COUNT,
            "missing": {"type": "array", "items": {"type": "array", "items": DATE}},
        },
    },
)
COVERAGE = component("StoredDaysByType", {"type": "object", "additionalProperties": _STORED_DAYS})
LEDGER = component(
    "Ledger",
    {
        "type": "object",
        "additionalProperties": {"type": "array", "items": _RANGE},
    },
)
REPORT_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["type", "ranges", "kind"],
    "additionalProperties": False,
    "properties": {
        "type": TYPE_NAME,
        "user": {"type": ["string", "null"]},
        "asked_at": _MOMENT,
        "ranges": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_RANGES,
            "items": {
                "type": "object",
                "required": ["start", "end"],
                "additionalProperties": False,
                "properties": {"start": DATE, "end": DATE},
            },
        },
        "kind": {"type": "string", "enum": list(FAILURE_KINDS)},
        "status": {"type": ["integer", "null"], "minimum": 100, "maximum": 599},
        "collection": {"type": ["string", "null"], "maxLength": 64},
        "page": {"type": ["integer", "null"], "minimum": 1},
    },
}
RUN_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"user": {"type": ["string", "null"]}},
}
RUN = component(
    "Run",
    {
        "type": "object",
        "required": [*COUNTERS, "missing"],
        "properties": {
            **dict.fromkeys(COUNTERS, COUNT),
            "missing": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": COUNT},
            },
        },
    },
)
ROWS: dict[str, Any] = {
    "type": "array",
    "items": component(
        "Row",
        {
            "type": "object",
            "required": ["oura_id", "day"],
            "properties": {"oura_id": {"type": "string"}, "day": DATE},
        },
    ),
}
_DOCUMENTS = _documents()
_READ = component(
    "CompleteRange",
    {
        "type": "object",
        "required": ["start", "end"],
        "additionalProperties": False,
        "properties": {
            "start": DATE,
            "end": DATE,
            "pages": {"type": ["integer", "null"], "minimum": 0},
            "documents": {"type": ["integer", "null"], "minimum": 0},
        },
    },
)
_ORIGIN = component("Origin", {"type": "string", "enum": ["oura", "sandbox"]})
INGEST_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["type", "data"],
    "additionalProperties": False,
    "properties": {
        "type": TYPE_NAME,
        "user": {"type": ["string", "null"]},
        "data": {
            "anyOf": [
                *_DOCUMENTS,
                {"type": "array", "maxItems": MAX_DOCUMENTS, "items": {"anyOf": _DOCUMENTS}},
            ]
        },
        "fetched_at": _MOMENT,
        "read": {"anyOf": [_READ, {"type": "null"}]},
        "origin": {"anyOf": [_ORIGIN, {"type": "null"}]},
        "owner": {
            "type": ["string", "null"],
            "maxLength": MAX_OWNER_LENGTH,
            "pattern": "^([!-~]([ -~]*[!-~])?)?$",
            "description": "The Oura account's own user id.",
        },
    },
}
