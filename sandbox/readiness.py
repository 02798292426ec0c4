"""`daily_readiness`, computed from recent nights and yesterday's activity."""

from datetime import date
from typing import Any

from myhealth.days import ONE_DAY
from sandbox.activity import training_load
from sandbox.chance import rng, round_within
from sandbox.days import Document, MakeId, in_drawer, summary_timestamp
from sandbox.nights import SimulatedNight, is_unmeasured, night
from sandbox.people import Person

_LOOK_BACK_DAYS = 14
# Oura has this contributor since the middle of 2025.
_REGULARITY_SINCE = date(2025, 6, 1)
_WEIGHTS = {
    "activity_balance": 0.08,
    "body_temperature": 0.12,
    "hrv_balance": 0.12,
    "previous_day_activity": 0.07,
    "previous_night": 0.27,
    "recovery_index": 0.08,
    "resting_heart_rate": 0.12,
    "sleep_balance": 0.1,
    "sleep_regularity": 0.04,
}


def daily_readiness(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    if not night(person, day).worn:
        return []
    return [
        {
            "id": make_id(0),
            **readiness_values(person, day),
            "day": day.isoformat(),
            "timestamp": summary_timestamp(person, day),
        }
    ]


def readiness_values(person: Person, day: date) -> Document:
    """Return score, contributors and temperature deviations (in degrees Celsius) of a day."""
    chance = rng(person.seed, person.name, "readiness", day)
    slept = night(person, day)
    parts = _contributors(person, day)
    score = _weighted_score(parts) if chance.random() > 0.008 else None
    trend = sum(night(person, day - n * ONE_DAY).temperature for n in range(3)) / 3
    if is_unmeasured(person, day):
        parts |= {"body_temperature": 0, "recovery_index": 0, "resting_heart_rate": 0}
    if score is None:
        parts = dict.fromkeys(parts)
    return {
        "contributors": parts,
        "score": score,
        "temperature_deviation": None if chance.random() < 0.014 else round(slept.temperature, 2),
        "temperature_trend_deviation": None if chance.random() < 0.04 else round(trend, 2),
    }


def unmeasured_readiness() -> dict[str, Any]:
    """Return the readiness of a period without measurements: Oura has zeros here, not nulls."""
    zeros = {"body_temperature": 0, "recovery_index": 0, "resting_heart_rate": 0}
    return {
        "contributors": {**dict.fromkeys(_WEIGHTS), **zeros},
        "score": None,
        "temperature_deviation": None,
        "temperature_trend_deviation": None,
    }


def _weighted_score(parts: dict[str, int | None]) -> int:
    known = {name: part for name, part in parts.items() if part is not None}
    weight = sum(_WEIGHTS[name] for name in known)
    return round_within(sum(_WEIGHTS[name] * part for name, part in known.items()) / weight, 1, 100)


def _contributors(person: Person, day: date) -> dict[str, int | None]:
    chance = rng(person.seed, person.name, "recovery", day)
    slept, traits = night(person, day), person.traits
    recent = [night(person, day - n * ONE_DAY) for n in range(_LOOK_BACK_DAYS)]
    share = slept.asleep / (traits.need * 3600)
    balance = sum(past.asleep for past in recent) / (_LOOK_BACK_DAYS * traits.need * 3600)
    hrv = sum(past.hrv for past in recent[:5]) / 5 / traits.hrv
    loads = [training_load(person, day - n * ONE_DAY) for n in range(1, 8)]
    beyond = slept.heart_rate - traits.resting_heart_rate
    fever = max(0.0, abs(slept.temperature) - 0.3)
    scores: dict[str, float] = {
        "activity_balance": 90 - 50 * abs(sum(loads) / 7 - 0.85),
        "body_temperature": 95 - 85 * fever + chance.gauss(0, 2),
        "hrv_balance": 76 + 170 * (hrv - 1),
        "previous_day_activity": 88 - 36 * abs(loads[0] - 0.8),
        "previous_night": 96 - 165 * max(0.0, 1.08 - share),
        "recovery_index": chance.gauss(70, 14) - 20 * fever,
        "resting_heart_rate": 86 - 7 * max(0.0, beyond) - 2 * min(0.0, beyond),
        "sleep_balance": 80 + 260 * (balance - 0.98),
        "sleep_regularity": 100 - 0.9 * _bedtime_spread(recent[:7]),
    }
    parts: dict[str, int | None] = {
        name: round_within(score, 1, 100) for name, score in scores.items()
    }
    if in_drawer(person, day - ONE_DAY):
        parts["previous_day_activity"] = None
    if sum(past.worn for past in recent) < 8:
        parts["hrv_balance"] = None
    if day < _REGULARITY_SINCE:
        parts["sleep_regularity"] = None
    return parts


def _bedtime_spread(nights: list[SimulatedNight]) -> float:
    """Return the mean absolute deviation of the bedtimes, in minutes."""
    starts = [_bedtime_minutes(slept) for slept in nights]
    mean = sum(starts) / len(starts)
    return sum(abs(start - mean) for start in starts) / len(starts)


def _bedtime_minutes(slept: SimulatedNight) -> float:
    clock = slept.start.hour * 60 + slept.start.minute
    return clock if clock > 720 else clock + 1440
