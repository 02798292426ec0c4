"""Figures as people read them; what is not known is a dash."""

from typing import Any

from django import template

from metrics.columns import Column

register = template.Library()
UNKNOWN = "–"
MINUS = "−"


@register.filter
def measured(value: Any, column: Column) -> str:
    """A column's value, or a mean of such, with its unit: times as hours and minutes."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if column.unit in ("s", "min"):
        return _hours(value / 60 if column.unit == "s" else value)
    rounded = round(value, column.shown_decimals) or 0  # No -0.
    sign = "+" if column.signed else ""
    text = f"{rounded:{sign},.{column.shown_decimals}f}".replace("-", MINUS)
    return f"{text} {column.unit}".strip()


def _hours(minutes: float) -> str:
    whole, rest = divmod(abs(round(minutes)), 60)
    return f"{MINUS if round(minutes) < 0 else ''}{whole} h {rest:02} min"
