"""Values of the processor's requests: each function returns one, checked, or raises Invalid."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Raw
from rest_framework.request import Request

from ingest.changes import CompleteRange
from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES
from metrics.columns import INT32
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day, utc_today
from myhealth.errors import Invalid
from myhealth.states import FailureKind
from myhealth.validation import unknown_name_errors

MAX_OWNER_LENGTH = 128
FAILURE_KINDS = tuple(kind.value for kind in FailureKind if kind != FailureKind.REJECTED)
MAX_DOCUMENTS = 5_000
MAX_RANGES = 1_000
# By which a sender's clock may be ahead of ours.
_CLOCK_TOLERANCE = timedelta(minutes=5)


def json_object(request: Request, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the request's body: an object that has no fields but those of its OpenAPI schema."""
    body, fields = request.data, list(schema["properties"])
    if not isinstance(body, dict):
        raise Invalid({"body": [f"It must be an object with {', '.join(fields)}."]})
    if unknown := unknown_name_errors(map(str, body), fields, "field"):
        raise Invalid(unknown)
    return body


def check_parameters(request: Request, *names: str) -> None:
    """Raise Invalid if the query string has other parameters."""
    if unknown := unknown_name_errors(request.query_params, names, "parameter"):
        raise Invalid(unknown)


def metric_model(name: Any) -> type[Metric]:
    if not isinstance(name, str) or name not in TYPES:
        raise Invalid({"type": [f"It must be one of {', '.join(TYPES)}."]}, code="unknown_type")
    return METRIC_MODELS[name]


def json_documents(data: Any) -> Sequence[Raw]:
    if isinstance(data, Raw):
        return [data]
    if not isinstance(data, list):
        raise Invalid({"data": ["It must be a document or a list of documents."]})
    if len(data) > MAX_DOCUMENTS:
        raise Invalid(
            {"data": [f"It has more than {MAX_DOCUMENTS} documents; send them in parts."]}
        )
    return data


def origin_name(value: Any) -> str | None:
    if value not in (None, "oura", "sandbox"):
        raise Invalid({"origin": ["It must be oura or sandbox."]})
    return value if isinstance(value, str) else None


def owner_id(value: Any) -> str | None:
    """Return the user id of an Oura account, None if it is not known. A header can hold it."""
    if value in (None, ""):
        return None
    is_text = isinstance(value, str) and value.isascii() and value.isprintable()
    if not is_text or len(value) > MAX_OWNER_LENGTH or value != value.strip():
        raise Invalid(
            {"owner": [f"It must be a string of up to {MAX_OWNER_LENGTH} printable characters."]}
        )
    return str(value)


def past_time(name: str, value: Any, *, now: datetime) -> datetime:
    """Return the date-time in UTC, or now if there is none."""
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None or not 2000 < moment.year < 9000:
        raise Invalid({name: ["It must be a date-time with an offset, 2026-03-01T07:00:00+00:00."]})
    if moment > now + _CLOCK_TOLERANCE:
        raise Invalid({name: ["It is in the future; expected the time of a request to Oura."]})
    # JSON rounds an offset with seconds to minutes.
    return moment.astimezone(UTC)


def iso_day(name: str, value: Any) -> date:
    if day := parse_day(value):
        return day
    quoted = f"'{value[:40]}'" if isinstance(value, str) else "This"
    raise Invalid({name: [f"{quoted} is not a date; expected YYYY-MM-DD."]})


def complete_range(value: Any, run: str) -> CompleteRange | None:
    """Return the range that a run has fetched completely, both ends included."""
    if value is None:
        return None
    required, optional = {"start", "end"}, {"pages", "documents"}
    if not isinstance(value, dict) or not required <= value.keys() <= required | optional:
        raise Invalid({"read": ["It must be an object with start and end, pages and documents."]})
    days = _possible_days("read", value)
    if days is None:
        return None
    pages, documents = (
        _integer(f"read.{name}", value.get(name), 0) for name in ("pages", "documents")
    )
    return CompleteRange(days.start, days.end, run, pages, documents)


def failed_ranges(value: Any) -> list[Days]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_RANGES:
        raise Invalid({"ranges": [f"It must be a list of 1 to {MAX_RANGES} ranges."]})
    ranges = [_failed_range(f"ranges.{index}", each) for index, each in enumerate(value)]
    return [days for days in ranges if days]


def _failed_range(name: str, value: Any) -> Days | None:
    if not isinstance(value, dict) or value.keys() != {"start", "end"}:
        raise Invalid({name: ["It must be an object with start and end."]})
    return _possible_days(name, value)


def failure_columns(body: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a `Fetch` that describe its failure."""
    kind, collection = body.get("kind"), body.get("collection") or ""
    if kind not in FAILURE_KINDS:
        raise Invalid({"kind": [f"It must be one of {', '.join(FAILURE_KINDS)}."]})
    if not isinstance(collection, str) or len(collection) > 64 or "\x00" in collection:
        raise Invalid({"collection": ["It must be a string of up to 64 characters."]})
    return {
        "kind": kind,
        "collection": collection,
        "status": _integer("status", body.get("status"), 100, 599),
        "page": _integer("page", body.get("page"), 1),
    }


def _possible_days(name: str, value: dict[str, Any]) -> Days | None:
    """Return the part of a range that can have data: from the first ring to tomorrow anywhere."""
    start, end = (iso_day(f"{name}.{key}", value[key]) for key in ("start", "end"))
    if start > end:
        raise Invalid({name: [f"Its start ({start}) is after its end ({end})."]})
    return Days(start, end).clamped(FIRST_DAY, utc_today() + 2 * ONE_DAY)


def _integer(name: str, value: Any, lowest: int, highest: int = INT32) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    raise Invalid({name: [f"It must be a whole number from {lowest} to {highest}."]})
