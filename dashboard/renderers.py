"""How answers look besides JSON: CSV, and Django REST framework's pages."""

import csv
import io
from typing import Any

from django.http import Http404
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request

from myhealth.errors import Invalid


class CsvRenderer(BaseRenderer):
    """Rows as CSV (RFC 4180): one column each, `contributors.…` one for each contributor.

    The columns are the type's, whatever the rows hold; a contributor that it does not declare is in
    the JSON answer alone.
    """

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> str:
        view = (renderer_context or {})["view"]
        names, inner = view.names, sorted(view.model.metric_type.contributors)
        columns = {
            name: [f"contributors.{each}" for each in inner] if name == "contributors" else [name]
            for name in names
        }
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(column for name in names for column in columns[name])
        for row in data or []:
            scores = row.get("contributors", {})
            values = {f"contributors.{name}": scores.get(name) for name in inner} | row
            writer.writerow(plain(values[column]) for name in names for column in columns[name])
        return text.getvalue()


def plain(value: Any) -> Any:
    """Times as in JSON, with a T."""
    return value.isoformat() if hasattr(value, "isoformat") else value


class PageRenderer(BrowsableAPIRenderer):
    """The browsable API; without forms, since these routes only read."""

    template = "dashboard/api.html"

    def show_form_for_method(self, view: Any, method: str, request: Any, obj: Any) -> bool:
        return method == "POST" and bool(super().show_form_for_method(view, method, request, obj))


class Negotiation(DefaultContentNegotiation):
    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Raises Invalid for a `format` that there is not."""
        known = ", ".join(renderer.format for renderer in renderers)
        unknown = Invalid({"format": [f"It is not known here; expected {known}."]})
        if request.query_params.get("format") == "":
            raise unknown
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except Http404:
            raise unknown from None
