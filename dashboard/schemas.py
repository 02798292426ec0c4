"""The API's OpenAPI schemas, made from the declarations of the metric types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from dashboard.marks import change_texts
from dashboard.nights import SERIES as NIGHT_SERIES
from dashboard.periods import BY, WEEK
from dashboard.queries import row_columns
from dashboard.series import EVERY, RAW
from dashboard.trends import PERIODS, all_measures
from ingest.models import Revision
from metrics import SLEEP, TYPES, MetricType, all_series
from metrics.columns import Contributors, Figure, Integer, Kind, Number, Text
from metrics.sleep import period_columns
from myhealth.openapi import ROUTES
from myhealth.schemas import COUNT, DATE, TYPE_NAME, Schema, component, errors
from myhealth.states import MISSING_STATES, Fault, State

_NUMBER: Schema = {"type": ["number", "null"]}
_BINARY: Schema = {"type": "string", "format": "binary"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def _errors_with_page(*statuses: int) -> dict[Any, Schema]:
    """Return the errors of a route that the browsable API shows as well."""
    pages = {(status, "text/html"): {"type": "string"} for status in statuses}
    return {**errors(*statuses), **pages}


def _column(metric_type: MetricType, name: str) -> Schema:
    match name:
        case "oura_id":
            return {"type": "string", "description": "Oura's id of the daily document."}
        case "day":
            return {**DATE, "description": "Oura's own local date."}
        case "updated_at":
            return {**_TIME, "description": "When the content last changed."}
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


def _row(metric_type: MetricType) -> Schema:
    """Return the schema of a type's rows. No column is required: `fields` may leave out any."""
    properties = {name: _column(metric_type, name) for name in row_columns(metric_type)}
    row = {"type": "object", "properties": properties, "additionalProperties": False}
    return component(metric_type.class_name, row)


def row_responses(metric_type: MetricType) -> dict[Any, Any]:
    """Return the responses of the route that lists a type's rows."""
    rows = {"type": "array", "items": _row(metric_type)}
    return {
        (200, "application/json"): rows,
        (200, "text/csv"): {"type": "string"},
        (200, "text/html"): {"type": "string"},
        304: None,
        **_errors_with_page(400, 401, 406, 503),
    }


def _responses(schema: Schema, *more_errors: int) -> dict[Any, Any]:
    """Return the responses of a route that answers in JSON, and as a page of the browsable API."""
    return {
        (200, "application/json"): schema,
        (200, "text/html"): {"type": "string"},
        304: None,
        **_errors_with_page(400, 401, *more_errors, 406, 503),
    }


