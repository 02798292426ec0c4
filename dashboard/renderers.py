"""Renderers besides JSON: CSV, and Django REST framework's browsable API."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
from django.http import Http404
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request

from ingest.rows import MetricRow
from metrics import MetricType
from myhealth.errors import Invalid
from myhealth.renderers import Negotiation, may_name_format
from myhealth.states import MISSING_STATES

# A cell that begins like this is a formula to a spreadsheet, which some of them find behind blanks
# or in other widths.
_FORMULA = re.compile(
    r"[\s\x00-\x1f\u00ad\u200b-\u200f\u2060\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
)


def _cell(value: Any) -> Any:
    """Return a value for a spreadsheet, with an apostrophe before a text that is like a formula.

    Numbers stay numbers, also negative ones.
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


class CsvRenderer(BaseRenderer):
    """Render rows as CSV (RFC 4180), with one column `contributors.…` for each contributor.

    The columns depend on the metric type alone, not on the rows: a contributor that the type does
    not declare is in the JSON answer only.
    """

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        view = (renderer_context or {})["view"]
        metric_type = view.model.metric_type
        return (csv_header(metric_type, view.columns) + csv_text(metric_type, data)).encode()


def csv_header(metric_type: MetricType, columns: Iterable[str]) -> str:
    header: list[str] = []
    for name in columns:
        of_object = [f"contributors.{each}" for each in sorted(metric_type.contributors)]
        header += of_object if name == "contributors" else [name]
    text = io.StringIO(newline="")
    csv.writer(text).writerow(header)
    return text.getvalue()


def csv_text(metric_type: MetricType, rows: Iterable[MetricRow]) -> str:
    """Return the lines of the rows."""
    contributors = sorted(metric_type.contributors)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in map(msgspec.structs.astuple, rows):
        cells: list[Any] = []
        for value in row:
            if isinstance(value, msgspec.Raw):
                scores = orjson.loads(bytes(value))
                cells += [scores.get(each) for each in contributors]
            else:
                cells.append(value)
        writer.writerow(map(_cell, cells))
    return text.getvalue()


class ZipRenderer(BaseRenderer):
    """For negotiation: a ZIP is sent while it is made."""

    media_type = "application/zip"
    format = "zip"
    charset = None
    render_style = "binary"


class BytesRenderer(ZipRenderer):
    """The same by a name that all generators of clients know."""

    media_type = "application/octet-stream"
    format = "bytes"


class TrendsCsvRenderer(CsvRenderer):
    """Render trends as CSV: a line for each day, newest first.

    Each measure has columns for its value, its usual range, its median, and whether it is counted.
    """

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        columns: dict[str, dict[Any, Any]] = {}
        for name, trend in data["measures"].items():
            columns[name] = dict(trend["points"])
            for place, part in enumerate(("q1", "median", "q3"), start=1):
                columns[f"{name}.usual_{part}"] = {each[0]: each[place] for each in trend["usual"]}
            columns[f"{name}.median"] = dict(trend["median"])
            left_out = set(trend["left_out"])
            columns[f"{name}.counted"] = {day: day not in left_out for day in columns[name]}
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["day", *columns])
        for day in sorted({day for values in columns.values() for day in values}, reverse=True):
            writer.writerow([day, *(values.get(day) for values in columns.values())])
        return text.getvalue().encode()


class SummariesCsvRenderer(CsvRenderer):
    """Render summaries as CSV: a line for each period, newest first, with marks in one cell.

    Each number of the coverage has a column, whether there is such a day or not.
    """

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        text = io.StringIO(newline="")
        lines = [_summary_cells(summary) for summary in data]
        writer = csv.DictWriter(text, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue().encode()


def _summary_cells(summary: dict[str, Any]) -> dict[str, Any]:
    cells = {name: value for name, value in summary.items() if name not in ("coverage", "marks")}
    for type_, coverage in summary["coverage"].items():
        missing = {state: coverage["missing"].get(state, 0) for state in MISSING_STATES}
        for name, value in {**coverage, "missing": missing}.items():
            parts = value if isinstance(value, dict) else {"": value}
            for part, number in parts.items():
                cells[".".join(filter(None, ("coverage", type_, name, part)))] = number
    cells["marks"] = "; ".join(f"{mark['day']} {mark['mark']}" for mark in summary["marks"])
    return {name: _cell(value) for name, value in cells.items()}


class BrowsableRenderer(BrowsableAPIRenderer):
    """The browsable API, without forms: these routes only read."""

    template = "dashboard/api.html"

    def show_form_for_method(self, *args: Any) -> bool:
        return False


class FormatNegotiation(Negotiation):
    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Return the renderer. Raise Invalid for an unknown `format`."""
        formats = ", ".join(renderer.format for renderer in renderers)
        unknown = Invalid({"format": [f"Unknown format; expected one of: {formats}."]})
        if may_name_format(request) and request.query_params.get("format") == "":
            raise unknown
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except Http404:
            raise unknown from None
