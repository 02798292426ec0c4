"""What is held of people's days and what became of asking, to look at.

Only the processor writes any of it, so here nobody does.
"""

import json
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join

from ingest import control
from ingest.admin_filters import (
    CheckedChangeList,
    DayFilter,
    DaysFilter,
    KindFilter,
    OutcomeFilter,
    PersonFilter,
    RunFilter,
    ScoreFilter,
    TypeFilter,
)
from ingest.admin_links import (
    Link,
    coverage_link,
    coverage_of,
    describe_missing,
    lines,
    list_of,
    minute,
    page_of,
    run_page,
)
from ingest.documents import parsed
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    Metric,
    MetricSource,
    Origin,
    RejectedDocument,
    Revision,
    Run,
)
from metrics import TYPES
from myhealth.admin import ReadOnlyAdmin
from myhealth.states import FailureKind


def readable(value: Any) -> str:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


class DaysAdmin(ReadOnlyAdmin):
    """The pages of one row have links to what else is known of the person or the day."""

    change_form_template = "admin/ingest/linked_change_form.html"
    list_select_related: ClassVar[list[str]] = ["user"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return CheckedChangeList

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


class MetricAdmin(DaysAdmin):
    """The rows of one type, with the columns that it declares."""

    model: type[Metric]
    date_hierarchy = "day"
    search_fields = ["=oura_id", "user__username"]
    search_help_text = "An Oura id or an account's name."

    @property
    def scored(self) -> bool:
        return "score" in self.model.metric_type.column_names

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return ["day", "user", *(["score"] if self.scored else []), "updated_at", "fetched_at"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [*([ScoreFilter] if self.scored else []), ("user", PersonFilter)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        names = [
            "contributor_scores" if name == "contributors" else name
            for name in self.model.metric_type.column_names
        ]
        times = ["created_at", "updated_at", "fetched_at"]
        return ["user", "oura_id", "day", "missing_collection", *names, *times, "oura_documents"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.get_readonly_fields(request, obj))

    def links(self, obj: Metric) -> list[Link]:
        lookups = {"user__id__exact": obj.user_id, "type__exact": obj.metric_type.name}
        revisions = list_of(Revision, **lookups, day=obj.day)
        return [*super().links(obj), ("ingest.view_revision", "Revisions of this day", revisions)]

    @admin.display(description="Contributors")
    def contributor_scores(self, obj: Metric) -> str:
        return readable(obj.contributors)  # type: ignore[attr-defined]

    @admin.display(description="Oura's documents")
    def oura_documents(self, obj: Metric) -> str:
        type_ = obj.metric_type.name
        source = MetricSource.objects.filter(user_id=obj.user_id, type=type_, day=obj.day).first()
        return readable(source.documents) if source else "none kept"


for model in METRIC_MODELS.values():
    admin.site.register(model, MetricAdmin)


@admin.register(RejectedDocument)
class RejectedDocumentAdmin(DaysAdmin):
    list_display = ["type_title", "day", "user", "reason", "first_seen", "last_seen"]
    list_filter = [TypeFilter, ("user", PersonFilter)]
    date_hierarchy = "last_seen"
    search_fields = ["=oura_id", "user__username"]
    readonly_fields = (
        "user",
        "type_title",
        "oura_id",
        "day",
        "reason",
        "content",
        "first_seen",
        "last_seen",
    )
    fields = readonly_fields
    actions = ["retry"]

    @admin.display
    def reason(self, obj: RejectedDocument) -> str:
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in obj.errors.items())

    @admin.display(description="document")
    def content(self, obj: RejectedDocument) -> str:
        return readable(parsed(obj.content.encode())) if obj.content else "not kept"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.change_rejecteddocument"))

    @admin.action(description="Try to store again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedDocument]) -> None:
        """Ask the processor, the only one that writes metrics."""
        for entry in queryset:
            try:
                control.retry(entry.pk)
                self.message_user(request, f"{entry}: stored.", messages.SUCCESS)
            except control.ControlError as error:
                self.message_user(request, f"{entry}: {error}", messages.WARNING)


@admin.register(Origin)
class OriginAdmin(ReadOnlyAdmin):
    list_display = ["user", "name"]
    list_filter = ["name"]
    list_select_related = ["user"]


@admin.register(Run)
class RunAdmin(DaysAdmin):
    change_list_template = "admin/ingest/covered_change_list.html"
    list_display = [
        "began",
        "user",
        "not_held",
        "created",
        "updated",
        "healed",
        "revised",
        "failures",
        "finished",
    ]
    list_filter = [OutcomeFilter, ("user", PersonFilter)]
    search_fields = ["=request_id", "user__username"]
    search_help_text = "A run's request id or an account's name."
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
        "not_held",
    )
    fields = readonly_fields

    @admin.display(ordering="began_at")
    def began(self, obj: Run) -> str | None:
        return minute(obj.began_at)

    @admin.display(ordering="finished_at")
    def finished(self, obj: Run) -> str | None:
        return minute(obj.finished_at)

    @admin.display(description="missing", empty_value="not finished")
    def not_held(self, obj: Run) -> str | None:
        return describe_missing(obj.missing) if obj.finished_at else None

    def links(self, obj: Run) -> list[Link]:
        person = {"user__id__exact": obj.user_id}
        fetches = list_of(Fetch, run=obj.request_id, **person)
        return [
            ("ingest.view_fetch", "Fetches of this run", fetches),
            *super().links(obj),
            ("ingest.view_revision", f"Revisions of {obj.user}", list_of(Revision, **person)),
        ]


@admin.register(Fetch)
class FetchAdmin(DaysAdmin):
    change_list_template = "admin/ingest/covered_change_list.html"
    list_display = [
        "type_title",
        "user",
        "start",
        "end",
        "outcome",
        "see",
        "asked",
        "pages",
        "documents",
    ]
    list_filter = [
        RunFilter,
        DaysFilter,
        TypeFilter,
        "complete",
        KindFilter,
        ("user", PersonFilter),
    ]
    search_fields = ["=run", "user__username"]
    search_help_text = "A run's request id or an account's name."
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
        found: QuerySet[Any] = super().get_queryset(request).annotate(run_pk=run_pk)
        return found

    @admin.display
    def outcome(self, obj: Fetch) -> str:
        return "complete" if obj.complete else _describe_failure(obj)

    @admin.display(ordering="asked_at")
    def asked(self, obj: Fetch) -> str | None:
        return minute(obj.asked_at)

    @admin.display
    def see(self, obj: Any) -> str:
        run = [(run_page(obj.run_pk), "run")] if obj.run_pk else []
        links = [*run, (coverage_of(obj.user), "coverage")]
        return lines([format_html_join(", ", '<a href="{}">{}</a>', links)])

    def links(self, obj: Any) -> list[Link]:
        run = [("ingest.view_run", "Its run", run_page(obj.run_pk))] if obj.run_pk else []
        return [*run, *super().links(obj)]


def _describe_failure(fetch: Fetch) -> str:
    """Return two lines: `rate limit reached (HTTP 429)`, `daily_sleep page 2, 3 attempts`."""
    status = f" (HTTP {fetch.status})" if fetch.status else ""
    page = f" page {fetch.page}" if fetch.page else ""
    attempts = "1 attempt" if fetch.attempts == 1 else f"{fetch.attempts} attempts"
    where = f"{fetch.collection}{page}".strip()
    kind = FailureKind(fetch.kind).label
    return lines([kind + status, f"{where}, {attempts}" if where else attempts])


@admin.register(Revision)
class RevisionAdmin(DaysAdmin):
    list_display = ["day", "type_title", "user", "summary", "kind", "replaced", "times"]
    list_filter = [DayFilter, TypeFilter, "kind", ("user", PersonFilter)]
    date_hierarchy = "replaced_at"
    search_fields = ["user__username"]
    search_help_text = "An account's name."
    readonly_fields = (
        "user",
        "type_title",
        "day",
        "kind",
        "times",
        "replaced_at",
        "fetched_at",
        "what_changed",
        "noted",
        "row",
        "oura_documents",
    )
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Up to 15 kB a row that no list shows.
        return super().get_queryset(request).defer("content", "values")

    @admin.display(ordering="replaced_at")
    def replaced(self, obj: Revision) -> str | None:
        return minute(obj.replaced_at)

    @admin.display(description="what changed")
    def summary(self, obj: Revision) -> str | None:
        return summary(obj) or None

    @admin.display(description="what changed")
    def what_changed(self, obj: Revision) -> str:
        rows = [(name, *map(shown, pair)) for name, pair in obj.changes.items()]
        return render_to_string("admin/ingest/revision/changes.html", {"rows": rows})

    @admin.display(description="in words", empty_value="–")
    def noted(self, obj: Revision) -> str | None:
        return "; ".join(obj.notes) or None

    @admin.display(description="the row as it was")
    def row(self, obj: Revision) -> str:
        return readable(obj.values)

    @admin.display(description="Oura's documents")
    def oura_documents(self, obj: Revision) -> str:
        return readable(obj.documents) if obj.content else "none kept"

    def links(self, obj: Revision) -> list[Link]:
        model = METRIC_MODELS.get(obj.type)
        if model is None:
            return super().links(obj)
        now = model.objects.of(obj.user_id).filter(day=obj.day).first()
        view = f"{model._meta.app_label}.view_{model._meta.model_name}"
        row = [(view, "The row as it is now", page_of(now))] if now else []
        return [*row, *super().links(obj)]


def shown(value: Any) -> str:
    return "–" if value is None else str(value)


def summary(revision: Revision) -> str:
    """`score 71 → 78, a nap added, 6 more columns`."""
    changes = dict(revision.changes)
    # The score is what people look at; without it the first column stands for all.
    first = "score" if "score" in changes else next(iter(changes), None)
    told = [*revision.notes]
    if first:
        before, after = map(shown, changes.pop(first))
        told.insert(0, f"{first} {before} → {after}")
    if changes:
        told.append("1 more column" if len(changes) == 1 else f"{len(changes)} more columns")
    return ", ".join(told)
