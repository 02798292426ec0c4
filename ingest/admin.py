"""What is held of people's days and what became of asking, to look at.

Only the processor writes any of it, so here nobody does.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import F, FilteredRelation, Min, Model, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from ingest import control, ledger
from ingest.documents import parsed
from ingest.models import (
    METRIC_MODELS,
    Metric,
    MetricSource,
    Origin,
    Reading,
    RejectedDocument,
    Revision,
    Run,
)
from ingest.reports import KINDS
from metrics import TYPES
from myhealth.admin import ReadOnlyAdmin

# What the permission to look at the page behind a link is called, the link's words, its address.
Link = tuple[str, str, str]
PEOPLE_PER_PAGE = 100
MOST_PEOPLE = 50
BETWEEN = " to "


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


class TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, each.title) for name, each in TYPES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class PersonFilter(admin.RelatedFieldListFilter):
    """Everyone who has rows while they are few; among many the search finds a person."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        people = get_user_model()._default_manager.order_by("username")
        rows = model_admin.model._default_manager.order_by().values("user_id")
        found = list(people.filter(pk__in=rows)[: MOST_PEOPLE + 1])
        if len(found) > MOST_PEOPLE:
            found = list(people.filter(pk__in=self.lookup_val or []))
        return [(person.pk, str(person)) for person in found]

    def has_output(self) -> bool:
        # Without it the filter would not be applied: others' rows would pass for the person's.
        return bool(self.lookup_choices or self.lookup_val)


@contextmanager
def lookups_checked() -> Iterator[None]:
    """What no date or number can be is a wrong filter, not an error of ours."""
    try:
        yield
    except (ValueError, OverflowError, ValidationError, DataError) as error:
        raise IncorrectLookupParameters(error) from error


class CheckedChangeList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        with lookups_checked():
            return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        with lookups_checked():
            super().get_results(request)


def list_of(model: type[Model], **lookups: Any) -> str:
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=lookups
    )


