"""The admin's pages on coverage: how everybody's days stand, and which of one's are missing."""

from collections.abc import Iterable
from datetime import UTC, date
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import F, FilteredRelation, Min, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone

from ingest import ledger
from ingest.admin_links import BETWEEN, Link, counts_told, list_of, missing_told, page_of, worded
from ingest.models import Reading, RejectedDocument, Revision, Run
from metrics import TYPES

PEOPLE_PER_PAGE = 100


def everyone(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Every account, as its newest run left it."""
    people = Paginator(standings(), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    for person in people.object_list:
        person["days"] = sum(sum(each.values()) for each in (person["missing"] or {}).values())
        person["told"] = missing_told(person["missing"] or {})
    context = {"title": "Coverage of everyone", "people": people}
    return _page(request, site, "admin/ingest/reading/coverage.html", context)


def person(request: HttpRequest, site: AdminSite, pk: int) -> HttpResponse:
    """Which of a person's days are not held, and why."""
    user = get_object_or_404(get_user_model(), pk=pk)
    today = timezone.now().astimezone(UTC).date()
    first = first_known(user.pk) or today
    years = range(today.year, first.year - 1, -1)
    year = chosen(request.GET.get("year"), years)
    found = ledger.ledger(user.pk, first, today, today=today)
    types = [standing(user.pk, name, ranges, year) for name, ranges in found.items()]
    context = {"title": f"Coverage of {user}", "links": links_of(user), "types": types}
    span = {"first": first, "today": today, "years": years, "year": year}
    return _page(request, site, "admin/ingest/reading/coverage_of.html", context | span)


def _page(
    request: HttpRequest, site: AdminSite, template: str, context: dict[str, Any]
) -> HttpResponse:
    shared = {**site.each_context(request), "opts": Reading._meta}
    return TemplateResponse(request, template, shared | context)


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
    shown = ledger.clamp(ranges, date(year, 1, 1), date(year, 12, 31)) if year else ranges
    counts = ledger.absent(shown)
    # The same that counts: no days before the first that Oura has.
    missing = [each for each in ledger.for_people(shown) if ledger.absent([each])]
    return {
        "name": name,
        "title": TYPES[name].title,
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
