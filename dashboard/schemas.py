"""The API's OpenAPI schemas, told from the tables."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from dashboard.marks import words
from dashboard.reading import columns
from ingest.models import Revision
from metrics import TYPES, MetricType
from metrics.columns import Contributors, Integer, Kind, Number, Text, mean
from myhealth.schemas import COUNT, DATE, Schema, errors
from myhealth.states import Fault, State

TIME: Schema = {"type": "string", "format": "date-time"}


def page_errors(*statuses: int) -> dict[Any, Schema]:
    """Errors of a route that the browsable API shows, too."""
    pages = {(status, "text/html"): {"type": "string"} for status in statuses}
    return {**errors(*statuses), **pages}


def column(metric_type: MetricType, name: str) -> Schema:
    match name:
        case "oura_id":
            return {"type": "string", "description": "Oura's id of the daily document."}
        case "day":
            return {**DATE, "description": "Oura's own local date."}
        case "updated_at":
            return {**TIME, "description": "When the content last changed."}
    declared = metric_type.column(name)
    return {**_value(declared.kind), "description": declared.description}


def _value(kind: Kind) -> Schema:
    match kind:
        case Integer(lowest, highest):
            return {"type": ["integer", "null"], "minimum": lowest, "maximum": highest}
        case Number(lowest, highest):
            return {"type": ["number", "null"], "minimum": lowest, "maximum": highest}
        case Text(longest):
            return {"type": ["string", "null"], "maxLength": longest}
        case Contributors(value=value):
            return {"type": "object", "additionalProperties": _value(value)}


def row(metric_type: MetricType) -> Schema:
    properties = {name: column(metric_type, name) for name in columns(metric_type)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def full_row(metric_type: MetricType) -> Schema:
    return {**row(metric_type), "required": list(columns(metric_type))}


def read(metric_type: MetricType) -> dict[Any, Any]:
    rows = {"type": "array", "items": row(metric_type)}
    return {
        (200, "application/json"): rows,
        (200, "text/csv"): {"type": "string"},
        (200, "text/html"): {"type": "string"},
        304: None,
        **page_errors(400, 401, 406, 503),
    }


def answers(schema: Schema) -> dict[Any, Any]:
    """Of a read that has JSON and a page."""
    return {
        (200, "application/json"): schema,
        (200, "text/html"): {"type": "string"},
        304: None,
        **page_errors(400, 401, 406, 503),
    }


def closed(properties: Schema, *optional: str) -> Schema:
    """An object of just these properties, all of them there."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def of_each_type(schema: Schema) -> Schema:
    return closed(dict.fromkeys(TYPES, schema))


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_MISSING = [state.value for state in State if state != State.HELD]
STATE: Schema = {"type": "string", "enum": State.values}
REASON: Schema = {"type": ["string", "null"], "description": "A sentence; null for a day held."}
MARK: Schema = {
    **closed(
        {
            "day": DATE,
            "mark": {"type": "string", "enum": list(words())},
            "from": {"type": "string"},
            "to": {"type": "string"},
        }
    ),
    "description": "A night that tells another value than the last earlier one that tells any: "
    "figures before and after don't compare.",
}
MARK_LIST: Schema = {"type": "array", "items": MARK}
COVERAGE_SUMMARY: Schema = {
    **of_each_type(
        closed(
            {
                "days_expected": {
                    **COUNT,
                    "description": "From the first day with the ring, or the type's own first, on.",
                },
                "days_present": {**COUNT, "description": "Days with a row, partial ones, too."},
                "newest_day": {**nullable(DATE), "description": "Up to the period's end."},
                "newest_sync": {
                    **nullable(TIME),
                    "description": "When Oura was last read whole, for any day.",
                },
                "missing": closed(dict.fromkeys(_MISSING, COUNT), *_MISSING),
                "fault": closed(dict.fromkeys(Fault.values, COUNT)),
            }
        )
    ),
    "description": "`missing` has days by state, `fault` the same by who can do something about "
    "them. A `partial` day counts as present and is in `missing` as well; a day before the first "
    "that Oura has of the type is in neither.",
}
COVERAGE = answers(
    of_each_type(
        closed(
            {
                "ranges": {
                    "type": "array",
                    "items": closed(
                        {
                            "from": DATE,
                            "to": DATE,
                            "state": STATE,
                            "reason": REASON,
                            "link": {
                                "type": "string",
                                "description": "The rejected document in the admin; staff only.",
                            },
                        },
                        "link",
                    ),
                }
            }
        )
    )
)
REVISION = closed(
    {
        "type": {"type": "string", "enum": list(TYPES)},
        "kind": {
            "type": "string",
            "enum": Revision.Kind.values,
            "description": "; ".join(f"{kind.value}: {kind.label}" for kind in Revision.Kind),
        },
        "replaced_at": {**TIME, "description": "When it last stopped being what is held."},
        "fetched_at": {**TIME, "description": "When that was last read from Oura."},
        "times": {**COUNT, "description": "How often it stopped being what is held."},
        "changes": {
            "type": "object",
            "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2},
            "description": "Columns with the values before and after.",
        },
        "notes": {"type": "array", "items": {"type": "string"}},
        "values": {"type": "object", "description": "The row as it was."},
        "source": {"description": "The Oura documents it was made from, as kept; null if none."},
    }
)
ONE_DAY = answers(
    closed(
        {
            "day": DATE,
            **{name: nullable(full_row(each)) for name, each in TYPES.items()},
            "coverage": of_each_type(closed({"state": STATE, "reason": REASON})),
            "revisions": {
                "type": "array",
                "items": REVISION,
                "description": "What the day was before it changed or went, newest first.",
            },
        }
    )
)
MARKS = answers(MARK_LIST)