def _object(properties: Schema, *optional: str) -> Schema:
    """Return an object with these properties only; all are required but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _by_type(schema: Schema) -> Schema:
    return _object(dict.fromkeys(TYPES, schema))


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_STATE = component("State", {"type": "string", "enum": State.values})
_REASON: Schema = {
    "type": ["string", "null"],
    "description": "A sentence; null if there is nothing to explain. A `held` day also has a "
    "reason if there is more to know about it, for example that the ring was off, or that a later "
    "fetch failed.",
}
_MARK = component(
    "Mark",
    {
        **_object(
            {
                "day": DATE,
                "mark": {"type": "string", "enum": list(change_texts())},
                "from": {"type": "string"},
                "to": {"type": "string"},
            }
        ),
        "description": "A night with an algorithm or ring that neither the night before nor any "
        "of the 30 nights before that one had. Alternating between two rings is therefore one "
        "mark. Naps, and nights whose algorithm or ring is not known, are skipped. Values before "
        "and after a mark are not comparable.",
    },
)
_MARK_LIST: Schema = {"type": "array", "items": _MARK}
_MISSING_DAYS = component(
    "MissingDays", _object(dict.fromkeys(MISSING_STATES, COUNT), *MISSING_STATES)
)
_FAULTS = component("Faults", _object(dict.fromkeys(Fault.values, COUNT)))
_TYPE_COVERAGE_SUMMARY = component(
    "TypeCoverageSummary",
    _object(
        {
            "days_expected": {
                **COUNT,
                "description": "Number of days in the period, not counting days before the first "
                "one with the ring or the first stored one of this type, whichever is earlier.",
            },
            "days_present": {**COUNT, "description": "Days with a row, including partial ones."},
            "newest_day": {
                **_nullable(DATE),
                "description": "The newest stored day up to the end of the period.",
            },
            "newest_sync": {
                **_nullable(_TIME),
                "description": "When this type was last fetched completely, no matter for which "
                "days.",
            },
            "missing": _MISSING_DAYS,
            "fault": _FAULTS,
        }
    ),
)
_COVERAGE_TEXT = (
    "`missing` counts days by state, `fault` counts the same days by who can fix them. A `partial` "
    "day counts as both present and missing. Days before Oura's first day of this type are not "
    "counted as missing (or in `fault`)."
)
_COVERAGE_SUMMARY = component(
    "CoverageSummary", {**_by_type(_TYPE_COVERAGE_SUMMARY), "description": _COVERAGE_TEXT}
)
_COVERAGE_RANGE = component(
    "CoverageRange",
    _object(
        {
            "from": DATE,
            "to": DATE,
            "state": _STATE,
            "reason": _REASON,
            "link": {
                "type": "string",
                "description": "The address of the rejected document on the admin site; only for "
                "staff.",
            },
        },
        "link",
    ),
)
_TYPE_COVERAGE = component(
    "TypeCoverage", _object({"ranges": {"type": "array", "items": _COVERAGE_RANGE}})
)
COVERAGE_RESPONSES = _responses(component("Coverage", _by_type(_TYPE_COVERAGE)))
_REVISION = component(
    "Revision",
    _object(
        {
            "type": TYPE_NAME,
            "kind": {
                "type": "string",
                "enum": Revision.Kind.values,
                "description": "; ".join(f"{kind.value}: {kind.label}" for kind in Revision.Kind),
            },
            "replaced_at": {**_TIME, "description": "When this version was last replaced."},
            "fetched_at": {**_TIME, "description": "When this version was last fetched from Oura."},
            "times": {**COUNT, "description": "How many times this version was replaced."},
            "changes": {
                "type": "object",
                "additionalProperties": {
                    "type": "array",
                    "items": {},
                    "minItems": 2,
                    "maxItems": 2,
                },
                "description": "Each changed column, with its values before and after.",
            },
            "notes": {"type": "array", "items": {"type": "string"}},
            "values": {"type": "object", "description": "The columns of this version."},
            "source": {"description": "The source of this version; null if none is stored."},
        }
    ),
)
_WARNINGS = component(
    "Warnings",
    {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "description": "Messages about values that Oura sent but that could not be stored and are "
        "null, by column (or by `contributors.` and a contributor); messages under `day` are "
        "about the whole day.",
    },
)
_DAY_STATE = component("DayState", _object({"state": _STATE, "reason": _REASON}))
DAY_RESPONSES = _responses(
    component(
        "Day",
        _object(
            {
                "day": DATE,
                **{name: _nullable(_row(each)) for name, each in TYPES.items()},
                "coverage": _by_type(_DAY_STATE),
                "warnings": _by_type(_WARNINGS),
                "revisions": {
                    "type": "array",
                    "items": _REVISION,
                    "description": "Earlier versions of the day, newest first.",
                },
            }
        ),
    )
)
MARKS_RESPONSES = _responses(_MARK_LIST)


def _points(value: Schema, description: str) -> Schema:
    """Return an array of [moment, value]."""
    # `prefixItems` would say which is which, but programs that test routes misread it.
    point = {"type": "array", "items": {"anyOf": [_TIME, value]}, "minItems": 2, "maxItems": 2}
    return {"type": "array", "items": point, "description": description}


_POINT: Schema = {
    "type": "array",
    "items": {"type": ["string", "number"]},
    "minItems": 2,
    "maxItems": 5,
}
_SERIES = {name: series for name, (_, series) in all_series().items()}
_SERIES_NAME = component("SeriesName", {"type": "string", "enum": list(_SERIES)})
_EVERY = component("Every", {"type": "string", "enum": list(EVERY), "default": RAW})
SERIES_RESPONSES = _responses(
    component(
        "Series",
        _object(
            {
                "series": _SERIES_NAME,
                "unit": {"type": "string", "description": "Empty if there is none."},
                "every": _EVERY,
                "points": {
                    "type": "array",
                    "items": _POINT,
                    "description": "`[moment, value]`; if `every` is not `raw`, `[start of the "
                    "bucket, lowest, mean (with 2 decimals), highest, number of values]`. Moments "
                    "have Oura's UTC offset.",
                },
            }
        ),
    ),
    404,
)
_NIGHT_SERIES = {
    name: _points(
        {"enum": list(_SERIES[series].names)} if _SERIES[series].names else {"type": "number"},
        _SERIES[series].description,
    )
    for name, series in NIGHT_SERIES.items()
}
_PERIOD = component(
    "SleepPeriod",
    _object(
        {
            "id": {"type": ["string", "null"]},
            "type": {
                **_column(SLEEP, "main_type"),
                "description": "The period's type, as Oura names it.",
            },
            "bedtime_start": {
                **_column(SLEEP, "bedtime_start"),
                "description": "With Oura's offset.",
            },
            "bedtime_end": {**_column(SLEEP, "bedtime_end"), "description": "With Oura's offset."},
            "counts": {
                "type": "boolean",
                "description": "Whether the period is included in the day's sums: of periods that "
                "overlap, only one is.",
            },
            "why_not_counted": {
                "type": ["string", "null"],
                "description": "The reason in words; null if the period counts.",
            },
            "main": {
                "type": "boolean",
                "description": "Whether the day's other values come from this period.",
            },
            **{
                field: {**_value(column.kind), "description": f"Oura's value ({column.unit})."}
                for field, column in period_columns().items()
                if column.unit
            },
            "stages": _points(
                {"enum": [*_SERIES["sleep_stage"].names, None]},
                "When each stage begins; null where an unknown stage begins.",
            ),
            **_NIGHT_SERIES,
        }
    ),
)
NIGHT_RESPONSES = _responses(
    component(
        "Night",
        _object(
            {
                "day": DATE,
                "previous": {
                    **_nullable(DATE),
                    "description": "The nearest earlier day that has a row.",
                },
                "next": {**_nullable(DATE), "description": "The nearest later day that has a row."},
                "coverage": _DAY_STATE,
                "periods": {
                    "type": "array",
                    "items": _PERIOD,
                    "description": "The main period first, then the others by start; empty if no "
                    "document is stored. At most 24, preferably those that count.",
                },
                "periods_left_out": {
                    **COUNT,
                    "description": "How many periods of the day are not returned.",
                },
            }
        ),
    )
)
_COLUMN = component(
    "Column",
    _object(
        {
            "name": {"type": "string"},
            "label": {"type": "string", "description": "The name as people read it."},
            "unit": {"type": "string", "description": "Empty for a number without a unit."},
            "kind": {
                "type": "string",
                "enum": ["integer", "number", "text", "moment", "contributors"],
                "description": "`moment` is a date-time with Oura's UTC offset. `contributors` is "
                "an object of numbers.",
            },
            "meaning": {"type": "string"},
            "minimum": _NUMBER,
            "maximum": _NUMBER,
            "contributors": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The names of the contributors that Oura is known to send; their "
                "values range from `minimum` to `maximum`.",
            },
        }
    ),
)
_TYPE = component(
    "Type",
    _object(
        {
            "name": TYPE_NAME,
            "kind": {"type": "string", "enum": ["daily"]},
            "title": {"type": "string", "description": "The name as people read it."},
            "columns": {"type": "array", "items": _COLUMN},
            "scope": {
                "type": "string",
                "description": "The scope that a person has to grant at Oura to share this type.",
            },
            "granted": {
                "type": ["boolean", "null"],
                "description": "Whether you share this type with myhealth; null without a "
                "connection to Oura.",
            },
            "first_day": _nullable(DATE),
            "last_day": _nullable(DATE),
            "series": {"type": "array", "items": {"type": "string"}},
        }
    ),
)
ROUTES_RESPONSES = {
    (200, "application/json"): ROUTES,
    (200, "text/html"): {"type": "string"},
    **_errors_with_page(400, 406, 503),
}
TYPES_RESPONSES = _responses({"type": "array", "items": _TYPE})


def _figure(metric_type: MetricType, figure: Figure) -> Schema:
    days = f" over {metric_type.full_days}" if figure.of_full_days else ""
    text = f"Average{days}, with 2 decimals." if figure.is_mean else f"Sum{days}."
    return {"type": ["number", "null"], "description": text}


_FIGURES = {each.name: _figure(of, each) for of in TYPES.values() for each in of.figures}


def _summary(most_days: int, *more_days: str) -> Schema:
    """Return the schema of a period's summary; `more_days` are other days that are counted."""
    days: Schema = {"type": "integer", "minimum": 0, "maximum": most_days}
    full_days = {
        **days,
        "description": "Those of the days that count in averages other than of scores.",
    }
    return {
        "type": "object",
        "required": ["start", "end", *_FIGURES, *more_days, "coverage", "marks"],
        "properties": {
            "start": DATE,
            "end": DATE,
            **_FIGURES,
            **{f"{name}_days": days for name in TYPES},
            **dict.fromkeys(more_days, full_days),
            "coverage": _COVERAGE_SUMMARY,
            "marks": _MARK_LIST,
        },
    }


