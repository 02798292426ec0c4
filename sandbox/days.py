"""The circumstances of a person's day: place and time zone, illness, whether the ring is worn.

Nothing here depends on today or on the length of the history. Episodes of several days are drawn
once per block of days and stay inside it, so a single draw decides for any day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sandbox.chance import rng, stable_uuid
from sandbox.people import Person

_Episode = tuple[int, int]
Document = dict[str, Any]
# Returns the id of the n-th document of the day.
MakeId = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class OddDay:
    """A day of a collection whose documents are changed by a kind of oddity."""

    person: Person
    collection: str
    day: date
    kind: str

    def make_id(self, number: int) -> str:
        """Return the id of the n-th document that only the oddity has."""
        return stable_uuid(
            self.person.seed, self.person.name, self.collection, self.day, self.kind, number
        )


@lru_cache(maxsize=4096)
def _draw_episode(
    person: Person, kind: str, block: int, length: int, likelihood: float, shortest: int, most: int
) -> _Episode | None:
    """Return the first and last ordinal of the block's episode, if it has one."""
    chance = rng(person.seed, person.name, kind, block)
    if chance.random() >= likelihood:
        return None
    days = chance.randint(shortest, most)
    first = block * length + chance.randint(0, length - days - 1)
    return first, first + days - 1


def _episode_on(
    person: Person, kind: str, day: date, length: int, likelihood: float, shortest: int, most: int
) -> _Episode | None:
    """Return the episode that includes the day; a block of `length` days has at most one."""
    ordinal = day.toordinal()
    episode = _draw_episode(person, kind, ordinal // length, length, likelihood, shortest, most)
    return episode if episode and episode[0] <= ordinal <= episode[1] else None


def in_drawer(person: Person, day: date) -> bool:
    """Return whether the ring stayed at home, so that the day has no documents at all."""
    most = 5 if person.name == "demo" else 15
    return _episode_on(person, "drawer", day, 182, person.traits.ringless, 3, most) is not None


def illness_episode(person: Person, day: date) -> _Episode | None:
    return _episode_on(person, "illness", day, 95, 0.75, 4, 9)


def illness_severity(person: Person, day: date) -> float:
    """Return how ill the person is, from 0 (well) to 1 (at its worst)."""
    episode = illness_episode(person, day)
    if episode is None:
        return 0.0
    since, left = day.toordinal() - episode[0], episode[1] - day.toordinal()
    return min(1.0, 0.6 + 0.3 * since, 0.4 + 0.25 * left)


def travel_minutes(person: Person, day: date) -> int:
    """Return the minutes by which the person's clock is ahead of the one at home."""
    episode = _episode_on(person, "travel", day, 150, 0.7, 6, 15)
    if episode is None:
        return 0
    return 60 * rng(person.seed, person.name, "journey", episode[0]).choice([-8, -6, -3, 2, 5, 8])


@lru_cache(maxsize=256)
def _summer_time(rule: str, year: int) -> tuple[date, date]:
    """Return the first day of summer time and the first day after it."""
    if rule == "europe":
        return _last_sunday_up_to(date(year, 3, 31)), _last_sunday_up_to(date(year, 10, 31))
    return _last_sunday_up_to(date(year, 3, 14)), _last_sunday_up_to(date(year, 11, 7))


def _last_sunday_up_to(day: date) -> date:
    return day - timedelta(days=(day.weekday() + 1) % 7)


def utc_offset(person: Person, day: date) -> timedelta:
    """Return the UTC offset of the day's timestamps: that of the place where the person is."""
    minutes = person.traits.offset + travel_minutes(person, day)
    if person.traits.summer_time:
        first, end = _summer_time(person.traits.summer_time, day.year)
        minutes += 60 * (first <= day < end)
    return timedelta(minutes=minutes)


def _format_offset(shift: timedelta) -> str:
    minutes = int(shift.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def format_local(moment: datetime, shift: timedelta, *, milliseconds: bool = False) -> str:
    """Return the ISO 8601 text with offset. At Oura only samples have milliseconds."""
    return f"{moment.isoformat()}{'.000' if milliseconds else ''}{_format_offset(shift)}"


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def summary_timestamp(person: Person, day: date) -> str:
    """Return the `timestamp` of daily_sleep and daily_readiness.

    It is local midnight until 2021, and midnight UTC since 2022, sometimes in a traveller's offset,
    so that its date may differ from `day` (recorded answers, 2018 to 2024).
    """
    shift = utc_offset(person, day)
    if day.year < 2022:
        return format_local(midnight(day), shift)
    if travel_minutes(person, day) and day.toordinal() % 3 == 0:
        return format_local(midnight(day) + shift, shift)
    return f"{day}T00:00:00+00:00"
