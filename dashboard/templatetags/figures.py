"""Figures as people read them; what is not known is a dash."""

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma

register = template.Library()
UNKNOWN = "–"


@register.filter
def hours(seconds: float | None) -> str:
    """Seconds as hours and minutes."""
    return UNKNOWN if seconds is None else minutes(seconds / 60)


@register.filter
def minutes(count: float | None) -> str:
    if count is None:
        return UNKNOWN
    whole, rest = divmod(round(count), 60)
    return f"{whole} h {rest:02} min"


@register.filter
def figure(value: float | None, unit: str) -> str:
    """A whole number with its unit."""
    return UNKNOWN if value is None else f"{intcomma(round(value))} {unit}".strip()


@register.filter
def signed(value: float | None, unit: str) -> str:
    """A difference, with its sign."""
    return UNKNOWN if value is None else f"{value:+.2f} {unit}".replace("-", "−")
