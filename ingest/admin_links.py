"""What the admin's pages share: links between them, and counts of days in words."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from ingest.coverage import describe_counts
from metrics import TYPES

# The permission to look at the page behind a link, the link's words, its address.
Link = tuple[str, str, str]
# Between the first and the last day in a link's filter.
BETWEEN = " to "


def list_of(model: type[Model], **lookups: Any) -> str:
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=lookups
    )


def page_of(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def coverage_of(user: Any) -> str:
    return reverse("coverage_of_person", args=[user.pk])


def run_page(pk: int) -> str:
    return reverse("admin:ingest_run_change", args=[pk])


def coverage_link(user: Any) -> Link:
    return "ingest.view_fetch", f"Coverage of {user}", coverage_of(user)


def describe_missing(missing: Mapping[str, Mapping[str, int]]) -> str:
    """Return a run's `missing` in words, `sleep: 3 ring not worn`, a line for each type."""
    described = (
        f"{each.title.lower()}: {describe_counts(missing[name])}"
        for name, each in TYPES.items()
        if missing.get(name)
    )
    return lines(described) or "nothing"


def minute(moment: datetime | None) -> str | None:
    return lines([f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"]) if moment else None


def lines(texts: Iterable[str]) -> str:
    """Each text on a line of its own, which a narrow column does not break."""
    nowrap = '<span class="nowrap">{}</span>'
    return format_html_join(mark_safe("<br>"), nowrap, ((text,) for text in texts if text))
