"""`daily_activity`, and the minutes that it is computed from: rest, workout, ring off.

An activity day runs from 04:00 to 04:00 local time. Its minutes are drawn first; class_5_min, met,
the times (in seconds, 86,400 in total), steps and calories are computed from them.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random

from myhealth.days import ONE_DAY
from sandbox.chance import rng, round_within
from sandbox.days import (
    Document,
    MakeId,
    format_local,
    illness_severity,
    in_drawer,
    midnight,
    utc_offset,
)
from sandbox.nights import night
from sandbox.people import Person

MINUTES = 1440
OFF, REST, SEDENTARY, LOW, MEDIUM, HIGH = b"012345"
# Metabolic equivalents by class, one for each value of a random byte.
_METS = {
    OFF: [0.1] * 256,
    REST: [round(0.9 + (byte > 200) * 0.1, 1) for byte in range(256)],
    SEDENTARY: [round(1.0 + byte / 640, 1) for byte in range(256)],
    LOW: [round(1.5 + byte / 180, 1) for byte in range(256)],
    MEDIUM: [round(3.0 + byte / 100, 1) for byte in range(256)],
    HIGH: [round(6.0 + byte / 75, 1) for byte in range(256)],
}
_MEAN_METS = {kind: sum(values) / 256 for kind, values in _METS.items()}
_STEPS_PER_MINUTE = {LOW: 19, MEDIUM: 84, HIGH: 140}


@dataclass(frozen=True, slots=True)
class Exercise:
    """A workout that begins `begin` minutes after 04:00."""

    activity: str
    begin: int
    minutes: int
    hard: bool


@dataclass(frozen=True, slots=True)
class Exertion:
    """How active the person is; a drive of 1 is their usual day."""

    drive: float
    exercise: Exercise | None


@lru_cache(maxsize=4096)
def exertion(person: Person, day: date) -> Exertion:
    chance = rng(person.seed, person.name, "exertion", day)
    ill, weekday = illness_severity(person, day), day.weekday()
    drive = chance.gauss(1.0, 0.22) * (0.85 if weekday == 6 else 1.12 if weekday == 5 else 1.0)
    training = weekday in person.traits.training and chance.random() < 0.8
    exercise = None
    if (training or chance.random() < 0.06) and ill < 0.3:
        activity = person.traits.sport if training else chance.choice(["walking", "cycling"])
        begin = chance.choice([190, 240, 780, 840]) + chance.randint(0, 60)
        exercise = Exercise(activity, begin, chance.randint(25, 80), chance.random() < 0.45)
    return Exertion(max(0.25, drive * (1 - 0.6 * ill)), exercise)


def training_load(person: Person, day: date) -> float:
    """Return how hard the day was: usually 1, with a hard workout near 2."""
    spent = exertion(person, day)
    sport = spent.exercise.minutes / 70 if spent.exercise else 0.0
    return 0.7 * spent.drive + sport * (1.2 if spent.exercise and spent.exercise.hard else 0.7)


def minute_classes(person: Person, day: date) -> bytes:
    """Return the class of each minute from 04:00 on, as ASCII digits."""
    chance = rng(person.seed, person.name, "minutes", day)
    morning = midnight(day) + timedelta(hours=4)
    last, following = night(person, day), night(person, day + ONE_DAY)
    wake = round_within((last.end - morning).total_seconds() / 60, 0, MINUTES)
    bed = round_within((following.start - morning).total_seconds() / 60, wake, MINUTES)
    spent = exertion(person, day)
    classes = bytearray(
        _waking_minutes(chance, bed - wake, spent.drive * person.traits.steps / 8500)
    )
    classes[:0] = bytes([REST if last.worn else OFF]) * wake
    classes += bytes([REST if following.worn else OFF]) * (MINUTES - bed)
    _add_charging(classes, chance, wake, bed)
    if spent.exercise:
        _add_exercise(classes, spent.exercise, chance, range(wake, bed))
    return bytes(classes)


def _waking_minutes(chance: Random, length: int, drive: float) -> bytes:
    """Return `length` minutes of sitting, light activity and walking in turn."""
    parts, reached = [], 0
    draws = iter(chance.randbytes(3 * length + 3))
    while reached < length:
        sitting, light, walking = next(draws), next(draws), next(draws)
        part = bytes([SEDENTARY]) * (4 + sitting // 6)
        part += bytes([LOW]) * int((2 + light / 16) * drive)
        part += bytes([MEDIUM]) * int(max(0.0, walking / 22 - 5.5) * drive)
        parts.append(part)
        reached += len(part)
    return b"".join(parts)[:length]


def _add_charging(classes: bytearray, chance: Random, wake: int, bed: int) -> None:
    """Take the ring off for charging, on most days."""
    if chance.random() < 0.75 and bed - wake > 200:
        begin = wake + chance.randint(5, 90)
        length = chance.randint(15, 75)
        classes[begin : begin + length] = bytes([OFF]) * length


def _add_exercise(classes: bytearray, exercise: Exercise, chance: Random, awake: range) -> None:
    share = 0.7 if exercise.hard else 0.15
    for minute in range(exercise.begin, exercise.begin + exercise.minutes):
        if minute in awake:
            classes[minute] = HIGH if chance.random() < share else MEDIUM


def _has_summary(person: Person, day: date) -> bool:
    """Return whether Oura has a summary, which a day with the ring on rarely lacks."""
    if in_drawer(person, day):
        return False
    return rng(person.seed, person.name, "no activity", day).random() > 0.004


def daily_activity(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    if not _has_summary(person, day):
        return []
    chance = rng(person.seed, person.name, "activity", day)
    classes, traits = minute_classes(person, day), person.traits
    spent = {kind: classes.count(kind) for kind in _METS}
    times = {kind: 60 * count for kind, count in spent.items()}
    if times[LOW] and chance.random() < 0.3:
        # Oura sometimes counts half minutes.
        times[LOW] -= 30
        times[SEDENTARY] += 30
    shift, start = utc_offset(person, day), midnight(day) + timedelta(hours=4)
    burnt = sum(spent[kind] * (_MEAN_METS[kind] - 1) for kind in (LOW, MEDIUM, HIGH))
    active = round(burnt * traits.weight / 60)
    target = 50 * round(traits.steps * traits.weight / 75_000)
    steps = round(
        sum(_STEPS_PER_MINUTE[kind] * spent[kind] for kind in _STEPS_PER_MINUTE)
        * chance.gauss(1, 0.04)
    )
    walked, goal = round(steps * 0.78 + 30 * spent[HIGH]), 500 * round(traits.steps / 550)
    alerts = max(0, round_within(spent[SEDENTARY] / 130 - 4 + chance.gauss(0, 1), 0, 12))
    parts = _contributors(person, day, spent, active / max(1, target), alerts, chance)
    score = None if chance.random() < 0.008 else _score(parts)
    stamp = format_local(start, shift)
    return [
        {
            "id": make_id(0),
            "active_calories": active,
            "average_met_minutes": round(
                sum(spent[kind] * _MEAN_METS[kind] for kind in _METS) / MINUTES, 5
            ),
            "class_5_min": classes[2::5].decode(),
            "contributors": parts if score is not None else dict.fromkeys(parts),
            "day": day.isoformat(),
            "equivalent_walking_distance": walked,
            "high_activity_met_minutes": round(spent[HIGH] * _MEAN_METS[HIGH]),
            "high_activity_time": times[HIGH],
            "inactivity_alerts": alerts,
            "low_activity_met_minutes": round(spent[LOW] * _MEAN_METS[LOW]),
            "low_activity_time": times[LOW],
            "medium_activity_met_minutes": round(spent[MEDIUM] * _MEAN_METS[MEDIUM]),
            "medium_activity_time": times[MEDIUM],
            "met": {
                "interval": 60.0,
                "items": _met_values(classes, chance),
                "timestamp": format_local(start, shift, milliseconds=True),
            },
            "meters_to_target": goal - walked,
            "non_wear_time": times[OFF],
            "resting_time": times[REST],
            "score": score,
            "sedentary_met_minutes": round(spent[SEDENTARY] * (_MEAN_METS[SEDENTARY] - 1)),
            "sedentary_time": times[SEDENTARY],
            "steps": steps,
            "target_calories": target,
            "target_meters": goal,
            "timestamp": stamp,
            "total_calories": active + round(_resting_calories(person)),
        }
    ]


def _met_values(classes: bytes, chance: Random) -> list[float]:
    return [
        _METS[kind][byte] for kind, byte in zip(classes, chance.randbytes(MINUTES), strict=True)
    ]


def _resting_calories(person: Person) -> float:
    """Return the kilocalories burnt per day at rest (Mifflin-St Jeor equation)."""
    traits = person.traits
    sex = 5 if traits.sex == "male" else -161
    return 10 * traits.weight + 625 * traits.height - 5 * traits.age + sex + 200


def _contributors(
    person: Person, day: date, spent: dict[int, int], reached: float, alerts: int, chance: Random
) -> dict[str, int | None]:
    loads = [training_load(person, day - n * ONE_DAY) for n in range(7)]
    sessions = sum(exertion(person, day - n * ONE_DAY).exercise is not None for n in range(7))
    scores = {
        "meet_daily_targets": 20 + 66 * min(1.2, reached),
        "move_every_hour": 96 - 15 * alerts,
        "recovery_time": 97 - 45 * max(0.0, sum(loads) / 7 - 0.85) - abs(chance.gauss(0, 5)),
        "stay_active": 100 - max(0, spent[SEDENTARY] - 420) / 5,
        "training_frequency": 34 + 19 * sessions,
        "training_volume": 24 + 58 * sum(loads) / 7,
    }
    return {name: round_within(score, 1, 100) for name, score in scores.items()}


def _score(parts: dict[str, int | None]) -> int:
    known = [part for part in parts.values() if part is not None]
    return round_within(sum(known) / len(known), 1, 100)
