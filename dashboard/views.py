"""The API's routes. Each parses, calls one function, answers."""

from typing import Any

import orjson
from django.utils.cache import get_conditional_response, patch_vary_headers
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from dashboard import days, marks, parameters, reading, schemas, summaries
from dashboard.renderers import CsvRenderer, Negotiation, PageRenderer
from ingest import coverage
from ingest.ledger import ledger
from ingest.models import Metric
from myhealth.days import utc_today
from myhealth.renderers import OrjsonRenderer

MOST_WEEKS = 53


class ReadView(APIView):
    """A read of the caller's own data, with an ETag that costs one small query."""

    content_negotiation_class = Negotiation
    renderer_classes = [OrjsonRenderer, PageRenderer]
    # The columns of the answer, for CSV.
    names: tuple[str, ...] = ()

    def conditional(self, request: Request, etag: str, read: Any) -> Response:
        """304 when the caller has this version, else what `read` returns."""
        if request.accepted_renderer.format == "api":
            # A page shows who is signed in, too.
            return Response(read())
        headers = {"ETag": etag}
        known = get_conditional_response(request._request, etag=etag)
        # If-Match is for writes: a read does not fail by it.
        if known is not None and known.status_code == 304:
            return Response(status=304, headers=headers)
        return Response(read(), headers=headers)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        is_table = request.method in ("GET", "HEAD") and not final.exception
        if isinstance(final.accepted_renderer, CsvRenderer) and not is_table:
            final.accepted_renderer = OrjsonRenderer()
            final.accepted_media_type = OrjsonRenderer.media_type
        final["Cache-Control"] = "private, no-cache"
        patch_vary_headers(final, ["Accept", "Authorization", "Cookie"])
        return final


class RowsView(ReadView):
    renderer_classes = [OrjsonRenderer, CsvRenderer, PageRenderer]
    model: type[Metric]

    def get(self, request: Request) -> Response:
        user = request.user
        assert isinstance(user, User)
        type_ = self.model.metric_type.name
        given = parameters.known(request, "start", "end", "fields")
        span = parameters.span(given, user.today())
        self.names = parameters.fields(given, reading.columns(self.model.metric_type))
        form = request.accepted_renderer.format
        # The version is read before the rows: an ETag may be too old for them, never too new.
        version = reading.versions(user.pk)[type_].rows
        etag = reading.etag(type_, user.pk, version, span.start, span.end, self.names, form)

        def read() -> list[dict[str, Any]]:
            held = reading.rows_of(self.model, user.pk).between(span.start, span.end)
            if form == "csv":
                return reading.rows(held, self.names, contributors=orjson.loads)
            return reading.rows(held, self.names)

        response = self.conditional(request, etag, read)
        if form == "csv" and response.status_code == 200:
            name = f"{type_}_{span.start}_{span.end}.csv"
            response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def rows_view(model: type[Metric]) -> type[RowsView]:
    """The view of one metric type."""
    metric_type = model.metric_type
    name = metric_type.name
    view = type(f"{metric_type.class_name}View", (RowsView,), {"model": model})
    described = extend_schema(
        operation_id=f"{name}_list",
        description="The caller's days, newest first.",
        parameters=[
            schemas.START,
            schemas.END,
            schemas.fields(metric_type),
            schemas.format_parameter("json", "csv", "api"),
            schemas.IF_NONE_MATCH,
        ],
        responses=schemas.read(metric_type),
    )
    return extend_schema_view(get=described)(view)


class DashboardView(ReadView):
    @extend_schema(
        operation_id="dashboard",
        parameters=[
            OpenApiParameter(
                "weeks",
                {"type": "integer", "minimum": 1, "maximum": MOST_WEEKS, "default": 4},
                description="How many weekly summaries, back from today.",
            ),
            schemas.format_parameter("json", "api"),
            schemas.IF_NONE_MATCH,
        ],
        responses=schemas.DASHBOARD,
    )
    def get(self, request: Request) -> Response:
        """The newest day of each type, and the last weeks in figures."""
        user = request.user
        assert isinstance(user, User)
        given = parameters.known(request, "weeks")
        weeks = parameters.whole(given, "weeks", 4, MOST_WEEKS)
        today, utc = user.today(), utc_today()
        versions = reading.versions(user.pk)
        etag = reading.etag("dashboard", user.pk, versions, today, utc, weeks)
        return self.conditional(
            request, etag, lambda: summaries.dashboard(user.pk, today, weeks, utc=utc)
        )


class CoverageView(ReadView):
    @extend_schema(
        operation_id="coverage",
        parameters=[
            schemas.START,
            schemas.END,
            schemas.format_parameter("json", "api"),
            schemas.IF_NONE_MATCH,
        ],
        responses=schemas.COVERAGE,
    )
    def get(self, request: Request) -> Response:
        """Each day of the range accounted for: held, or why not. Oldest first."""
        user = request.user
        assert isinstance(user, User)
        today, utc = user.today(), utc_today()
        span = parameters.span(parameters.known(request, "start", "end"), today)
        versions = reading.versions(user.pk)
        asked = (span.start, span.end, today, utc)
        etag = reading.etag("coverage", user.pk, user.is_staff, versions, *asked)

        def read() -> dict[str, Any]:
            by_type = ledger(user.pk, span.start, span.end, today=utc, using=reading.database())
            return coverage.api_coverage(by_type, links=user.is_staff)

        return self.conditional(request, etag, read)


class DayView(ReadView):
    @extend_schema(
        operation_id="day",
        parameters=[
            schemas.DAY,
            schemas.format_parameter("json", "api"),
            schemas.IF_NONE_MATCH,
        ],
        responses=schemas.ONE_DAY,
    )
    def get(self, request: Request, day: str) -> Response:
        """One day of every type, why what is missing is, and what the day was before."""
        user = request.user
        assert isinstance(user, User)
        parameters.known(request)
        asked, utc = parameters.one_day("day", day), utc_today()
        versions = reading.versions(user.pk)
        etag = reading.etag("day", user.pk, versions, asked, utc)
        return self.conditional(request, etag, lambda: days.day(user.pk, asked, utc=utc))


class MarksView(ReadView):
    @extend_schema(
        operation_id="marks",
        parameters=[
            schemas.ANY_START,
            schemas.ANY_END,
            schemas.format_parameter("json", "api"),
            schemas.IF_NONE_MATCH,
        ],
        responses=schemas.MARKS,
    )
    def get(self, request: Request) -> Response:
        """Days from which on sleep doesn't compare with the days before. Newest first."""
        user = request.user
        assert isinstance(user, User)
        span = parameters.any_span(parameters.known(request, "start", "end"))
        versions = reading.versions(user.pk)
        etag = reading.etag("marks", user.pk, versions, span.start, span.end)
        return self.conditional(request, etag, lambda: marks.between(user.pk, span.start, span.end))
