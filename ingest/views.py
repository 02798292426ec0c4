"""The processor's routes. Each parses, calls one function, answers."""

import gc
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import Raw
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingest import coverage, reports, runs, schemas
from ingest.authentication import ControlToken, IsProgram, ServiceToken
from ingest.models import METRIC_MODELS, Metric, RejectedDocument
from ingest.parsers import EnvelopeParser
from ingest.people import user_id_of
from ingest.prometheus import observe
from ingest.upsert import Outcome, Whole, forget, store
from metrics import TYPES
from myhealth.days import parse_day, shift
from myhealth.errors import Invalid
from myhealth.parsers import LengthRequired
from myhealth.renderers import OrjsonRenderer
from myhealth.requests import REQUEST_ID_KEY
from myhealth.schemas import errors
from myhealth.validation import date_range, unknown_name_errors

MOST_DOCUMENTS = 5_000
AHEAD = timedelta(minutes=5)
FIELDS = ("type", "user", "data", "fetched_at", "read", "origin")
READ, READ_COUNTS = {"start", "end"}, {"pages", "documents"}
USER = OpenApiParameter(
    "user", str, description="An account's name; may be left out when only one is."
)


class ProgramView(APIView):
    authentication_classes = [ServiceToken]
    permission_classes = [IsProgram]
    renderer_classes = [OrjsonRenderer]


class ControlView(ProgramView):
    authentication_classes = [ControlToken]


