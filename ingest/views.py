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

from ingest import schemas
from ingest.authentication import ControlToken, IsProgram, ServiceToken
from ingest.coverage import coverage
from ingest.metrics import observe
from ingest.models import RejectedDocument
from ingest.parsers import EnvelopeParser
from ingest.people import user_id_of
from ingest.registry import METRICS, MetricKind
from ingest.upsert import Outcome, forget, store
from myhealth.errors import Invalid
from myhealth.parsers import LengthRequired
from myhealth.renderers import OrjsonRenderer

MOST_DOCUMENTS = 5_000
AHEAD = timedelta(minutes=5)
FIELDS = ("type", "user", "data", "fetched_at", "read", "origin")
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
            **schemas.errors(401, 411, 413, 415, 503),
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
        body = request.data
        if not isinstance(body, dict):
            raise Invalid({"body": ["It must be an object with type, user and data."]})
        unknown = sorted(str(name) for name in body.keys() - set(FIELDS))
        if unknown:
            raise Invalid(
                {
                    name[:64]: [f"It is not known here; expected {', '.join(FIELDS)}."]
                    for name in unknown
                }
            )
        kind = kind_of(body.get("type"))
        documents = documents_of(body)
        read_range(body.get("read"))
        outcome = store(
            kind,
            user_id_of(body.get("user")),
            documents,
            fetched_at=fetched_at(body.get("fetched_at"), now),
            now=now,
            origin=origin_of(body.get("origin")),
        )
        single = isinstance(body["data"], Raw)
        observe(kind.type, outcome, began=now)
        return answer(outcome, single=single)


class MetricsView(ProgramView):
    @extend_schema(
        operation_id="metrics_list",
        parameters=[
            USER,
            OpenApiParameter("start", date, description="First day; 6 days before the end."),
            OpenApiParameter("end", date, description="Last day, included; today (UTC)."),
        ],
        responses={200: schemas.ROWS, **schemas.errors(400, 401, 404, 503)},
    )
    def get(self, request: Request, type_: str) -> Response:
        """One person's rows, newest first."""
        kind = METRICS.get(type_)
        if kind is None:
            raise NotFound(f"There is no metric of this type; expected {', '.join(METRICS)}.")
        known_parameters(request, "user", "start", "end")
        end = day_parameter(request, "end") or timezone.now().astimezone(UTC).date()
        start = day_parameter(request, "start") or end - timedelta(
            days=min(6, (end - date.min).days)
        )
        if start > end:
            raise Invalid({"start": [f"{start} is after the end, {end}."]})
        rows = kind.model._default_manager.filter(
            user_id=user_id_of(request.query_params.get("user")), day__range=(start, end)
        ).order_by("-day")
        return Response(
            list(rows.values("oura_id", "day", *kind.columns, "updated_at", "fetched_at"))
        )


class CoverageView(ProgramView):
    @extend_schema(
        operation_id="metrics_coverage",
        parameters=[USER],
        responses={200: schemas.COVERAGE, **schemas.errors(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Per type the days held and the gaps between them: the collector's only memory."""
        known_parameters(request, "user")
        return Response(coverage(user_id_of(request.query_params.get("user"))))


class RetryView(ControlView):
    @extend_schema(
        operation_id="rejected_retry",
        request=None,
        responses={201: schemas.OUTCOME, 400: schemas.REFUSAL, **schemas.errors(401, 404, 503)},
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
            METRICS[entry.type],
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
        responses={204: None, **schemas.errors(400, 401, 503)},
    )
    def delete(self, request: Request, user: str) -> Response:
        """Delete all that is held of a person; the account itself stays."""
        forget(user_id_of(user))
        return Response(status=204)


def kind_of(name: Any) -> MetricKind:
    if not isinstance(name, str) or name not in METRICS:
        raise Invalid({"type": [f"It must be one of {', '.join(METRICS)}."]}, code="unknown_type")
    return METRICS[name]


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


def fetched_at(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    parsed = moment("fetched_at", value)
    if parsed > now + AHEAD:
        raise Invalid({"fetched_at": ["It lies in the future; expected when Oura was read."]})
    return parsed


def read_range(value: Any) -> tuple[date, date] | None:
    """The range that the sender has read whole, both ends included."""
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"start", "end"}:
        raise Invalid({"read": ["It must be an object with start and end."]})
    start, end = (day_of(f"read.{name}", value[name]) for name in ("start", "end"))
    if start > end:
        raise Invalid({"read": [f"It starts on {start}, after its end, {end}."]})
    return start, end


def origin_of(value: Any) -> str | None:
    if value not in (None, "oura", "sandbox"):
        raise Invalid({"origin": ["It must be oura or sandbox."]})
    return value if isinstance(value, str) else None


def day_of(name: str, value: Any) -> date:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    shown = f"'{value[:40]}'" if isinstance(value, str) else "This"
    raise Invalid({name: [f"{shown} is not a date; expected YYYY-MM-DD."]})


def day_parameter(request: Request, name: str) -> date | None:
    value = request.query_params.get(name)
    return None if value is None else day_of(name, value)


def known_parameters(request: Request, *names: str) -> None:
    unknown = sorted(request.query_params.keys() - set(names))
    if unknown:
        raise Invalid(
            {name[:64]: [f"It is not known here; expected {', '.join(names)}."] for name in unknown}
        )


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
