"""Template filters that show values to people; an unknown value is a dash."""

from datetime import datetime
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

from metrics.columns import Column

register = template.Library()
_UNKNOWN = "–"
_MINUS = "−"


@register.filter
def ago(moment: datetime) -> str:
    """Return how long ago it was: never in the future, as another machine's clock may have it."""
    return str(naturaltime(min(moment, timezone.now())))


@register.filter
def with_unit(value: Any, column: Column) -> str:
    """Return a column's value, or an average, with its unit; times in hours and minutes."""
    if value is None:
        return _UNKNOWN
    if isinstance(value, str):
        return value
    if column.unit in ("s", "min"):
        return _hours(value / 60 if column.unit == "s" else value)
    rounded = round(value, column.shown_decimals) or 0  # No -0.
    sign = "+" if column.signed else ""
    text = f"{rounded:{sign},.{column.shown_decimals}f}".replace("-", _MINUS)
    return f"{text} {column.unit}".strip()


def _hours(minutes: float) -> str:
    hours, rest = divmod(abs(round(minutes)), 60)
    return f"{_MINUS if round(minutes) < 0 else ''}{hours} h {rest:02} min"
