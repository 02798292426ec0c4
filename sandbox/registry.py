"""The collections with documents per day, and how they differ."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from sandbox import others
from sandbox.activity import daily_activity
from sandbox.days import Document, MakeId
from sandbox.people import Person
from sandbox.readiness import daily_readiness
from sandbox.sleep import NAP_NUMBER, daily_sleep, sleep_documents, sleep_time

_Generate = Callable[[Person, date, int, MakeId], list[Document]]


class EndRule(Enum):
    """How a range's `end_date` is understood.

    Measured against the real API in August 2026; collections that were not measured are inclusive.
    """

    INCLUSIVE = "the range includes the day"
    EXCLUSIVE = "documents that begin at or after that instant are excluded"
    UTC = "exclusive, compared in UTC"


@dataclass(frozen=True, slots=True)
class Collection:
    generate: _Generate
    end: EndRule = EndRule.INCLUSIVE
    # The time at which a document's day begins, if the end is an instant.
    day_starts: timedelta = timedelta(0)
    # The OAuth scope that it requires. Oura's own document names workout and session; the others
    # are guessed from the names that people were shown.
    scope: str = "daily"
    # Whether there is a score to change, or periods to move.
    recomputable: bool = False
    # Limits the ids to try when a single document is looked up.
    max_per_day: int = 1


# Read at each request, so that tests can add entries.
COLLECTIONS = {
    "daily_activity": Collection(
        daily_activity, EndRule.EXCLUSIVE, timedelta(hours=4), recomputable=True
    ),
    "daily_cardiovascular_age": Collection(others.daily_cardiovascular_age, scope="heart_health"),
    "daily_readiness": Collection(daily_readiness, recomputable=True),
    "daily_resilience": Collection(others.daily_resilience, scope="stress"),
    "daily_sleep": Collection(daily_sleep, recomputable=True),
    "daily_spo2": Collection(others.daily_spo2, scope="spo2"),
    "daily_stress": Collection(others.daily_stress, scope="stress"),
    "enhanced_tag": Collection(others.enhanced_tag, scope="tag"),
    "rest_mode_period": Collection(others.rest_mode_period),
    "session": Collection(others.session, scope="session"),
    "sleep": Collection(
        sleep_documents, EndRule.EXCLUSIVE, recomputable=True, max_per_day=NAP_NUMBER + 1
    ),
    "sleep_time": Collection(sleep_time),
    "tag": Collection(others.tag, scope="tag"),
    "vO2_max": Collection(others.vo2_max, scope="heart_health"),
    "workout": Collection(others.workout, EndRule.UTC, scope="workout"),
}
RINGS = "ring_configuration"
PERSONAL_INFO = "personal_info"
# The scopes of collections without an entry above: time series, and lists without days.
_OTHER_SCOPES = {
    "heartrate": "heartrate",
    "ring_battery_level": "ring_configuration",
    RINGS: "ring_configuration",
    PERSONAL_INFO: "personal",
}


def scope_of(name: str) -> str:
    return COLLECTIONS[name].scope if name in COLLECTIONS else _OTHER_SCOPES[name]
