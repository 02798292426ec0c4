"""The API's routes. Each parses the parameters, calls one function and answers."""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

import msgspec
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from dashboard import archive, parameters, queries, schemas, summaries, trends
from dashboard.days import day_detail
from dashboard.marks import find_marks
from dashboard.nights import night_detail
from dashboard.periods import BY, WEEK
from dashboard.renderers import (
    BrowsableRenderer,
    BytesRenderer,
    CsvRenderer,
    FormatNegotiation,
    SummariesCsvRenderer,
    TrendsCsvRenderer,
    ZipRenderer,
)
from dashboard.repeats import ReadResponse
from dashboard.series import EVERY, RAW, check_range, series_answer
from dashboard.types import describe_types, granted_scopes
from ingest.coverage import api_coverage
from ingest.ledger import ledger
from ingest.models import Metric
from ingest.rows import fetch_rows
from metrics import all_series
from myhealth.limits import CountedStream, waiting_network
from myhealth.openapi import RoutesView
from myhealth.renderers import OrjsonRenderer

log = structlog.get_logger("dashboard.views")

_MAX_WEEKS = 53
_ALLOW = "GET, HEAD, OPTIONS"
_NO_TOKEN = (
    "Send a token as `Authorization: Bearer …`: create a lasting one at "
    f"{settings.PUBLIC_URL}/account/tokens/, or get one for 15 minutes by POST /auth/login."
)
_CACHE_CONTROL = "private, no-cache"
_VARY = "Accept, Authorization, Cookie, origin"
# They have no state, so each request can use the same.
_AUTHENTICATORS = [each() for each in APIView.authentication_classes]


class ReadView(APIView):
    """A read of the caller's own data, with an ETag that costs one small query."""

    content_negotiation_class = FormatNegotiation
    renderer_classes = [OrjsonRenderer, BrowsableRenderer]
    # The columns of the answer, for CSV.
    columns: tuple[str, ...] = ()

    def get_authenticators(self) -> list[BaseAuthentication]:
        return _AUTHENTICATORS

    def permission_denied(self, request: Request, *args: Any, **options: Any) -> NoReturn:
        raise NotAuthenticated(_NO_TOKEN)

    @cached_property
    def default_response_headers(self) -> dict[str, str]:
        return {"Allow": _ALLOW, "Vary": "Accept"}

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def respond(
        self,
        request: Request,
        basis: queries.Basis | None,
        etag: str,
        load: Callable[[], Any],
        *,
        file_name: str = "",
    ) -> HttpResponseBase:
        """Answer 304 if the caller has this version, else what `load` returns.

        Without a basis, the answer depends on more than that, and is not remembered. CSV is
        downloaded under the file name.
        The basis was read before the rows: an ETag may be too old for them, never too new.
        """
        renderer = request.accepted_renderer
        if renderer.format == "api":
            # The page also shows who is signed in, which the ETag does not cover.
            return Response(load())
        content_type = renderer.media_type
        if renderer.charset:
            content_type += f"; charset={renderer.charset}"
        headers = {
            "Content-Type": content_type,
            "ETag": etag,
            "Allow": _ALLOW,
            "Cache-Control": _CACHE_CONTROL,
            "Vary": _VARY,
        }
        response = ReadResponse(headers=headers)
        if (not_modified := response.or_not_modified(request._request)) is not response:
            return not_modified
        response.basis = basis
        if renderer.format == "csv":
            response["Content-Disposition"] = f'attachment; filename="{file_name}.csv"'
        response.content = cast(bytes, renderer.render(load(), renderer.media_type, {"view": self}))
        return response

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if not isinstance(response, Response):
            # It is complete.
            return response
        final = super().finalize_response(request, response, *args, **kwargs)
        is_table = request.method in ("GET", "HEAD") and not final.exception
        if isinstance(final.accepted_renderer, CsvRenderer | ZipRenderer) and not is_table:
            final.accepted_renderer = OrjsonRenderer()
            final.accepted_media_type = OrjsonRenderer.media_type
        final["Cache-Control"] = _CACHE_CONTROL
        patch_vary_headers(final, _VARY.split(", ")[:-1])
        return final


