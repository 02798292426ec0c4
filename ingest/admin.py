"""The metrics, to look at; only the processor writes them, so here nobody does."""

import json
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from ingest import control
from ingest.documents import parsed
from ingest.models import Metric, MetricSource, Origin, RejectedDocument
from ingest.registry import METRICS
from myhealth.admin import ReadOnlyAdmin


def readable(value: Any) -> str:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


class ScoreFilter(admin.SimpleListFilter):
    """Oura's own bands of scores."""

    title = "score"
    parameter_name = "score"
    BANDS: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        "optimal": ("85 to 100: optimal", {"score__gte": 85}),
        "good": ("70 to 84: good", {"score__range": (70, 84)}),
        "fair": ("60 to 69: fair", {"score__range": (60, 69)}),
        "attention": ("below 60: pay attention", {"score__lt": 60}),
        "none": ("no score", {"score__isnull": True}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.BANDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        band = self.BANDS.get(self.value() or "")
        return queryset.filter(**band[1]) if band else queryset


class MetricAdmin(ReadOnlyAdmin):
    list_display = ["day", "user", "score", "updated_at", "fetched_at"]
    list_filter = [ScoreFilter, ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user"]
    date_hierarchy = "day"
    search_fields = ["=oura_id", "user__username"]
    search_help_text = "An Oura id or an account's name."

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = ("id", "content_hash", "contributors")
        fields = [field.name for field in self.model._meta.fields if field.name not in hidden]
        times = ["created_at", "updated_at", "fetched_at"]
        own = [name for name in fields if name not in times]
        return [*own, "contributor_scores", *times, "oura_documents"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.get_readonly_fields(request, obj))

    @admin.display(description="Contributors")
    def contributor_scores(self, obj: Metric) -> str:
        return readable(obj.contributors)

    @admin.display(description="Oura's documents")
    def oura_documents(self, obj: Metric) -> str:
        type_ = next(name for name, kind in METRICS.items() if isinstance(obj, kind.model))
        source = MetricSource.objects.filter(user_id=obj.user_id, type=type_, day=obj.day).first()
        return readable(source.documents) if source else "none kept"


for kind in METRICS.values():
    admin.site.register(kind.model, MetricAdmin)


@admin.register(RejectedDocument)
class RejectedDocumentAdmin(ReadOnlyAdmin):
    list_display = ["type", "day", "user", "reason", "first_seen", "last_seen"]
    list_filter = ["type", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user"]
    date_hierarchy = "last_seen"
    search_fields = ["=oura_id", "user__username"]
    readonly_fields = (
        "user",
        "type",
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
