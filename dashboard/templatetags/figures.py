"""Figures as people read them; what is not known is a dash."""

from typing import Any

from django import template

from metrics.columns import Column

register = template.Library()
UNKNOWN = "–"


@register.filter
def measured(value: Any, column: Column) -> str:
    """A column's value, or a mean of such, with its unit: times as hours and minutes."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if column.unit in ("s", "min"):
        return _hours(value / 60 if column.unit == "s" else value)
    sign = "+" if column.signed else ""
    text = f"{value:{sign},.{column.decimals}f}".replace("-", "−")
    return f"{text} {column.unit}".strip()


def _hours(minutes: float) -> str:
    whole, rest = divmod(round(minutes), 60)
    return f"{whole} h {rest:02} min"
