"""Time series: heart rate and battery level. Rows have instants in UTC and no ids."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random

from myhealth.days import ONE_DAY
from sandbox.activity import HIGH, LOW, MEDIUM, MINUTES, OFF, REST, minutes
from sandbox.chance import rng
from sandbox.days import Document, in_drawer, midnight, offset
from sandbox.nights import night
from sandbox.people import Person

Row = tuple[datetime, Document]
ABOVE_REST = {REST: 4, LOW: 24, MEDIUM: 42, HIGH: 82}


def beginning(person: Person, day: date) -> datetime:
    """04:00 of the day, in UTC."""
    local = midnight(day) + timedelta(hours=4) - offset(person, day)
    return local.replace(tzinfo=UTC)


def row(instant: datetime, **fields: object) -> Row:
    return instant, {
        "timestamp": instant.isoformat(),
        "timestamp_unix": int(instant.timestamp() * 1000),
        **fields,
    }


def heartrate(person: Person, day: date) -> list[Row]:
    """Beats per minute each 5 minutes, each minute in a workout, from 04:00 to the next 04:00."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "heart rate", day)
    rest = night(person, day).heart_rate
    start, end = beginning(person, day), beginning(person, day + ONE_DAY)
    classes = minutes(person, day)
    return [
        found
        for minute in range(MINUTES)
        for found in beat(classes[minute], minute, rest, start, chance)
        # The clock of one who flew east comes round sooner.
        if found[0] < end
    ]


def beat(kind: int, minute: int, rest: float, start: datetime, chance: Random) -> Iterator[Row]:
    exercising = kind in (HIGH, MEDIUM)
    if kind == OFF or (minute % 5 and not (exercising and minute % 2)):
        return
    instant = start + timedelta(minutes=minute, seconds=minute * 37 % 60)
    bpm = round(rest + ABOVE_REST.get(kind, 13) + chance.gauss(0, 3))
    source = "workout" if kind == HIGH else "sleep" if kind == REST else "awake"
    yield row(instant, bpm=bpm, source=source)
    if kind == HIGH and chance.random() < 0.02:
        # Equal instants do occur at Oura.
        yield row(instant, bpm=bpm + 1, source="live")


def ring_battery_level(person: Person, day: date) -> list[Row]:
    """Per cent each half hour; it rises while the ring lies on its charger."""
    if in_drawer(person, day):
        return []
    first, last = (
        rng(person.seed, person.name, "battery", each).randint(55, 90)
        for each in (day, day + ONE_DAY)
    )
    start, end = beginning(person, day), beginning(person, day + ONE_DAY)
    classes = minutes(person, day)
    found = []
    for minute in range(0, MINUTES, 30):
        charging = classes[minute] == OFF
        fall = round(12 * (1 - abs(minute - 720) / 720))
        level = min(100, round(first + (last - first) * minute / MINUTES) - fall + 9 * charging)
        instant = start + timedelta(minutes=minute)
        if instant < end:
            found.append(row(instant, charging=charging, in_charger=charging, level=level))
    return found


SERIES = {"heartrate": heartrate, "ring_battery_level": ring_battery_level}