def figure(compute: Any) -> Schema:
    if compute is mean:
        return {"type": ["number", "null"], "description": "Mean, 2 decimals."}
    return {"type": ["number", "null"], "description": "Sum."}


FIGURES = {each.name: figure(each.compute) for of in TYPES.values() for each in of.figures}
WEEK: Schema = {
    "type": "object",
    "required": ["start", "end", *FIGURES, "coverage", "marks"],
    "properties": {
        "start": DATE,
        "end": DATE,
        **FIGURES,
        **{f"{name}_days": {"type": "integer", "minimum": 0, "maximum": 7} for name in TYPES},
        "coverage": COVERAGE_SUMMARY,
        "marks": MARK_LIST,
    },
}
DASHBOARD = answers(
    {
        "type": "object",
        "required": [
            "today",
            *(f"latest_{name}" for name in TYPES),
            "weekly_summary",
            "weekly_summaries",
            "coverage",
            "marks",
        ],
        "properties": {
            "today": DATE,
            **{f"latest_{name}": nullable(full_row(each)) for name, each in TYPES.items()},
            "weekly_summary": WEEK,
            "weekly_summaries": {"type": "array", "items": WEEK},
            "coverage": {
                **COVERAGE_SUMMARY,
                "description": f"Of all weeks together. {COVERAGE_SUMMARY['description']}",
            },
            "marks": MARK_LIST,
        },
    }
)


START = OpenApiParameter("start", DATE, description="First day; without it 30 days up to the end.")
END = OpenApiParameter(
    "end", DATE, description="Last day, included; without it the person's today."
)
ANY_START = OpenApiParameter("start", DATE, description="First day; without it the first held.")
ANY_END = OpenApiParameter("end", DATE, description="Last day, included; without it the last held.")
DAY = OpenApiParameter("day", DATE, OpenApiParameter.PATH, description="YYYY-MM-DD.")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag of an earlier answer."
)


def fields(metric_type: MetricType) -> OpenApiParameter:
    known = {"type": "string", "enum": list(columns(metric_type))}
    return OpenApiParameter(
        "fields",
        {"type": "array", "items": known, "minItems": 1},
        style="form",
        explode=False,
        description="Just these columns, separated by commas.",
    )


def format_parameter(*formats: str) -> OpenApiParameter:
    return OpenApiParameter("format", str, enum=formats, description="Instead of an Accept header.")
