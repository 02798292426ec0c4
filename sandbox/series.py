"""Time series: heart rate and battery level. Rows have an instant in UTC and no id."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random

from myhealth.days import ONE_DAY
from sandbox.activity import HIGH, LOW, MEDIUM, MINUTES, OFF, REST, minute_classes
from sandbox.chance import rng
from sandbox.days import Document, in_drawer, midnight, utc_offset
from sandbox.nights import night
from sandbox.people import Person

SeriesRow = tuple[datetime, Document]
_ABOVE_REST = {REST: 4, LOW: 24, MEDIUM: 42, HIGH: 82}


def _start_of_day(person: Person, day: date) -> datetime:
    """Return 04:00 of the day, in UTC."""
    local = midnight(day) + timedelta(hours=4) - utc_offset(person, day)
    return local.replace(tzinfo=UTC)


def _row(instant: datetime, **fields: object) -> SeriesRow:
    return instant, {
        "timestamp": instant.isoformat(),
        "timestamp_unix": int(instant.timestamp() * 1000),
        **fields,
    }


def _heartrate(person: Person, day: date) -> list[SeriesRow]:
    """Return beats per minute from 04:00 to 04:00, every 5 minutes, more often in a workout."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "heart rate", day)
    rest = night(person, day).heart_rate
    start, end = _start_of_day(person, day), _start_of_day(person, day + ONE_DAY)
    classes = minute_classes(person, day)
    return [
        row
        for minute in range(MINUTES)
        for row in _heart_rate_rows(classes[minute], minute, rest, start, chance)
        # The day is shorter after a flight to the east.
        if row[0] < end
    ]


def _heart_rate_rows(
    kind: int, minute: int, rest: float, start: datetime, chance: Random
) -> Iterator[SeriesRow]:
    exercising = kind in (HIGH, MEDIUM)
    if kind == OFF or (minute % 5 and not (exercising and minute % 2)):
        return
    instant = start + timedelta(minutes=minute, seconds=minute * 37 % 60)
    bpm = round(rest + _ABOVE_REST.get(kind, 13) + chance.gauss(0, 3))
    source = "workout" if kind == HIGH else "sleep" if kind == REST else "awake"
    yield _row(instant, bpm=bpm, source=source)
    if kind == HIGH and chance.random() < 0.02:
        # Oura has equal instants, too.
        yield _row(instant, bpm=bpm + 1, source="live")


def _ring_battery_level(person: Person, day: date) -> list[SeriesRow]:
    """Return the level in per cent every half hour; it rises while the ring is charging."""
    if in_drawer(person, day):
        return []
    first, last = (
        rng(person.seed, person.name, "battery", morning).randint(55, 90)
        for morning in (day, day + ONE_DAY)
    )
    start, end = _start_of_day(person, day), _start_of_day(person, day + ONE_DAY)
    classes = minute_classes(person, day)
    rows = []
    for minute in range(0, MINUTES, 30):
        charging = classes[minute] == OFF
        fall = round(12 * (1 - abs(minute - 720) / 720))
        level = min(100, round(first + (last - first) * minute / MINUTES) - fall + 9 * charging)
        instant = start + timedelta(minutes=minute)
        if instant < end:
            rows.append(_row(instant, charging=charging, in_charger=charging, level=level))
    return rows


SERIES = {"heartrate": _heartrate, "ring_battery_level": _ring_battery_level}
