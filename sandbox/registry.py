"""Every collection with a document a day or so, and what is peculiar to it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from sandbox import others
from sandbox.activity import daily_activity
from sandbox.days import Document, Identify
from sandbox.people import Person
from sandbox.readiness import daily_readiness
from sandbox.sleep import NAP_PLACE, daily_sleep, periods, sleep_time

Generate = Callable[[Person, date, int, Identify], list[Document]]


class End(Enum):
    """What a range's `end_date` means.

    Measured against the real API in August 2026; collections that nobody measured are inclusive.
    """

    INCLUSIVE = "the day itself belongs to the range"
    EXCLUSIVE = "what begins at or after that instant is left out"
    UTC = "exclusive, and compared in UTC whatever the local day"


@dataclass(frozen=True, slots=True)
class Collection:
    generate: Generate
    end: End = End.INCLUSIVE
    # The hour at which a document's day is taken to begin where the end is an instant.
    hour: timedelta = timedelta(0)
    # The OAuth scope that opens it. Oura's own document names workout and session; the others are
    # by the names that people were shown.
    scope: str = "daily"
    # Whether it can be recomputed: there is a score to change, or periods to move.
    changes: bool = False
    # How many documents a day can have at most: single ones are found by trying each one's id.
    most: int = 1


# Read when a request comes, so a test may add an entry.
COLLECTIONS = {
    "daily_activity": Collection(daily_activity, End.EXCLUSIVE, timedelta(hours=4), changes=True),
    "daily_cardiovascular_age": Collection(others.daily_cardiovascular_age, scope="heart_health"),
    "daily_readiness": Collection(daily_readiness, changes=True),
    "daily_resilience": Collection(others.daily_resilience, scope="stress"),
    "daily_sleep": Collection(daily_sleep, changes=True),
    "daily_spo2": Collection(others.daily_spo2, scope="spo2"),
    "daily_stress": Collection(others.daily_stress, scope="stress"),
    "enhanced_tag": Collection(others.enhanced_tag, scope="tag"),
    "rest_mode_period": Collection(others.rest_mode_period),
    "session": Collection(others.session, scope="session"),
    "sleep": Collection(periods, End.EXCLUSIVE, changes=True, most=NAP_PLACE + 1),
    "sleep_time": Collection(sleep_time),
    "tag": Collection(others.tag, scope="tag"),
    "vO2_max": Collection(others.vo2_max, scope="heart_health"),
    "workout": Collection(others.workout, End.UTC, scope="workout"),
}
RINGS = "ring_configuration"
PERSONAL_INFO = "personal_info"
# The scopes of what has no entry above: time series, and what knows no days.
OTHER_SCOPES = {
    "heartrate": "heartrate",
    "ring_battery_level": "ring_configuration",
    RINGS: "ring_configuration",
    PERSONAL_INFO: "personal",
}


def scope_of(name: str) -> str:
    return COLLECTIONS[name].scope if name in COLLECTIONS else OTHER_SCOPES[name]
