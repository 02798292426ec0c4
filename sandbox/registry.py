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
from sandbox.sleep import daily_sleep, periods, sleep_time

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
    # Whether it can be recomputed: there is a score to change, or periods to move.
    changes: bool = False
    day: str = "day"


COLLECTIONS = {
    "daily_activity": Collection(daily_activity, End.EXCLUSIVE, timedelta(hours=4), changes=True),
    "daily_cardiovascular_age": Collection(others.daily_cardiovascular_age),
    "daily_readiness": Collection(daily_readiness, changes=True),
    "daily_resilience": Collection(others.daily_resilience),
    "daily_sleep": Collection(daily_sleep, changes=True),
    "daily_spo2": Collection(others.daily_spo2),
    "daily_stress": Collection(others.daily_stress),
    "enhanced_tag": Collection(others.enhanced_tag, day="start_day"),
    "rest_mode_period": Collection(others.rest_mode_period, day="start_day"),
    "session": Collection(others.session),
    "sleep": Collection(periods, End.EXCLUSIVE, changes=True),
    "sleep_time": Collection(sleep_time),
    "tag": Collection(others.tag),
    "vO2_max": Collection(others.vo2_max),
    "workout": Collection(others.workout, End.UTC),
}
RINGS = "ring_configuration"
PERSONAL_INFO = "personal_info"
