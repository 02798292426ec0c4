"""The processor's routes. Each checks the request, calls one function and responds."""

from datetime import date
from typing import Any

import msgspec
from django.db import DatabaseError
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import Raw
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.expiry import delete_all_expired
from accounts.models import User
from ingest import coverage, rejections, reports, runs, schemas, validation
from ingest.authentication import ControlToken, IsProgram, ServiceToken
from ingest.models import METRIC_MODELS, RejectedDocument
from ingest.parsers import EnvelopeParser, ProgramParser
from ingest.people import find_user_id, unknown_account
from ingest.prometheus import observe
from ingest.rows import fetch_rows
from ingest.upsert import Outcome, delete_metrics, store
from metrics import TYPES
from myhealth.days import shift, utc_today
from myhealth.errors import Invalid, log_database_error
from myhealth.renderers import Negotiation, OrjsonRenderer
from myhealth.requests import REQUEST_ID_KEY
from myhealth.schemas import component, errors
from myhealth.validation import date_range

_USER = OpenApiParameter(
    "user",
    str,
    description="The name of an account; not needed if the server has only one account.",
)
_GENERATION = OpenApiParameter(
    "Data-Generation",
    str,
    OpenApiParameter.HEADER,
    description="What the ledger had in this header when the run began. If the person's data have "
    "been deleted since, the response is 409. Without the header, nothing is compared.",
)


class _ProgramView(APIView):
    authentication_classes = [ServiceToken]
    permission_classes = [IsProgram]
    renderer_classes = [OrjsonRenderer]
    content_negotiation_class = Negotiation
    parser_classes = [ProgramParser]
    # In bytes. It is read only after the token has been checked.
    max_body = 256 * 1024
    reads_body = True


class _ControlView(_ProgramView):
    authentication_classes = [ControlToken]