def page_of(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def coverage_of(user: Any) -> str:
    return reverse("admin:ingest_reading_coverage_of", args=[user.pk])


def run_page(pk: int) -> str:
    return reverse("admin:ingest_run_change", args=[pk])


def coverage_link(user: Any) -> Link:
    return "ingest.view_reading", f"Coverage of {user}", coverage_of(user)


class DaysAdmin(ReadOnlyAdmin):
    """The pages of one row have links to what else is known of the person or the day."""

    change_form_template = "admin/ingest/linked_change_form.html"
    list_select_related: ClassVar[list[str]] = ["user"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return CheckedChangeList

    @admin.display(description="type", ordering="type")
    def type_title(self, obj: Any) -> str:
        return TYPES[obj.type].title

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


def worded(name: str) -> str:
    return name.replace("_", " ")


def counts_told(counts: Mapping[str, int]) -> str:
    """Numbers of days by state, most first: `3 not worn, 1 failed`."""
    most_first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{days} {worded(state)}" for state, days in most_first)


def missing_told(missing: Mapping[str, Mapping[str, int]]) -> str:
    """A run's `missing` in words: `sleep: 3 not worn, 1 failed`, a line for each type."""
    told = (f"{name}: {counts_told(missing[name])}" for name in TYPES if missing.get(name))
    return lines(told) or "nothing"


def minute(moment: datetime | None) -> str | None:
    return lines([f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"]) if moment else None


def lines(texts: Iterable[str]) -> str:
    """Each text on a line of its own, which a narrow column does not break."""
    nowrap = '<span class="nowrap">{}</span>'
    return format_html_join(mark_safe("<br>"), nowrap, ((text,) for text in texts if text))


class OutcomeFilter(admin.SimpleListFilter):
    title = "what it came to"
    parameter_name = "came_to"
    OUTCOMES: ClassVar[dict[str, str]] = {
        "failures": "had failures",
        "healed": "healed something",
        "revised": "revised something",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.OUTCOMES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset.filter(**{f"{name}__gt": 0}) if name in self.OUTCOMES else queryset


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
        return missing_told(obj.missing) if obj.finished_at else None

    def links(self, obj: Run) -> list[Link]:
        person = {"user__id__exact": obj.user_id}
        readings = list_of(Reading, run=obj.request_id, **person)
        return [
            ("ingest.view_reading", "Readings of this run", readings),
            *super().links(obj),
            ("ingest.view_revision", f"Revisions of {obj.user}", list_of(Revision, **person)),
        ]


class LinkedFilter(admin.SimpleListFilter):
    """Only links set it: it is shown while in use, so that it can be seen and undone."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        return [(value, value)] if value else []


class RunFilter(LinkedFilter):
    title = "run"
    parameter_name = "run"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(run=self.value()) if self.value() else queryset


class DaysFilter(LinkedFilter):
    """Readings of any of the days from one to another, both included."""

    title = "days"
    parameter_name = "days"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        start, end = (date.fromisoformat(each) for each in value.split(BETWEEN))
        return queryset.filter(start__lte=end, end__gte=start)


class DayFilter(LinkedFilter):
    title = "day"
    parameter_name = "day"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(day=date.fromisoformat(value)) if value else queryset


class KindFilter(admin.SimpleListFilter):
    title = "kind of failure"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, worded(kind)) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Reading)
class ReadingAdmin(DaysAdmin):
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
        # Runs are kept for a time only, and not every reading was part of one.
        runs = Run.objects.filter(user_id=OuterRef("user_id"), request_id=OuterRef("run"))
        run_pk = Subquery(runs.values("pk")[:1])
        found: QuerySet[Any] = super().get_queryset(request).annotate(run_pk=run_pk)
        return found

    @admin.display
    def outcome(self, obj: Reading) -> str:
        return "complete" if obj.complete else failure_told(obj)

    @admin.display(ordering="asked_at")
    def asked(self, obj: Reading) -> str | None:
        return minute(obj.asked_at)

    @admin.display
    def see(self, obj: Any) -> str:
        run = [(run_page(obj.run_pk), "run")] if obj.run_pk else []
        links = [*run, (coverage_of(obj.user), "coverage")]
        return lines([format_html_join(", ", '<a href="{}">{}</a>', links)])

    def links(self, obj: Any) -> list[Link]:
        run = [("ingest.view_run", "Its run", run_page(obj.run_pk))] if obj.run_pk else []
        return [*run, *super().links(obj)]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("coverage/", self.guarded(self.everyone), name="ingest_reading_coverage"),
            path(
                "coverage/<int:pk>/", self.guarded(self.person), name="ingest_reading_coverage_of"
            ),
            *super().get_urls(),
        ]

    def guarded(self, view: Callable[..., HttpResponse]) -> Any:
        def seen(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            return view(request, **kwargs)

        return self.admin_site.admin_view(seen)

    def everyone(self, request: HttpRequest) -> HttpResponse:
        """Every account, as its newest run left it."""
        people = Paginator(standings(), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
        for person in people.object_list:
            person["days"] = sum(sum(each.values()) for each in (person["missing"] or {}).values())
            person["told"] = missing_told(person["missing"] or {})
        context = {"title": "Coverage of everyone", "people": people}
        return self.page(request, "admin/ingest/reading/coverage.html", context)

    def person(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Which of a person's days are not held, and why."""
        person = get_object_or_404(get_user_model(), pk=pk)
        today = timezone.now().astimezone(UTC).date()
        first = first_known(person.pk) or today
        years = range(today.year, first.year - 1, -1)
        year = chosen(request.GET.get("year"), years)
        found = ledger.ledger(person.pk, first, today, today=today)
        types = [standing(person.pk, name, ranges, year) for name, ranges in found.items()]
        context = {"title": f"Coverage of {person}", "links": links_of(person), "types": types}
        span = {"first": first, "today": today, "years": years, "year": year}
        return self.page(request, "admin/ingest/reading/coverage_of.html", context | span)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, template, shared | context)


def failure_told(reading: Reading) -> str:
    """What kind of failure, `rate limited (HTTP 429)`; where, `daily_sleep page 2, 3 attempts`."""
    status = f" (HTTP {reading.status})" if reading.status else ""
    page = f" page {reading.page}" if reading.page else ""
    attempts = "1 attempt" if reading.attempts == 1 else f"{reading.attempts} attempts"
    where = f"{reading.collection}{page}".strip()
    return lines([worded(reading.kind) + status, f"{where}, {attempts}" if where else attempts])


def standings() -> QuerySet[Any, Any]:
    """Every account with its newest run, if there is one, in one query."""
    newest = FilteredRelation("runs", condition=Q(runs__newest=True))
    return (
        get_user_model()
        ._default_manager.annotate(newest=newest)
        .order_by("username")
        .values(
            "pk",
            "username",
            run=F("newest__pk"),
            finished_at=F("newest__finished_at"),
            missing=F("newest__missing"),
        )
    )


def links_of(person: Any) -> list[Link]:
    lookups = {"user__id__exact": person.pk}
    account = f"{person._meta.app_label}.view_{person._meta.model_name}"
    return [
        ("ingest.view_run", "Runs", list_of(Run, **lookups)),
        ("ingest.view_reading", "Readings", list_of(Reading, **lookups)),
        ("ingest.view_revision", "Revisions", list_of(Revision, **lookups)),
        (account, "Account", page_of(person)),
    ]


def first_known(user_id: int) -> date | None:
    """The first day held of any type; without one, the first that Oura was asked for."""
    asked = Reading.objects.filter(user_id=user_id)
    held = ledger.first_days(user_id).values()
    return min(held, default=None) or asked.aggregate(first=Min("start"))["first"]


def chosen(text: str | None, years: Iterable[int]) -> int | None:
    """The year asked for, None for all; Http404 for any other than these."""
    if text is None:
        return None
    for year in years:
        if text == str(year):
            return year
    raise Http404


def standing(
    user_id: int, name: str, ranges: list[ledger.Range], year: int | None
) -> dict[str, Any]:
    """How one type stands: first and last day held, and what is not held of the year or of all."""
    held = [each for each in ranges if each.state in ledger.PRESENT]
    shown = ledger.within(ranges, date(year, 1, 1), date(year, 12, 31)) if year else ranges
    counts = ledger.absent(shown)
    # The same that counts: no days before the first that Oura has.
    missing = [each for each in ledger.for_people(shown) if ledger.absent([each])]
    return {
        "name": name,
        "first": held[0].start if held else None,
        "last": held[-1].end if held else None,
        "days": counts.total(),
        "counts": counts_told(counts),
        "rows": [absence(user_id, each) for each in reversed(missing)],
    }


def absence(user_id: int, each: ledger.Range) -> dict[str, Any]:
    days = f"{each.start}{BETWEEN}{each.end}"
    lookups = {"user__id__exact": user_id, "type__exact": each.type, "days": days}
    document = page_of(RejectedDocument(pk=each.rejected)) if each.rejected else None
    return {
        "range": each,
        "state": worded(each.state),
        "readings": list_of(Reading, **lookups),
        "rejected": document,
    }


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
        model = METRIC_MODELS[obj.type]
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
