"""Template filters that show values to people; an unknown value is a dash."""

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

from dashboard.units import Unit, shown_unit
from metrics.columns import Column, Moment
from metrics.measures import Measure
from metrics.moments import parse_moment
from metrics.numbers import round_half_up
from myhealth import preferences
from myhealth.days import Days

register = template.Library()
UNKNOWN = "–"
_MINUS = "−"
_WEEK = 7
_MIDNIGHT = datetime.min
_DAY = timedelta(days=1)


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
def night_of(day: date, today: date) -> str:
    """Return the night that ends on a day as people write it: `25–26 November`."""
    eve = day - _DAY
    is_new_year = eve.year != day.year
    year = f" {day.year}" if is_new_year or day.year != today.year else ""
    if eve.month == day.month:
        return f"{eve.day}–{day.day} {day:%B}{year}"
    eve_year = f" {eve.year}" if is_new_year else ""
    return f"{eve.day} {eve:%B}{eve_year} – {day.day} {day:%B}{year}"


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
    clock, day = preferences.clock(moment), moment.date()
    return clock if day == today else f"{short_day(day, today)} {clock}"


def clock(moment: datetime) -> str:
    """Return a moment's time on its own clock, as the person writes times: 23:05 or 11:05 PM."""
    return preferences.clock(moment)


@register.filter
def at_clock(moment: datetime) -> str:
    """Return when something will be, as in a sentence: `at 15:17`, or `on Saturday at 03:00`."""
    text = f"at {clock(moment)}"
    is_today = moment.date() == timezone.now().astimezone(moment.tzinfo).date()
    return text if is_today else f"on {moment:%A} {text}"


def with_unit(value: Any, column: Column | Measure) -> str:
    """Return a column's value, or an average, with its unit; times in hours and minutes."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return _clock_of(value) if isinstance(column.kind, Moment) else value
    if isinstance(column, Measure) and column.is_clock:
        return preferences.clock(time_of_day(value))
    if column.unit in ("s", "min"):
        return hours_and_minutes(value / 60 if column.unit == "s" else value)
    unit = shown_unit(column)
    return f"{number_in(unit, unit.shown(value), column.signed)} {unit.name}".strip()


def number(value: float, column: Column | Measure) -> str:
    """Return a value of a column as a number without its unit."""
    unit = shown_unit(column)
    return number_in(unit, unit.shown(value), column.signed)


def number_in(unit: Unit, value: float, is_signed: bool = False) -> str:
    """Return a number that is in a unit already, as precisely as it is shown."""
    rounded = round_half_up(value, unit.decimals) or 0  # No -0.
    sign = "+" if is_signed and rounded else ""
    return f"{rounded:{sign},.{unit.decimals}f}".replace("-", _MINUS)


def time_of_day(seconds: float) -> datetime:
    """Return when it is so many seconds after a midnight, or before it; the date means nothing."""
    return _MIDNIGHT + timedelta(seconds=seconds) % _DAY


def _clock_of(text: str) -> str:
    """Return the local time of a moment."""
    moment = parse_moment(text)
    return preferences.clock(moment) if moment else text


def hours_and_minutes(minutes: float) -> str:
    """Return a number of minutes in words, such as `7 h 05 min`."""
    whole = int(round_half_up(minutes))
    hours, rest = divmod(abs(whole), 60)
    sign = _MINUS if whole < 0 else ""
    return f"{sign}{hours} h {rest:02} min" if hours else f"{sign}{rest} min"