class IngestView(_ProgramView):
    parser_classes = [EnvelopeParser]
    max_body = 10 * 1024 * 1024

    @extend_schema(
        operation_id="ingest",
        summary="Store documents",
        tags=["Documents"],
        parameters=[_GENERATION],
        request={"application/json": component("IngestRequest", schemas.INGEST_REQUEST)},
        responses={
            201: schemas.OUTCOME,
            400: schemas.REFUSAL,
            **errors(401, 409, 411, 413, 415, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Store documents. Sending a document again changes nothing."""
        now = timezone.now()
        body = validation.json_object(request, schemas.INGEST_REQUEST)
        model = validation.metric_model(body.get("type"))
        # Request, view and response refer to each other, so all that the request has stays in
        # memory until Python collects cycles. The documents are let go of at once.
        data = body.pop("data", None)
        documents = validation.json_documents(data)
        outcome = store(
            model,
            find_user_id(body.get("user")),
            documents,
            fetched_at=validation.past_time("fetched_at", body.get("fetched_at"), now=now),
            now=now,
            origin=validation.origin_name(body.get("origin")),
            owner=validation.owner_id(body.get("owner")),
            complete=validation.complete_range(body.get("read"), _run_id(request)),
            generation=_generation(request),
        )
        observe(model.metric_type.name, outcome, began=now)
        return _response(outcome, single=isinstance(data, Raw))


class MetricsView(_ProgramView):
    @extend_schema(
        operation_id="metrics_list",
        summary="List a person's rows",
        tags=["Metrics"],
        parameters=[
            _USER,
            OpenApiParameter(
                "start", date, description="First day (default: 6 days before `end`)."
            ),
            OpenApiParameter("end", date, description="Last day, inclusive (default: today, UTC)."),
        ],
        responses={200: schemas.ROWS, **errors(400, 401, 404, 503)},
    )
    def get(self, request: Request, type_: str) -> Response:
        """Return the rows of one account, newest first."""
        model = METRIC_MODELS.get(type_)
        if model is None:
            raise NotFound(f"Unknown metric type; expected one of {', '.join(TYPES)}.")
        validation.check_parameters(request, "user", "start", "end")
        end = _day_parameter(request, "end") or utc_today()
        start = _day_parameter(request, "start") or shift(end, -6)
        days = date_range(start, end)
        user_id = find_user_id(request.query_params.get("user"))
        columns = ("oura_id", "day", *model.metric_type.column_names, "updated_at", "fetched_at")
        return Response(msgspec.json.encode(fetch_rows(model, user_id, days, columns)))


class MetricsCoverageView(_ProgramView):
    @extend_schema(
        operation_id="metrics_coverage",
        summary="Show which days are stored",
        tags=["Metrics"],
        parameters=[_USER],
        responses={200: schemas.COVERAGE, **errors(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Return the stored days of each type, and the gaps between them."""
        validation.check_parameters(request, "user")
        user_id = find_user_id(request.query_params.get("user"))
        return Response(coverage.program_coverage(user_id, now=timezone.now()))


class LedgerView(_ProgramView):
    @extend_schema(
        operation_id="metrics_ledger",
        summary="Show the state of every day",
        tags=["Metrics"],
        parameters=[_USER],
        responses={200: schemas.LEDGER, **errors(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Return the state of every day of each type, as ranges.

        The collector uses it to plan its runs, and keeps no state itself. The response header
        `Owner` is the user id of the Oura account that the data came from, if it is known;
        `Data-Generation` changes when the person's data are deleted.
        """
        validation.check_parameters(request, "user")
        user_id = find_user_id(request.query_params.get("user"))
        account = User.objects.filter(pk=user_id).values_list("data_generation", "origin__owner")
        # First: data that are deleted meanwhile have another generation than this.
        if not (found := account.first()):
            raise unknown_account()
        generation, owner = found
        headers = {"Data-Generation": str(generation)} | ({"Owner": owner} if owner else {})
        return Response(coverage.program_ledger(user_id, now=timezone.now()), headers=headers)


class ReportsView(_ProgramView):
    @extend_schema(
        operation_id="report_failure",
        summary="Report what could not be fetched",
        tags=["Runs"],
        parameters=[_GENERATION],
        request={"application/json": component("ReportRequest", schemas.REPORT_REQUEST)},
        responses={204: None, **errors(400, 401, 409, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """Record which ranges of days could not be fetched, and why."""
        body = validation.json_object(request, schemas.REPORT_REQUEST)
        now = timezone.now()
        reports.record_failure(
            find_user_id(body.get("user")),
            validation.metric_model(body.get("type")).metric_type.name,
            validation.failed_ranges(body.get("ranges")),
            validation.failure_columns(body),
            asked_at=validation.past_time("asked_at", body.get("asked_at"), now=now),
            now=now,
            run=_run_id(request),
            generation=_generation(request),
        )
        return Response(status=204)


class RunsView(_ProgramView):
    @extend_schema(
        operation_id="finish_run",
        summary="End a run",
        tags=["Runs"],
        parameters=[_GENERATION],
        request={"application/json": component("RunRequest", schemas.RUN_REQUEST)},
        responses={200: schemas.RUN, **errors(400, 401, 409, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """Finish the run that has this request id; return its counters and the missing days."""
        body = validation.json_object(request, schemas.RUN_REQUEST)
        now = timezone.now()
        user_id = find_user_id(body.get("user"))
        run = runs.finish(user_id, _run_id(request), now, _generation(request))
        # Runs go on when nobody signs in. This one is stored, whatever becomes of old rows.
        try:
            delete_all_expired(now, rejections.old_entries(now))
        except DatabaseError as error:
            log_database_error(error)
        counts = {name: getattr(run, name) for name in runs.COUNTERS}
        return Response({**counts, "missing": run.missing})


class RetryView(_ControlView):
    @extend_schema(
        operation_id="rejected_retry",
        summary="Try again to store a rejected document",
        tags=["Documents"],
        request=None,
        responses={201: schemas.OUTCOME, 400: schemas.REFUSAL, **errors(401, 404, 409, 503)},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Try again to store a rejected document."""
        entry = RejectedDocument.objects.select_related("user").filter(pk=pk).first()
        if entry is None:
            raise NotFound("There is no such rejected document.")
        if not entry.content:
            raise Invalid(
                {"document": ["Its content was not kept, since it belongs to another account."]}
            )
        now = timezone.now()
        outcome = store(
            validation.metric_model(entry.type),
            entry.user_id,
            [entry.content.encode()],
            fetched_at=entry.fetched_at,
            now=now,
            generation=str(entry.user.data_generation),
        )
        if outcome.stored:
            entry.delete()
        observe(entry.type, outcome, began=now)
        return _response(outcome, single=True)


class PersonView(_ControlView):
    @extend_schema(
        operation_id="people_delete",
        summary="Delete a person's metrics",
        tags=["People"],
        responses={204: None, **errors(400, 401, 503)},
    )
    def delete(self, request: Request, user: str) -> Response:
        """Delete all metrics of a person, but not their account."""
        delete_metrics(find_user_id(user))
        return Response(status=204)


def _run_id(request: Request) -> str:
    """Return the request's id, which a collector sends with every request of a run."""
    return str(request.META.get(REQUEST_ID_KEY, ""))


def _generation(request: Request) -> str:
    """Return the generation of the person's data when the run began; empty if it was not sent."""
    return str(request.META.get("HTTP_DATA_GENERATION", ""))


def _day_parameter(request: Request, name: str) -> date | None:
    value = request.query_params.get(name)
    return None if value is None else validation.iso_day(name, value)


def _response(outcome: Outcome, *, single: bool) -> Response:
    """Return the response to a request that stored documents, a `single` one or a list."""
    body: dict[str, Any] = {
        "status": "partial" if outcome.rejected else "success",
        "created": outcome.created,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "rejected": outcome.rejected,
        "warnings": outcome.warnings,
    }
    # How many rejections repeat earlier ones. In a header, since the fields of the body are fixed.
    headers = {"Rejected-Again": str(outcome.repeated)}
    if outcome.stored or not outcome.rejected:
        return Response(body, status=201, headers=headers)
    errors = outcome.rejected[0]["errors"] if single else {}
    refusal = {
        **body,
        "status": "failed",
        "detail": f"Nothing was stored: all {len(outcome.rejected)} documents were rejected.",
        "code": "invalid",
        "errors": errors,
    }
    return Response(refusal, status=400, headers=headers)
