"""Documents and columns in JSON, as the admin shows them."""

import json
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import escape, format_html, format_html_join

# What has more characters on its line is folded.
_MOST_CHARACTERS = 300
# What is nested deeper, as strangers may send it, is on one line.
_DEEPEST = 20
_INDENT = "  "


def format_json(value: Any) -> str:
    """Return HTML with a line for each name and value. Lists of plain values are on one line."""
    return format_html('<div class="json">{}</div>', _format(value, "\n"))


def _format(value: Any, line_break: str) -> str:
    """Return the HTML of a value; `line_break` has the indent of the line on which it begins."""
    inner = line_break + _INDENT
    if isinstance(value, dict):
        items = [(f"{_dumps(name)}: ", each) for name, each in value.items()]
        opening, closing = "{}"
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        items = [("", each) for each in value]
        opening, closing = "[]"
    else:
        items = []
    if not items or len(inner) > _DEEPEST * len(_INDENT):
        return _format_line(value)
    lines = ((inner, name, _format(each, inner)) for name, each in items)
    return format_html(
        "{}{}{}{}", opening, format_html_join(",", "{}{}{}", lines), line_break, closing
    )


def _format_line(value: Any) -> str:
    text = _dumps(value)
    if len(text) <= _MOST_CHARACTERS:
        return escape(text)
    parts = "characters" if isinstance(value, str) else "values"
    return format_html(
        "<details><summary>{} {}</summary>{}</details>", intcomma(len(value)), parts, text
    )


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