@extend_schema_view(
    get=extend_schema(parameters=[schemas.FORMAT_PARAM], responses=schemas.ROUTES_RESPONSES)
)
class RootView(RoutesView):
    """The routes of the API, each with its address; parameters are in braces."""

    name = "API"
    # The page shows who is signed in.
    authentication_classes = [SessionAuthentication]
    renderer_classes = [OrjsonRenderer, BrowsableRenderer]
    content_negotiation_class = FormatNegotiation


class RowsView(ReadView):
    renderer_classes = [OrjsonRenderer, CsvRenderer, BrowsableRenderer]
    model: type[Metric]

    def get(self, request: Request) -> HttpResponseBase:
        user = self.user
        type_ = self.model.metric_type.name
        params = parameters.parse_params(request, "start", "end", "fields")
        basis = queries.read_basis(user)
        days = parameters.date_range_params(params, basis.today)
        allowed = queries.row_columns(self.model.metric_type)
        self.columns = parameters.fields_param(params, allowed)
        format_ = request.accepted_renderer.format
        version = basis.versions[type_].rows
        etag = queries.etag(type_, user.pk, version, days, self.columns, format_)

        def load() -> Any:
            database = queries.database_alias()
            rows = fetch_rows(self.model, user.pk, days, self.columns, using=database)
            return msgspec.json.encode(rows) if format_ == "json" else rows

        name = f"{type_}_{days.start}_{days.end}"
        return self.respond(request, basis, etag, load, file_name=name)


