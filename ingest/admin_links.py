"""Links between the pages of the admin, and texts that several of them show."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from ingest.coverage import describe_counts
from metrics import TYPES

# The permission that the linked page needs, the link's text, its address.
Link = tuple[str, str, str]
# Separates the first and the last day in the filter `days`.
DAYS_SEPARATOR = " to "


def list_url(model: type[Model], **lookups: Any) -> str:
    """Return the address of a model's list, filtered by the lookups."""
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=lookups
    )


def page_url(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def coverage_url(user: Any) -> str:
    return reverse("coverage_of_person", args=[user.pk])


def run_url(pk: int) -> str:
    return reverse("admin:ingest_run_change", args=[pk])


def coverage_link(user: Any) -> Link:
    return "ingest.view_fetch", f"Coverage of {user}", coverage_url(user)


def describe_missing(missing: Mapping[str, Mapping[str, int]]) -> str:
    """Return a run's `missing` in words, `sleep – ring not worn: 3`, a line for each type."""
    described = (
        f"{each.title.lower()} – {describe_counts(missing[name])}"
        for name, each in TYPES.items()
        if missing.get(name)
    )
    return format_lines(described) or "nothing"


def format_lines(texts: Iterable[str]) -> str:
    """Return HTML with each text on its own line, which a narrow column does not wrap."""
    nowrap = '<span class="nowrap">{}</span>'
    return format_html_join(mark_safe("<br>"), nowrap, ((text,) for text in texts if text))
