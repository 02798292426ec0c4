"""Figures as people read them; what is not known is a dash."""

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma

register = template.Library()
UNKNOWN = "–"


@register.filter
def measured(value: Any, unit: str) -> str:
    """A value with its unit: times as hours and minutes, temperatures as differences."""
    if value is None:
        return UNKNOWN
    match unit:
        case "s":
            return _hours(value / 60)
        case "min":
            return _hours(value)
        case "°C":
            return f"{value:+.2f} {unit}".replace("-", "−")
    return f"{value if isinstance(value, str) else intcomma(round(value))} {unit}".strip()


def _hours(minutes: float) -> str:
    whole, rest = divmod(round(minutes), 60)
    return f"{whole} h {rest:02} min"