def rows_view(model: type[Metric]) -> type[RowsView]:
    """Return the view of one metric type."""
    metric_type = model.metric_type
    name = metric_type.name
    view = type(f"{metric_type.class_name}View", (RowsView,), {"model": model})
    schema = extend_schema(
        operation_id=f"{name}_list",
        summary=f"List days of {metric_type.title.lower()}",
        tags=["Days"],
        description="The caller's days, newest first.",
        parameters=[
            schemas.START_PARAM,
            schemas.END_PARAM,
            schemas.fields_parameter(metric_type),
            schemas.TABLE_FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.row_responses(metric_type),
    )
    return extend_schema_view(get=schema)(view)


class DashboardView(ReadView):
    @extend_schema(
        operation_id="dashboard",
        summary="Show the newest days and the last weeks",
        tags=["Summaries"],
        parameters=[
            OpenApiParameter(
                "weeks",
                {"type": "integer", "minimum": 1, "maximum": _MAX_WEEKS, "default": 4},
                description="Number of weekly summaries; the newest week ends today.",
            ),
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.DASHBOARD_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The newest day of each type, and figures for the last few weeks."""
        user = self.user
        params = parameters.parse_params(request, "weeks")
        weeks = parameters.int_param(params, "weeks", 4, _MAX_WEEKS)
        basis = queries.read_basis(user)
        etag = queries.etag("dashboard", user.pk, basis, weeks)

        def load() -> dict[str, Any]:
            return summaries.dashboard_data(user, basis.today, weeks, utc=basis.utc)

        return self.respond(request, basis, etag, load)


class SummariesView(ReadView):
    renderer_classes = [OrjsonRenderer, SummariesCsvRenderer, BrowsableRenderer]

    @extend_schema(
        operation_id="summaries",
        summary="Show the figures of calendar weeks or months",
        tags=["Summaries"],
        parameters=[
            schemas.BY_PARAM,
            schemas.FIRST_PERIOD_PARAM,
            schemas.END_PARAM,
            schemas.TABLE_FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.SUMMARIES_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Every calendar week or month with a day from start to end, as a whole, newest first."""
        user = self.user
        params = parameters.parse_params(request, "by", "start", "end")
        by = parameters.choice_param(params, "by", BY, WEEK)
        basis = queries.read_basis(user)
        periods = parameters.periods_params(params, basis.today, by, basis.first_weekday)
        format_ = request.accepted_renderer.format
        first, last = periods[-1].start, periods[0].end
        etag = queries.etag("summaries", user.pk, basis, by, first, last, format_)

        def load() -> list[dict[str, Any]]:
            return summaries.period_summaries(user, basis.today, periods, utc=basis.utc)

        return self.respond(request, basis, etag, load, file_name=f"{by}s_{first}_{last}")


class CoverageView(ReadView):
    @extend_schema(
        operation_id="coverage",
        summary="List which days are stored, and why others are missing",
        tags=["Days"],
        parameters=[
            schemas.START_PARAM,
            schemas.END_PARAM,
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.COVERAGE_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The state of every day in the range, oldest first, with the reason for missing days."""
        user = self.user
        params = parameters.parse_params(request, "start", "end")
        basis = queries.read_basis(user)
        days = parameters.date_range_params(params, basis.today)
        etag = queries.etag("coverage", user.pk, basis, days)

        def load() -> dict[str, Any]:
            database = queries.database_alias()
            by_type = ledger(user.pk, days.start, days.end, today=basis.utc, using=database)
            return api_coverage(by_type, links=user.is_staff)

        return self.respond(request, basis, etag, load)


class DayView(ReadView):
    @extend_schema(
        operation_id="day",
        summary="Show one day of every type",
        tags=["Days"],
        parameters=[
            schemas.DAY_PARAM,
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.DAY_RESPONSES,
    )
    def get(self, request: Request, day: str) -> HttpResponseBase:
        """One day of each type, with its state, reason, warnings and earlier versions."""
        user = self.user
        parameters.parse_params(request)
        date = parameters.day_param("day", day)
        basis = queries.read_basis(user)
        etag = queries.etag("day", user.pk, basis, date)
        return self.respond(request, basis, etag, lambda: day_detail(user.pk, date, utc=basis.utc))


class MarksView(ReadView):
    @extend_schema(
        operation_id="marks",
        summary="List nights with a new algorithm or ring",
        tags=["Days"],
        parameters=[
            schemas.OPEN_START_PARAM,
            schemas.OPEN_END_PARAM,
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.MARKS_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Nights that make sleep before and after them incomparable, newest first.

        They are the nights with a new algorithm or ring. Alternating between two rings is one mark.
        """
        user = self.user
        params = parameters.parse_params(request, "start", "end")
        days = parameters.open_date_range_params(params)
        basis = queries.read_basis(user)
        etag = queries.etag("marks", user.pk, basis, days)
        return self.respond(request, basis, etag, lambda: find_marks(user.pk, days.start, days.end))


class TrendsView(ReadView):
    renderer_classes = [OrjsonRenderer, TrendsCsvRenderer, BrowsableRenderer]

    @extend_schema(
        operation_id="trends",
        summary="Show measures over a period, with the usual range",
        tags=["Summaries"],
        parameters=[
            schemas.MEASURES_PARAM,
            schemas.PERIOD_PARAM,
            schemas.END_PARAM,
            schemas.TABLE_FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.TRENDS_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Measures over a period, with the caller's usual range and the period before."""
        user = self.user
        params = parameters.parse_params(request, "measures", "period", "end")
        names = parameters.measures_param(params)
        period = parameters.choice_param(params, "period", tuple(trends.PERIODS), "90d")
        basis = queries.read_basis(user)
        end = parameters.end_param(params, basis.today)
        etag = queries.etag(
            "trends", user.pk, basis, names, period, end, request.accepted_renderer.format
        )

        def load() -> dict[str, Any]:
            found = trends.find_trends(user, names, period, end, today=basis.today)
            return {"end": end, "measures": {name: each.to_dict() for name, each in found.items()}}

        return self.respond(request, basis, etag, load, file_name=f"trends_{period}_{end}")


class SeriesView(ReadView):
    @extend_schema(
        operation_id="series",
        summary="Show a series of the stored documents",
        tags=["Days"],
        parameters=[
            schemas.SERIES_PARAM,
            schemas.START_PARAM,
            schemas.END_PARAM,
            schemas.EVERY_PARAM,
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.SERIES_RESPONSES,
    )
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """One of the series in the stored documents, oldest first. Missing values have no points.

        A point belongs to the day of its document; a night's points belong to the day on which the
        night ends.
        """
        user = self.user
        known = all_series()
        if name not in known:
            raise NotFound(f"There is no such series; expected one of {', '.join(known)}.")
        metric_type, series = known[name]
        params = parameters.parse_params(request, "start", "end", "every")
        choices = tuple(EVERY) if series.has_mean else (RAW,)
        every = parameters.choice_param(params, "every", choices, RAW)
        basis = queries.read_basis(user)
        days = parameters.date_range_params(params, basis.today)
        check_range(days, every)
        version = basis.versions[metric_type.name].rows
        etag = queries.etag("series", user.pk, version, name, days, every)

        def load() -> dict[str, Any]:
            return series_answer(user.pk, metric_type, series, days, every)

        return self.respond(request, basis, etag, load)


class NightView(ReadView):
    @extend_schema(
        operation_id="night",
        summary="Show one night with its stages and series",
        tags=["Days"],
        parameters=[
            schemas.DAY_PARAM,
            schemas.FORMAT_PARAM,
            schemas.IF_NONE_MATCH_PARAM,
        ],
        responses=schemas.NIGHT_RESPONSES,
    )
    def get(self, request: Request, day: str) -> HttpResponseBase:
        """Sleep periods of the night that ends on this day: first the main one, then by start."""
        user = self.user
        parameters.parse_params(request)
        date = parameters.day_param("day", day)
        basis = queries.read_basis(user)
        etag = queries.etag("night", user.pk, basis, date)
        return self.respond(
            request, basis, etag, lambda: night_detail(user.pk, date, utc=basis.utc)
        )


class TypesView(ReadView):
    @extend_schema(
        operation_id="types",
        summary="List the types and their columns",
        tags=["Overview"],
        parameters=[schemas.FORMAT_PARAM, schemas.IF_NONE_MATCH_PARAM],
        responses=schemas.TYPES_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Each type: its columns, whether you share it with myhealth, your first and last day."""
        user = self.user
        parameters.parse_params(request)
        versions = queries.read_basis(user).versions
        granted = granted_scopes(user)
        rows = [version.rows for version in versions.values()]
        etag = queries.etag("types", user.pk, rows, granted)
        # Changing what is shared changes no basis.
        return self.respond(request, None, etag, lambda: describe_types(user, granted))


class _ExportRunning(APIException):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_detail = "Your archive is being downloaded already; try again when that has ended."
    default_code = "export_running"
    wait = 60


def _until_it_breaks_off(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts; what the server does with an exception is the same, with a traceback."""
    try:
        yield from parts
    except (archive.AlreadyRunning, OperationalError, InterfaceError) as error:
        log.error("archive broke off", error=type(error).__name__)


class ExportView(ReadView):
    renderer_classes = [ZipRenderer, BytesRenderer]

    @extend_schema(
        operation_id="export",
        summary="Download everything",
        tags=["Overview"],
        responses=schemas.EXPORT_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """An archive of all that is stored of the caller; README.txt in it says what each file is.

        It has no length, since it is made while it is sent: one that breaks off is no whole ZIP.
        One at a time is made for a person.
        """
        parameters.parse_params(request)
        headers = {
            "Content-Type": request.accepted_renderer.media_type,
            "Content-Disposition": f'attachment; filename="{archive.file_name(self.user)}"',
            "Allow": _ALLOW,
            "Cache-Control": "no-store",
            "Vary": _VARY,
        }
        if request.method == "HEAD":
            return HttpResponse(headers=headers)
        if archive.is_running(self.user):
            raise _ExportRunning
        parts = _until_it_breaks_off(archive.make_archive(self.user))
        counted = CountedStream(parts, waiting_network(request._request))
        return StreamingHttpResponse(counted, headers=headers)
