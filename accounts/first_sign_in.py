"""What a person's browser says of itself at their first sign-in, taken over as preferences."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.html import format_html

from accounts.models import DistanceUnit, FirstWeekday, TemperatureUnit, User
from myhealth import time_zones
from myhealth.preferences import TWELVE_HOURS

_AMERICAN = {
    "temperature_unit": TemperatureUnit.FAHRENHEIT,
    "distance_unit": DistanceUnit.MILES,
    "clock_hours": TWELVE_HOURS,
    "first_weekday": FirstWeekday.SUNDAY,
}


def take_over(user: User, sent: Mapping[str, str]) -> str:
    """Store the browser's time zone as the person's, and return a sentence (HTML) that says so.

    It is empty if nothing was stored: this is not their first sign-in on the page, they have
    another zone already, or the browser's is not known. The units and the clock of the United
    States go with a browser that is there: many elsewhere are set to American English.
    """
    if user.was_asked_for_zone:
        return ""
    user.was_asked_for_zone = True
    user.save()
    zone, region = sent.get("time_zone", ""), sent.get("region", "")
    unasked = User()
    if zone not in time_zones.names() or not user.time_zone == unasked.time_zone != zone:
        return ""
    user.time_zone, also = zone, ""
    is_american = region == "US" and time_zones.is_in(zone, "US")
    if is_american and all(getattr(user, each) == getattr(unasked, each) for each in _AMERICAN):
        for name, value in _AMERICAN.items():
            setattr(user, name, value)
        also = " Values are shown in °F and miles, times on a 12-hour clock, weeks from Sunday."
    user.save()
    return format_html(
        "Your time zone is set to {}, as in your browser.{} "
        'Change it in <a href="{}">Preferences</a>.',
        time_zones.title(zone),
        also,
        reverse("preferences"),
    )
