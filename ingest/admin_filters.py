"""How the admin's lists are filtered."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest

from ingest.admin_links import BETWEEN
from metrics import TYPES
from myhealth.states import FailureKind

MOST_PEOPLE = 50


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
    """Fetches of any of the days from one to another, both included."""

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
        return FailureKind.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset
