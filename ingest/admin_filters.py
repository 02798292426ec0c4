"""Filters of the admin's lists."""

from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from ingest.admin_links import DAYS_SEPARATOR
from ingest.models import MetricSource
from metrics import TYPES
from myhealth.states import FailureKind

MAX_PEOPLE = 50


class ScoreFilter(admin.SimpleListFilter):
    """Filter by Oura's ranges of scores."""

    title = "score"
    parameter_name = "score"
    RANGES: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        "optimal": ("85 to 100: optimal", {"score__gte": 85}),
        "good": ("70 to 84: good", {"score__range": (70, 84)}),
        "fair": ("60 to 69: fair", {"score__range": (60, 69)}),
        "attention": ("below 60: pay attention", {"score__lt": 60}),
        "none": ("no score", {"score__isnull": True}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.RANGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        option = self.RANGES.get(self.value() or "")
        return queryset.filter(**option[1]) if option else queryset


class WarningFilter(admin.SimpleListFilter):
    """Filter rows by whether a value of their day could not be stored."""

    title = "warnings"
    parameter_name = "warnings"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("with", "with warnings")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "with":
            return queryset
        type_ = queryset.model.metric_type.name
        days = MetricSource.objects.filter(type=type_).exclude(warnings={})
        of_row = days.filter(user_id=OuterRef("user_id"), day=OuterRef("day"))
        return queryset.filter(Exists(of_row))


class TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, metric_type.title) for name, metric_type in TYPES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class PersonFilter(admin.RelatedFieldListFilter):
    """Offer all people who have rows, or only the chosen one if there are very many.

    Among many, the search finds a person.
    """

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        people = get_user_model()._default_manager.order_by("username")
        rows = model_admin.model._default_manager.order_by().values("user_id")
        offered = list(people.filter(pk__in=rows)[: MAX_PEOPLE + 1])
        if len(offered) > MAX_PEOPLE:
            offered = list(people.filter(pk__in=self.lookup_val or []))
        return [(person.pk, str(person)) for person in offered]

    def has_output(self) -> bool:
        # Django would not apply a filter without output, and show the rows of all people.
        return bool(self.lookup_choices or self.lookup_val)


class OutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"
    OUTCOMES: ClassVar[dict[str, str]] = {
        "failures": "had failures",
        "healed": "filled gaps",
        "revised": "revised days",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.OUTCOMES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset.filter(**{f"{name}__gt": 0}) if name in self.OUTCOMES else queryset


class FetchOutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("complete", "complete"), ("failed", "failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = self.value() in ("complete", "failed")
        return queryset.filter(complete=self.value() == "complete") if known else queryset


class _LinkFilter(admin.SimpleListFilter):
    """A filter that only links set. It is shown while set, so that it can be removed."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        return [(value, value)] if value else []


class RunFilter(_LinkFilter):
    title = "run"
    parameter_name = "run"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(run=self.value()) if self.value() else queryset


class DaysFilter(_LinkFilter):
    """Filter fetches by a range of days that they overlap, `2026-03-01 to 2026-03-07`."""

    title = "days"
    parameter_name = "days"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        start, end = (date.fromisoformat(each) for each in value.split(DAYS_SEPARATOR))
        return queryset.filter(start__lte=end, end__gte=start)


class DayFilter(_LinkFilter):
    title = "day"
    parameter_name = "day"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(day=date.fromisoformat(value)) if value else queryset


class FailureKindFilter(admin.SimpleListFilter):
    title = "kind of failure"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return FailureKind.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset
