"""What all apps share in the admin site."""

from calendar import monthrange
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from myhealth.days import Days, parse_day

# Django's own class takes no type parameter at run time.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

admin.site.site_header = admin.site.site_title = "myhealth admin"
admin.site.index_title = "Overview"
# Wide tables need the room, and the overview has the same links.
admin.site.enable_nav_sidebar = False


@contextmanager
def _invalid_lookups_redirect() -> Iterator[None]:
    """Turn errors about impossible dates and numbers into a redirect to the unfiltered list."""
    try:
        yield
    except (ValueError, OverflowError, ValidationError, DataError) as error:
        raise IncorrectLookupParameters(error) from error


class CheckedChangeList(ChangeList):
    """A list that can be filtered only by what it offers.

    It redirects to itself, unfiltered, if a filter is impossible.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        filters = super().get_filters(request)
        # What no filter took. Django would ask the database about any column, also hidden ones.
        dates = {"month", "day"}
        if f"{self.date_hierarchy}__year" in self.filter_params:
            # Django has replaced it by these.
            dates |= {"gte", "lt"}
        if set(filters[2]) - {f"{self.date_hierarchy}__{name}" for name in dates}:
            raise DisallowedModelAdminLookup("The list does not offer this filter.")
        return filters

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        with _invalid_lookups_redirect():
            return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        with _invalid_lookups_redirect():
            super().get_results(request)


def _days_named(word: str) -> Days | None:
    """Return the days of `2026-11-20` or `2026-11`; None for any other word."""
    if day := parse_day(word):
        return Days(day, day)
    if first := parse_day(f"{word}-01"):
        return Days(first, first.replace(day=monthrange(first.year, first.month)[1]))
    return None


class CheckedAdmin(ModelAdmin):
    """The base class of all admins: checks what a browser sends before the database is asked."""

    # The lookup of the row's day, if the search is to find rows by days and months.
    search_day = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Take days and months for what they are, and search for the other words as Django does."""
        words = []
        for word in search_term.split():
            days = _days_named(word) if self.search_day else None
            if days:
                queryset = self.filter_days(queryset, days)
            else:
                words.append(word)
        return super().get_search_results(request, queryset, " ".join(words))

    def filter_days(self, queryset: QuerySet[Any], days: Days) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.search_day}__range": (days.start, days.end)})

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return CheckedChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        # Django looks for the field of an empty `_to_field`.
        return super().get_object(request, object_id, from_field or None)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **options: Any
    ) -> HttpResponse | None:
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(value)
            except ValidationError:
                raise BadRequest("A selected row has no valid key.") from None
        return super().response_action(request, queryset, *args, **options)


class ReadOnlyAdmin(CheckedAdmin):
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
