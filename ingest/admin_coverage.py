"""Pages of the admin about coverage: of all accounts, and of one person."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import F, FilteredRelation, Min, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path

from ingest import coverage
from ingest.admin_links import DAYS_SEPARATOR, Link, describe_missing, list_url, page_url
from ingest.ledger import Range, clamp, ledger
from ingest.models import Fetch, RejectedDocument, Revision, Run
from metrics import TYPES
from myhealth.days import utc_today

_ACCOUNTS_PER_PAGE = 100
_may_view = permission_required("ingest.view_fetch", raise_exception=True)


def _all_accounts(request: HttpRequest) -> HttpResponse:
    """Show every account as its newest run left it."""
    accounts = Paginator(_newest_runs(), _ACCOUNTS_PER_PAGE).get_page(request.GET.get("page"))
    for account in accounts.object_list:
        missing = account["missing"] or {}
        account["days"] = sum(sum(counts.values()) for counts in missing.values())
        account["described"] = describe_missing(missing)
    context = {"title": "Coverage of all accounts", "accounts": accounts}
    return _page(request, "admin/ingest/coverage.html", context)


def _one_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Show which of a person's days are missing, and why."""
    user = get_object_or_404(get_user_model(), pk=pk)
    today = utc_today()
    first = _first_known_day(user.pk) or today
    years = range(today.year, first.year - 1, -1)
    year = _chosen_year(request.GET.get("year"), years)
    by_type = ledger(user.pk, first, today, today=today)
    context = {
        "title": f"Coverage of {user}",
        "links": _links(user),
        "types": [_type_coverage(user.pk, type_, by_type[type_], year) for type_ in by_type],
        "first": first,
        "today": today,
        "years": years,
        "year": year,
    }
    return _page(request, "admin/ingest/coverage_of_person.html", context)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    shared = {**admin.site.each_context(request), "opts": Fetch._meta}
    return TemplateResponse(request, template, shared | context)


def _newest_runs() -> QuerySet[Any, Any]:
    """Return every account with its newest finished run, if it has one, in one query."""
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


def _links(user: Any) -> list[Link]:
    lookups = {"user__id__exact": user.pk}
    view_account = f"{user._meta.app_label}.view_{user._meta.model_name}"
    return [
        ("ingest.view_run", "Runs", list_url(Run, **lookups)),
        ("ingest.view_fetch", "Fetches", list_url(Fetch, **lookups)),
        ("ingest.view_revision", "Revisions", list_url(Revision, **lookups)),
        (view_account, "Account", page_url(user)),
    ]


def _first_known_day(user_id: int) -> date | None:
    """Return the first day stored of any type; without one, the first that was fetched."""
    first = min(coverage.first_stored_days(user_id).values(), default=None)
    fetches = Fetch.objects.filter(user_id=user_id)
    return first or fetches.aggregate(first=Min("start"))["first"]


def _chosen_year(text: str | None, years: Iterable[int]) -> int | None:
    """Return the year, or None for all years. Raises Http404 for any other text."""
    if text is None:
        return None
    for year in years:
        if text == str(year):
            return year
    raise Http404


def _type_coverage(
    user_id: int, type_: str, ranges: list[Range], year: int | None
) -> dict[str, Any]:
    """Return one type's first and last day stored, and what is missing of the year or of all.

    Days that are stored, but not without a remark, are listed as well, and not counted.
    """
    first, last, _ = coverage.stored_days(ranges)
    shown = clamp(ranges, date(year, 1, 1), date(year, 12, 31)) if year else ranges
    counts = coverage.count_missing(shown)
    listed = [*coverage.missing_ranges(shown), *coverage.stored_ranges_with_reason(shown)]
    return {
        "name": type_,
        "title": TYPES[type_].title,
        "first": first,
        "last": last,
        "days": counts.total(),
        "counts": coverage.describe_counts(counts),
        "rows": [_row(user_id, each) for each in sorted(listed, reverse=True, key=_start)],
    }


def _start(each: Range) -> date:
    return each.start


def _row(user_id: int, each: Range) -> dict[str, Any]:
    days = f"{each.start}{DAYS_SEPARATOR}{each.end}"
    lookups = {"user__id__exact": user_id, "type__exact": each.type, "days": days}
    rejected = each.verdict.rejected
    return {
        "range": each,
        "fetches": list_url(Fetch, **lookups),
        "rejected": page_url(RejectedDocument(pk=rejected)) if rejected else None,
    }


# Included under the admin's address.
urlpatterns = [
    path("", admin.site.admin_view(_may_view(_all_accounts)), name="coverage_of_all"),
    path("<int:pk>/", admin.site.admin_view(_may_view(_one_person)), name="coverage_of_person"),
]
