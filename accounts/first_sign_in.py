"""What a person's browser says of itself at their first sign-in, taken over as preferences."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.html import format_html

from accounts.models import DistanceUnit, FirstWeekday, TemperatureUnit, User
from myhealth import time_zones
from myhealth.preferences import TWELVE_HOURS

# Many browsers elsewhere are set to American English; those in America are in these zones.
_AMERICAN_ZONES = ("America/", "US/", "Pacific/Honolulu")
_AMERICAN = {
    "temperature_unit": TemperatureUnit.FAHRENHEIT,
    "distance_unit": DistanceUnit.MILES,
    "clock_hours": TWELVE_HOURS,
    "first_weekday": FirstWeekday.SUNDAY,
}


def take_over(user: User, sent: Mapping[str, str]) -> str:
    """Store the browser's time zone as the person's, and return a sentence (HTML) that says so.

    It is empty if nothing was stored: they have another zone already, or the browser's is not
    known. The units and the clock of the United States go with a browser that is there.
    """
    zone, region = sent.get("time_zone", ""), sent.get("region", "")
    unasked = User()
    if zone not in time_zones.names() or not user.time_zone == unasked.time_zone != zone:
        return ""
    user.time_zone, also = zone, ""
    is_american = region == "US" and zone.startswith(_AMERICAN_ZONES)
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
