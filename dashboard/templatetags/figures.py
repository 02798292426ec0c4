"""Template filters that show values to people; an unknown value is a dash."""

from datetime import date, datetime
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

from metrics.columns import Column, Moment
from metrics.measures import Measure
from metrics.moments import parse_moment
from metrics.numbers import round_half_up
from myhealth.days import Days

register = template.Library()
UNKNOWN = "–"
_MINUS = "−"
_WEEK = 7


@register.filter
def ago(moment: datetime) -> str:
    """Return how long ago it was: never in the future, as another machine's clock may have it."""
    return str(naturaltime(min(moment, timezone.now())))


@register.filter
def days_in_words(days: Days, today: date) -> str:
    """Return a range of days as people write it, with the year if it is not this one."""
    year = f" {days.end.year}" if days.end.year != today.year else ""
    end = f"{days.end.day} {days.end:%B}{year}"
    if days.start == days.end:
        return end
    first_year = f" {days.start.year}" if days.start.year != days.end.year else ""
    return f"{days.start.day} {days.start:%B}{first_year} to {end}"


@register.filter
def long_day(day: date, today: date) -> str:
    """Return a day as people call it: today, yesterday, or by its date."""
    words = {0: "today", 1: "yesterday"}
    year = f" {day.year}" if day.year != today.year else ""
    return words.get((today - day).days, f"{day:%A}, {day.day} {day:%B}{year}")


@register.filter
def short_day(day: date, today: date) -> str:
    """Return a day in few characters: its weekday if it is one of the last seven, else its date."""
    if 0 <= (today - day).days < _WEEK:
        return f"{day:%a}"
    return f"{day.day} {day:%b}" + (f" {day.year}" if day.year != today.year else "")


@register.filter
def clock_and_day(moment: datetime, today: date) -> str:
    """Return a moment's time on its own clock, with the day if it is not today."""
    clock = f"{moment:%H:%M}"
    day = moment.date()
    return clock if day == today else f"{short_day(day, today)} {clock}"


@register.filter
def with_unit(value: Any, column: Column | Measure) -> str:
    """Return a column's value, or an average, with its unit; times in hours and minutes."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return _clock_of(value) if isinstance(column.kind, Moment) else value
    if isinstance(column, Measure) and column.is_clock:
        return clock(value)
    if column.unit in ("s", "min"):
        return hours_and_minutes(value / 60 if column.unit == "s" else value)
    return f"{number(value, column)} {column.unit}".strip()


@register.filter
def number(value: float, column: Column | Measure) -> str:
    """Return a value of a column as a number without its unit."""
    rounded = round_half_up(value, column.shown_decimals) or 0  # No -0.
    sign = "+" if column.signed else ""
    return f"{rounded:{sign},.{column.shown_decimals}f}".replace("-", _MINUS)


def clock(seconds: float) -> str:
    """Return the time of day that is so many seconds after midnight, or before it, as clocks do."""
    hours, minutes = divmod(int(seconds // 60) % 1440, 60)
    return f"{hours:02}:{minutes:02}"


def _clock_of(text: str) -> str:
    """Return the local time of a moment."""
    moment = parse_moment(text)
    return f"{moment:%H:%M}" if moment else text


def hours_and_minutes(minutes: float) -> str:
    """Return a number of minutes in words, such as `7 h 05 min`."""
    whole = int(round_half_up(minutes))
    hours, rest = divmod(abs(whole), 60)
    sign = _MINUS if whole < 0 else ""
    return f"{sign}{hours} h {rest:02} min" if hours else f"{sign}{rest} min"