_WEEK = component("WeeklySummary", _summary(7))
_PERIOD_SUMMARY = component(
    "PeriodSummary",
    {
        **_summary(31, *(f"{name}_full_days" for name in TYPES)),
        "description": "A calendar week or month. One under way is summed up to today, and so are "
        "its `coverage` and `marks`; its `end` is still its last day.",
    },
)
SUMMARIES_RESPONSES = {
    **_responses({"type": "array", "items": _PERIOD_SUMMARY}),
    (200, "text/csv"): {"type": "string"},
}
EXPORT_RESPONSES = {
    (200, "application/zip"): _BINARY,
    (200, "application/octet-stream"): _BINARY,
    **errors(400, 401, 406, 429, 503),
}
DASHBOARD_RESPONSES = _responses(
    component(
        "Dashboard",
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
                **{f"latest_{name}": _nullable(_row(each)) for name, each in TYPES.items()},
                "weekly_summary": _WEEK,
                "weekly_summaries": {"type": "array", "items": _WEEK},
                "coverage": {
                    **_COVERAGE_SUMMARY,
                    "description": f"For all weeks together. {_COVERAGE_TEXT}",
                },
                "marks": _MARK_LIST,
            },
        },
    )
)


def _point(*values: Schema) -> Schema:
    """Return an array of a day and values."""
    return {
        "type": "array",
        "items": {},
        "prefixItems": [DATE, *values],
        "minItems": 1 + len(values),
        "maxItems": 1 + len(values),
    }


