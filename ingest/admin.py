"""The admin's pages of metrics, runs and fetches.

They are read-only: only the processor writes any of these.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html_join

from ingest import control
from ingest.admin_filters import (
    DayFilter,
    DaysFilter,
    FailureKindFilter,
    FetchOutcomeFilter,
    OutcomeFilter,
    PersonFilter,
    RunFilter,
    ScoreFilter,
    TypeFilter,
    WarningFilter,
)
from ingest.admin_json import format_json
from ingest.admin_links import (
    Link,
    coverage_link,
    coverage_url,
    describe_missing,
    format_lines,
    list_url,
    page_url,
    run_url,
)
from ingest.documents import parsed
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    Metric,
    MetricSource,
    RejectedDocument,
    Revision,
    Run,
)
from metrics import TYPES, MetricType
from metrics.columns import Column, Contributors
from myhealth.admin import ReadOnlyAdmin
from myhealth.days import Days
from myhealth.states import FailureKind

# What the search takes besides names.
_DAYS = "a day (2026-11-20) or a month (2026-11)"


def _format_documents(documents: Any) -> str:
    return "damaged" if documents is None else format_json(documents)


def _source_of(row: Metric) -> MetricSource | None:
    type_ = row.metric_type.name
    return MetricSource.objects.filter(user_id=row.user_id, type=type_, day=row.day).first()


def _describe_errors(errors: dict[str, list[str]]) -> str:
    return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())


class _LinkedAdmin(ReadOnlyAdmin):
    """Pages of a row with links to related pages of its person or day."""

    change_form_template = "admin/ingest/linked_change_form.html"
    list_select_related: ClassVar[list[str]] = ["user"]

    @admin.display(description="type", ordering="type")
    def type_title(self, obj: Any) -> str:
        return TYPES[obj.type].title if obj.type in TYPES else obj.type

    def links(self, obj: Any) -> list[Link]:
        return [coverage_link(obj.user)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        obj = context.get("original")
        context["links"] = self.links(obj) if obj else []
        return super().render_change_form(request, context, *args, **options)


def _main_columns(metric_type: MetricType) -> list[Callable[[Metric], str | None]]:
    """Return how the list shows the columns of a type that matter most, besides the score."""
    declared = [*metric_type.card, *(figure.column for figure in metric_type.figures)]
    names = dict.fromkeys([*declared, *metric_type.column_names])
    columns = [metric_type.column(name) for name in names if name != "score"]
    return [_shown(each) for each in columns if not isinstance(each.kind, Contributors)][:3]


def _shown(column: Column) -> Callable[[Metric], str | None]:
    @admin.display(description=column.title, ordering=column.name)
    def shown(row: Metric) -> str | None:
        value = getattr(row, column.name)
        if value is None or isinstance(value, str):
            return value
        if column.unit in ("s", "min"):
            hours, minutes = divmod(round(value / 60 if column.unit == "s" else value), 60)
            return f"{hours} h {minutes:02} min"
        sign = "+" if column.signed else ""
        return f"{value:{sign},.{column.shown_decimals}f} {column.unit}".strip()

    # Django names the cells by it.
    shown.__name__ = column.name
    return shown


class MetricAdmin(_LinkedAdmin):
    """The rows of one metric type."""

    model: type[Metric]
    date_hierarchy = "day"
    search_day = "day"
    search_fields = ["=oura_id", "user__username"]
    search_help_text = f"User name, Oura id, {_DAYS}."

    @property
    def has_score(self) -> bool:
        return "score" in self.model.metric_type.column_names

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        score = ["score"] if self.has_score else []
        return ["day", "user", *score, *_main_columns(self.model.metric_type), "fetched_at"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        score = [ScoreFilter] if self.has_score else []
        return [*score, WarningFilter, ("user", PersonFilter)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        names = [
            "contributor_scores" if name == "contributors" else name
            for name in self.model.metric_type.column_names
        ]
        times = ["created_at", "updated_at", "fetched_at"]
        what = ["user", "oura_id", "day", "missing_collection", "warnings"]
        return [*what, *names, *times, "oura_documents"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.get_readonly_fields(request, obj))

    def links(self, obj: Metric) -> list[Link]:
        lookups = {"user__id__exact": obj.user_id, "type__exact": obj.metric_type.name}
        revisions = list_url(Revision, **lookups, day=obj.day)
        return [*super().links(obj), ("ingest.view_revision", "Revisions of this day", revisions)]

    @admin.display(description="contributors")
    def contributor_scores(self, obj: Metric) -> str:
        return format_json(obj.contributors)  # type: ignore[attr-defined]

    @admin.display(description="Oura documents")
    def oura_documents(self, obj: Metric) -> str:
        source = _source_of(obj)
        return _format_documents(source.documents) if source else "none stored"

    @admin.display(empty_value="none")
    def warnings(self, obj: Metric) -> str | None:
        source = _source_of(obj)
        return _describe_errors(source.warnings) if source and source.warnings else None


for model in METRIC_MODELS.values():
    admin.site.register(model, MetricAdmin)


@admin.register(RejectedDocument)
class RejectedDocumentAdmin(_LinkedAdmin):
    list_display = ["type_title", "day", "user", "reason", "first_seen", "last_seen"]
    list_filter = [TypeFilter, ("user", PersonFilter)]
    date_hierarchy = "last_seen"
    search_day = "day"
    search_fields = ["=oura_id", "user__username"]
    search_help_text = f"User name, Oura id, {_DAYS}."
    readonly_fields = (
        "user",
        "type_title",
        "oura_id",
        "day",
        "reason",
        "document",
        "first_seen",
        "last_seen",
    )
    fields = readonly_fields
    actions = ["retry"]

    @admin.display
    def reason(self, obj: RejectedDocument) -> str:
        return _describe_errors(obj.errors)

    @admin.display
    def document(self, obj: RejectedDocument) -> str:
        return format_json(parsed(obj.content.encode())) if obj.content else "not stored"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.change_rejecteddocument"))

    @admin.action(description="Try to store again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedDocument]) -> None:
        """Let the processor try again, since only it writes metrics."""
        for entry in queryset:
            try:
                control.retry_rejected(entry.pk)
                self.message_user(request, f"{entry}: stored.", messages.SUCCESS)
            except control.ControlError as error:
                self.message_user(request, f"{entry}: {error}", messages.WARNING)


@admin.register(Run)
class RunAdmin(_LinkedAdmin):
    change_list_template = "admin/ingest/covered_change_list.html"
    list_display = [
        "began_at",
        "user",
        "missing_days",
        "created",
        "updated",
        "healed",
        "revised",
        "failures",
        "finished_at",
    ]
    list_filter = [OutcomeFilter, ("user", PersonFilter)]
    search_day = "began_at__date"
    search_fields = ["=request_id", "user__username"]
    search_help_text = f"User name, request id of the run, {_DAYS} on which it began."
    readonly_fields = (
        "user",
        "request_id",
        "began_at",
        "finished_at",
        "newest",
        "created",
        "updated",
        "healed",
        "revised",
        "failures",
        "missing_days",
    )
    fields = readonly_fields

    @admin.display(description="missing", empty_value="not finished")
    def missing_days(self, obj: Run) -> str | None:
        return describe_missing(obj.missing) if obj.finished_at else None

    def links(self, obj: Run) -> list[Link]:
        person = {"user__id__exact": obj.user_id}
        fetches = list_url(Fetch, run=obj.request_id, **person)
        return [
            ("ingest.view_fetch", "Fetches of this run", fetches),
            *super().links(obj),
            ("ingest.view_revision", f"Revisions of {obj.user}", list_url(Revision, **person)),
        ]


@admin.register(Fetch)
class FetchAdmin(_LinkedAdmin):
    change_list_template = "admin/ingest/covered_change_list.html"
    list_display = [
        "type_title",
        "user",
        "start",
        "end",
        "outcome",
        "see",
        "asked_at",
        "pages",
        "documents",
    ]
    list_filter = [
        RunFilter,
        DaysFilter,
        TypeFilter,
        FetchOutcomeFilter,
        FailureKindFilter,
        ("user", PersonFilter),
    ]
    search_day = "start"
    search_fields = ["=run", "user__username"]
    search_help_text = f"User name, request id of the run, {_DAYS} in what was fetched."
    readonly_fields = (
        "user",
        "type_title",
        "start",
        "end",
        "outcome",
        "asked_at",
        "run",
        "pages",
        "documents",
        "attempts",
        "kind",
        "status",
        "collection",
        "page",
    )
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Old runs are deleted, and not every fetch was part of a run.
        runs = Run.objects.filter(user_id=OuterRef("user_id"), request_id=OuterRef("run"))
        run_pk = Subquery(runs.values("pk")[:1])
        queryset: QuerySet[Any] = super().get_queryset(request).annotate(run_pk=run_pk)
        return queryset

    def filter_days(self, queryset: QuerySet[Any], days: Days) -> QuerySet[Any]:
        return queryset.filter(start__lte=days.end, end__gte=days.start)

    @admin.display
    def outcome(self, obj: Fetch) -> str:
        return "complete" if obj.complete else _describe_failure(obj)

    @admin.display
    def see(self, obj: Any) -> str:
        run = [(run_url(obj.run_pk), "run")] if obj.run_pk else []
        links = [*run, (coverage_url(obj.user), "coverage")]
        return format_lines([format_html_join(", ", '<a href="{}">{}</a>', links)])

    def links(self, obj: Any) -> list[Link]:
        run = [("ingest.view_run", "Run of this fetch", run_url(obj.run_pk))] if obj.run_pk else []
        return [*run, *super().links(obj)]


def _describe_failure(fetch: Fetch) -> str:
    """Return two lines: `rate limit reached (HTTP 429)`, `daily_sleep page 2, 3 attempts`."""
    status = f" (HTTP {fetch.status})" if fetch.status else ""
    page = f" page {fetch.page}" if fetch.page else ""
    attempts = "1 attempt" if fetch.attempts == 1 else f"{fetch.attempts} attempts"
    where = f"{fetch.collection}{page}".strip()
    kind = FailureKind(fetch.kind).label
    return format_lines([kind + status, f"{where}, {attempts}" if where else attempts])


@admin.register(Revision)
class RevisionAdmin(_LinkedAdmin):
    list_display = ["day", "type_title", "user", "summary", "kind", "replaced_at", "times"]
    list_filter = [DayFilter, TypeFilter, "kind", ("user", PersonFilter)]
    date_hierarchy = "replaced_at"
    search_day = "day"
    search_fields = ["user__username"]
    search_help_text = f"User name, {_DAYS}."
    readonly_fields = (
        "user",
        "type_title",
        "day",
        "kind",
        "times",
        "replaced_at",
        "fetched_at",
        "what_changed",
        "notes_text",
        "earlier_row",
        "oura_documents",
    )
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Up to 15 kB a row, and not shown in the list.
        return super().get_queryset(request).defer("content", "values")

    @admin.display(description="what changed")
    def summary(self, obj: Revision) -> str | None:
        return _describe_changes(obj) or None

    @admin.display(description="what changed")
    def what_changed(self, obj: Revision) -> str:
        rows = [(name, *map(_format_value, pair)) for name, pair in obj.changes.items()]
        return render_to_string("admin/ingest/revision/changes.html", {"rows": rows})

    @admin.display(description="notes", empty_value="–")
    def notes_text(self, obj: Revision) -> str | None:
        return "; ".join(obj.notes) or None

    @admin.display
    def earlier_row(self, obj: Revision) -> str:
        return format_json(obj.values)

    @admin.display(description="Oura documents")
    def oura_documents(self, obj: Revision) -> str:
        return _format_documents(obj.documents) if obj.content else "none stored"

    def links(self, obj: Revision) -> list[Link]:
        model = METRIC_MODELS.get(obj.type)
        if model is None:
            return super().links(obj)
        current = model.objects.of(obj.user_id).filter(day=obj.day).first()
        view = f"{model._meta.app_label}.view_{model._meta.model_name}"
        row = [(view, "Current row", page_url(current))] if current else []
        return [*row, *super().links(obj)]


def _format_value(value: Any) -> str:
    return "–" if value is None else str(value)


def _describe_changes(revision: Revision) -> str:
    """Return a sentence such as `score 71 → 78, period added, 6 more columns`."""
    changes = dict(revision.changes)
    # One column is shown with its values: the score, which matters most, or else the first.
    first = "score" if "score" in changes else next(iter(changes), None)
    texts = [*revision.notes]
    if first:
        before, after = map(_format_value, changes.pop(first))
        texts.insert(0, f"{first} {before} → {after}")
    if changes:
        texts.append("1 more column" if len(changes) == 1 else f"{len(changes)} more columns")
    return ", ".join(texts)
