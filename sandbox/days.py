"""What befalls a person on a day: where they are, whether they are ill, whether they wear the ring.

Nothing here looks at today or at the length of the history. Episodes of several days are drawn
once for a block of days and stay inside it, so any single day is told by one draw.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sandbox.chance import rng
from sandbox.people import Person

Episode = tuple[int, int]
Document = dict[str, Any]
# Gives the id of the n-th document of the day.
Identify = Callable[[int], str]


@lru_cache(maxsize=4096)
def episode(
    person: Person, kind: str, block: int, length: int, likelihood: float, shortest: int, most: int
) -> Episode | None:
    """The first and last ordinal of the block's episode."""
    chance = rng(person.seed, person.name, kind, block)
    if chance.random() >= likelihood:
        return None
    days = chance.randint(shortest, most)
    first = block * length + chance.randint(0, length - days - 1)
    return first, first + days - 1


def during(
    person: Person, kind: str, day: date, length: int, likelihood: float, shortest: int, most: int
) -> Episode | None:
    """The episode that the day lies in, if it does; one a block of `length` days at most."""
    ordinal = day.toordinal()
    found = episode(person, kind, ordinal // length, length, likelihood, shortest, most)
    return found if found and found[0] <= ordinal <= found[1] else None


def in_drawer(person: Person, day: date) -> bool:
    """Whether the ring stayed at home: such a day has no document of any type."""
    most = 5 if person.name == "demo" else 15
    return during(person, "drawer", day, 182, person.traits.ringless, 3, most) is not None


def illness_episode(person: Person, day: date) -> Episode | None:
    return during(person, "illness", day, 95, 0.75, 4, 9)


def illness(person: Person, day: date) -> float:
    """From 0 (well) to 1 (the worst of it, on the second and third day)."""
    found = illness_episode(person, day)
    if found is None:
        return 0.0
    since, left = day.toordinal() - found[0], found[1] - day.toordinal()
    return min(1.0, 0.6 + 0.3 * since, 0.4 + 0.25 * left)


def travelling(person: Person, day: date) -> int:
    """Minutes by which the traveller's clock is ahead of the one at home."""
    found = during(person, "travel", day, 150, 0.7, 6, 15)
    if found is None:
        return 0
    return 60 * rng(person.seed, person.name, "journey", found[0]).choice([-8, -6, -3, 2, 5, 8])


@lru_cache(maxsize=256)
def summer(rule: str, year: int) -> tuple[date, date]:
    """The first day of summer time and the first after it."""
    if rule == "europe":
        return last_sunday(date(year, 3, 31)), last_sunday(date(year, 10, 31))
    return last_sunday(date(year, 3, 14)), last_sunday(date(year, 11, 7))


def last_sunday(day: date) -> date:
    return day - timedelta(days=(day.weekday() + 1) % 7)


def offset(person: Person, day: date) -> timedelta:
    """The offset from UTC of the timestamps of that day, which follows the traveller."""
    minutes = person.traits.offset + travelling(person, day)
    if person.traits.summer_time:
        first, end = summer(person.traits.summer_time, day.year)
        minutes += 60 * (first <= day < end)
    return timedelta(minutes=minutes)


def suffix(shift: timedelta) -> str:
    minutes = int(shift.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def local(moment: datetime, shift: timedelta, *, milliseconds: bool = False) -> str:
    """ISO 8601 with the offset; samples carry milliseconds at Oura, all else does not."""
    return f"{moment.isoformat()}{'.000' if milliseconds else ''}{suffix(shift)}"


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def summary_timestamp(person: Person, day: date) -> str:
    """The `timestamp` of daily_sleep and daily_readiness.

    Local midnight up to 2021; since 2022 midnight UTC, now and then told in a traveller's offset,
    so that its date may differ from `day` (recorded answers, 2018 to 2024).
    """
    shift = offset(person, day)
    if day.year < 2022:
        return local(midnight(day), shift)
    if travelling(person, day) and day.toordinal() % 3 == 0:
        return local(midnight(day) + shift, shift)
    return f"{day}T00:00:00+00:00"