class IngestView(ProgramView):
    parser_classes = [EnvelopeParser]

    @extend_schema(
        operation_id="ingest",
        request=schemas.INGEST_REQUEST,
        responses={
            201: schemas.OUTCOME,
            400: schemas.REFUSAL,
            **errors(401, 411, 413, 415, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Store documents. The same document twice changes nothing."""
        if not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        # Request, view and response refer to each other, so the last body would stay until Python
        # happens to look for cycles: some requests later, some hundred megabytes more.
        gc.collect()
        now = timezone.now()
        body = object_of(request, *FIELDS)
        model = model_of(body.get("type"))
        documents = documents_of(body)
        outcome = store(
            model,
            user_id_of(body.get("user")),
            documents,
            fetched_at=fetched_at(body.get("fetched_at"), now),
            now=now,
            origin=origin_of(body.get("origin")),
            whole=read_range(body.get("read"), run_of(request)),
        )
        single = isinstance(body["data"], Raw)
        observe(model.metric_type.name, outcome, began=now)
        return answer(outcome, single=single)


class MetricsView(ProgramView):
    @extend_schema(
        operation_id="metrics_list",
        parameters=[
            USER,
            OpenApiParameter("start", date, description="First day; 6 days before the end."),
            OpenApiParameter("end", date, description="Last day, included; today (UTC)."),
        ],
        responses={200: schemas.ROWS, **errors(400, 401, 404, 503)},
    )
    def get(self, request: Request, type_: str) -> Response:
        """One person's rows, newest first."""
        model = METRIC_MODELS.get(type_)
        if model is None:
            raise NotFound(f"There is no metric of this type; expected {', '.join(TYPES)}.")
        known_parameters(request, "user", "start", "end")
        end = day_parameter(request, "end") or timezone.now().astimezone(UTC).date()
        start = day_parameter(request, "start") or shift(end, -6)
        days = date_range(start, end)
        user_id = user_id_of(request.query_params.get("user"))
        rows = model.objects.of(user_id).between(days.start, days.end).order_by("-day")
        columns = model.metric_type.column_names
        return Response(list(rows.values("oura_id", "day", *columns, "updated_at", "fetched_at")))


class CoverageView(ProgramView):
    @extend_schema(
        operation_id="metrics_coverage",
        parameters=[USER],
        responses={200: schemas.COVERAGE, **errors(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Per type the days held and the gaps between them."""
        known_parameters(request, "user")
        user_id = user_id_of(request.query_params.get("user"))
        return Response(coverage.program_coverage(user_id, now=timezone.now()))


class LedgerView(ProgramView):
    @extend_schema(
        operation_id="metrics_ledger",
        parameters=[USER],
        responses={200: schemas.LEDGER, **errors(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Per type the state of every day, as ranges: the collector's only memory."""
        known_parameters(request, "user")
        user_id = user_id_of(request.query_params.get("user"))
        return Response(coverage.program_ledger(user_id, now=timezone.now()))


class ReportsView(ProgramView):
    @extend_schema(
        operation_id="report_failure",
        request=schemas.REPORT_REQUEST,
        responses={204: None, **errors(400, 401, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """Record that ranges of days could not be read, and why."""
        body = object_of(request, *reports.FIELDS)
        now = timezone.now()
        reports.record_failure(
            user_id_of(body.get("user")),
            model_of(body.get("type")).metric_type.name,
            reports.ranges_of(body.get("ranges"), day_of),
            reports.failure_of(body),
            asked_at=fetched_at(body.get("asked_at"), now, "asked_at"),
            now=now,
            run=run_of(request),
        )
        return Response(status=204)


class RunsView(ProgramView):
    @extend_schema(
        operation_id="finish_run",
        request=schemas.RUN_REQUEST,
        responses={200: schemas.RUN, **errors(400, 401, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """End the run of this request id, and tell how the person's days stand."""
        body = object_of(request, "user")
        run = runs.finish(user_id_of(body.get("user")), run_of(request), timezone.now())
        figures = {name: getattr(run, name) for name in runs.COUNTED}
        return Response({**figures, "missing": run.missing})


class RetryView(ControlView):
    @extend_schema(
        operation_id="rejected_retry",
        request=None,
        responses={201: schemas.OUTCOME, 400: schemas.REFUSAL, **errors(401, 404, 503)},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Try once more to store a rejected document."""
        entry = RejectedDocument.objects.filter(pk=pk).first()
        if entry is None:
            raise NotFound("There is no such rejected document.")
        if not entry.content:
            raise Invalid({"document": ["It was not kept, since it belongs to another account."]})
        now = timezone.now()
        outcome = store(
            model_of(entry.type),
            entry.user_id,
            [entry.content.encode()],
            fetched_at=entry.fetched_at,
            now=now,
        )
        if outcome.stored:
            entry.delete()
        observe(entry.type, outcome, began=now)
        return answer(outcome, single=True)


class PersonView(ControlView):
    @extend_schema(
        operation_id="people_delete",
        responses={204: None, **errors(400, 401, 503)},
    )
    def delete(self, request: Request, user: str) -> Response:
        """Delete all that is held of a person; the account itself stays."""
        forget(user_id_of(user))
        return Response(status=204)


def model_of(name: Any) -> type[Metric]:
    if not isinstance(name, str) or name not in TYPES:
        raise Invalid({"type": [f"It must be one of {', '.join(TYPES)}."]}, code="unknown_type")
    return METRIC_MODELS[name]


def documents_of(body: dict[str, Any]) -> Sequence[Raw]:
    data = body.get("data")
    if isinstance(data, Raw):
        return [data]
    if not isinstance(data, list):
        raise Invalid({"data": ["It must be a document or a list of documents."]})
    if len(data) > MOST_DOCUMENTS:
        raise Invalid(
            {"data": [f"It has {len(data)} documents; expected at most {MOST_DOCUMENTS}."]}
        )
    return data


def moment(name: str, value: Any) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        parsed = None
    if parsed is None or parsed.tzinfo is None or not 2000 < parsed.year < 9000:
        raise Invalid({name: ["It must be a date-time with an offset, 2026-03-01T07:00:00+00:00."]})
    return parsed


def object_of(request: Request, *names: str) -> dict[str, Any]:
    body = request.data
    if not isinstance(body, dict):
        raise Invalid({"body": [f"It must be an object with {', '.join(names)}."]})
    if unknown := unknown_name_errors(map(str, body), names, "field"):
        raise Invalid(unknown)
    return body


def run_of(request: Request) -> str:
    """The run that a request is of: its id, which a collector sends the same all through a run."""
    return str(request.META.get(REQUEST_ID_KEY, ""))


def fetched_at(value: Any, now: datetime, name: str = "fetched_at") -> datetime:
    if value is None:
        return now
    parsed = moment(name, value)
    if parsed > now + AHEAD:
        raise Invalid({name: ["It lies in the future; expected when Oura was read."]})
    return parsed


def read_range(value: Any, run: str) -> Whole | None:
    """The range that the sender has read whole, both ends included."""
    if value is None:
        return None
    if not isinstance(value, dict) or not READ <= value.keys() <= READ | READ_COUNTS:
        raise Invalid({"read": ["It must be an object with start and end, pages and documents."]})
    days = reports.clamp(reports.days_of("read", value, day_of))
    if days is None:
        return None
    pages, documents = (
        count_of(f"read.{name}", value.get(name)) for name in ("pages", "documents")
    )
    return Whole(days.start, days.end, run, pages, documents)


def count_of(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    raise Invalid({name: ["It must be a whole number, 0 or more."]})


def origin_of(value: Any) -> str | None:
    if value not in (None, "oura", "sandbox"):
        raise Invalid({"origin": ["It must be oura or sandbox."]})
    return value if isinstance(value, str) else None


def day_of(name: str, value: Any) -> date:
    if day := parse_day(value):
        return day
    shown = f"'{value[:40]}'" if isinstance(value, str) else "This"
    raise Invalid({name: [f"{shown} is not a date; expected YYYY-MM-DD."]})


def day_parameter(request: Request, name: str) -> date | None:
    value = request.query_params.get(name)
    return None if value is None else day_of(name, value)


def known_parameters(request: Request, *names: str) -> None:
    if unknown := unknown_name_errors(request.query_params, names, "parameter"):
        raise Invalid(unknown)


def answer(outcome: Outcome, *, single: bool) -> Response:
    body: dict[str, Any] = {
        "status": "partial" if outcome.rejected else "success",
        "created": outcome.created,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "rejected": outcome.rejected,
    }
    # Apart from the body, whose fields are fixed: how many rejections were known before.
    headers = {"Rejected-Again": str(outcome.again)}
    if outcome.stored or not outcome.rejected:
        return Response(body, status=201, headers=headers)
    errors = outcome.rejected[0]["errors"] if single else {}
    refusal = {
        **body,
        "status": "failed",
        "detail": f"Nothing was stored: {len(outcome.rejected)} rejected.",
        "code": "invalid",
        "errors": errors,
    }
    return Response(refusal, status=400, headers=headers)