_VALUE: Schema = {"type": "number"}
_MEAN = component("PeriodMean", _object({"mean": _NUMBER, "days": COUNT}))
_QUARTILES = component(
    "Quartiles", _object({"days": COUNT, **dict.fromkeys(("q1", "median", "q3"), _NUMBER)})
)
_TREND = component(
    "Trend",
    _object(
        {
            "unit": {"type": "string"},
            "points": {"type": "array", "items": _point(_VALUE), "description": "Day and value."},
            "left_out": {
                "type": "array",
                "items": DATE,
                "description": "Days whose points are not used in any other figure: days in "
                "progress, days without the ring, and days without a night.",
            },
            "usual": {
                "type": "array",
                "items": _point(_NUMBER, _NUMBER, _NUMBER),
                "description": "For each point: its day, then the lower quartile, median and "
                "upper quartile of the values on the 90 days before it, or since the last mark; "
                "null if fewer than 14 of these days have a value.",
            },
            "usual_at_end": {
                "allOf": [_QUARTILES],
                "description": "The usual range on the last day, whether or not that day has a "
                "value. `days` is how many of the 90 days before it have a value; 14 are needed.",
            },
            "median": {
                "type": "array",
                "items": _point(_VALUE),
                "description": "A day, and the median of the `median_days` around it, never "
                "across a mark; only for days where at least a third of these have a value.",
            },
            "median_days": COUNT,
            "weekdays": {
                "type": "array",
                "items": _QUARTILES,
                "minItems": 7,
                "maxItems": 7,
                "description": "The values of each weekday, Monday first, since the newest mark in "
                "the period: how many days count, and the quartiles; null for fewer than 4 days.",
            },
            "period": {
                "allOf": [_MEAN],
                "description": "The average of the period, and the number of days that it "
                "includes.",
            },
            "before": {
                "allOf": [_MEAN],
                "description": "The same for the preceding period of the same length.",
            },
            "marks": _MARK_LIST,
            "coverage": {
                "allOf": [
                    component("TrendCoverage", _object({"days": COUNT, "days_expected": COUNT}))
                ],
                "description": "Number of days in the period that have a value, and number of days "
                "from the first one with the ring on.",
            },
        }
    ),
)
TRENDS_RESPONSES = {
    **_responses(
        component(
            "Trends",
            _object({"end": DATE, "measures": {"type": "object", "additionalProperties": _TREND}}),
        )
    ),
    (200, "text/csv"): {"type": "string"},
}
MEASURES_PARAM = OpenApiParameter(
    "measures",
    # Not an array: generated clients would repeat the parameter for each measure.
    {"type": "string", "minLength": 1},
    description="Up to 20 measures, separated by commas (default: all scores). Available measures: "
    f"{', '.join(all_measures())}.",
)
PERIOD_PARAM = OpenApiParameter(
    "period",
    component("TrendPeriod", {"type": "string", "enum": list(PERIODS), "default": "90d"}),
    description="How many days up to `end`; `all` begins on the first stored day.",
)
START_PARAM = OpenApiParameter(
    "start", DATE, description="First day (default: 29 days before `end`)."
)
END_PARAM = OpenApiParameter("end", DATE, description="Last day, inclusive (default: today).")
BY_PARAM = OpenApiParameter(
    "by",
    component("SummaryBy", {"type": "string", "enum": list(BY), "default": WEEK}),
    description="Calendar weeks, from your first day of the week on, or months.",
)
FIRST_PERIOD_PARAM = OpenApiParameter(
    "start",
    DATE,
    description="A day of the first week or month (default: the eleventh before that of `end`). "
    "An answer has at most 530 weeks or 240 months.",
)
OPEN_START_PARAM = OpenApiParameter(
    "start", DATE, description="First day (default: the first stored)."
)
OPEN_END_PARAM = OpenApiParameter(
    "end", DATE, description="Last day, inclusive (default: the last stored)."
)
DAY_PARAM = OpenApiParameter("day", DATE, OpenApiParameter.PATH, description="YYYY-MM-DD.")
SERIES_PARAM = OpenApiParameter(
    "name",
    _SERIES_NAME,
    OpenApiParameter.PATH,
    description=" ".join(f"`{name}`: {each.description}" for name, each in _SERIES.items()),
)
_MOST_DAYS = ", ".join(
    f"`{name}` {each.most_days}" for name, each in EVERY.items() if each.most_days
)
EVERY_PARAM = OpenApiParameter(
    "every",
    _EVERY,
    description="The resolution: `raw` for each value, or buckets of this length, by the "
    "document's local time; `1d` is the document's day. Buckets without values are left out. "
    f"Series of categories have only `raw`. Most days in one request: {_MOST_DAYS}; any number "
    "for `1d`.",
)
IF_NONE_MATCH_PARAM = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of an earlier answer."
)


def _format_parameter(name: str, *formats: str) -> OpenApiParameter:
    schema = component(name, {"type": "string", "enum": list(formats)})
    return OpenApiParameter("format", schema, description="Instead of an Accept header.")


FORMAT_PARAM = _format_parameter("Format", "json", "api")
TABLE_FORMAT_PARAM = _format_parameter("TableFormat", "json", "csv", "api")


def fields_parameter(metric_type: MetricType) -> OpenApiParameter:
    # Not an array: generated clients would repeat the parameter for each column.
    return OpenApiParameter(
        "fields",
        {"type": "string", "minLength": 1},
        description="Return only these columns, separated by commas. Available columns: "
        f"{', '.join(row_columns(metric_type))}.",
    )
