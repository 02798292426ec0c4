"""How values are shown to the person whose page is being made: units, clock and time zone.

They are active in one request, like Django's own time zone. Elsewhere, so in all answers to
programs, the defaults are: values as they are stored, and UTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, time, tzinfo

from django.utils import timezone

CELSIUS, FAHRENHEIT = "°C", "°F"
KILOMETRES, MILES = "km", "mi"
TWENTY_FOUR_HOURS, TWELVE_HOURS = 24, 12


@dataclass(frozen=True)
class Preferences:
    """What a person chose; without a person there is no time zone."""

    temperature_unit: str = CELSIUS
    distance_unit: str = KILOMETRES
    clock_hours: int = TWENTY_FOUR_HOURS
    zone: tzinfo | None = None


_active: ContextVar[Preferences] = ContextVar("preferences", default=Preferences())  # noqa: B039


def active() -> Preferences:
    return _active.get()


@contextmanager
def use(preferences: Preferences) -> Iterator[None]:
    """Show values by these preferences, and Django's dates and times in their time zone."""
    token = _active.set(preferences)
    try:
        with timezone.override(preferences.zone):
            yield
    finally:
        _active.reset(token)


def clock(at: datetime | time) -> str:
    """Return a time of day, such as `23:05` or `11:05 PM`."""
    if _active.get().clock_hours != TWELVE_HOURS:
        return f"{at.hour:02}:{at.minute:02}"
    return f"{at.hour % 12 or 12}:{at.minute:02} {'AM' if at.hour < 12 else 'PM'}"


def short_clock(at: datetime | time) -> str:
    """Return a time of day for a scale, where full hours of twelve need no minutes: `11 PM`."""
    return clock(at).replace(":00 ", " ")
