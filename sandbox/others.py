"""Tags, workouts, stress, rings and more: plausible, valid, and in step with nights and days."""

from datetime import date, datetime, timedelta

from myhealth.days import ONE_DAY
from sandbox.activity import exertion
from sandbox.chance import clamp, identifier, rng
from sandbox.days import (
    Document,
    Identify,
    illness,
    illness_episode,
    in_drawer,
    local,
    midnight,
    offset,
)
from sandbox.nights import night
from sandbox.people import Person

RING_CHANGED = date(2025, 3, 3)
LEVELS = ["limited", "adequate", "solid", "strong", "exceptional"]
TAGS = ["tag_generic_alcohol", "tag_generic_caffeine", "tag_generic_latemeal", "tag_generic_sauna"]


def daily_spo2(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    if not night(person, day).worn:
        return []
    chance = rng(person.seed, person.name, "spo2", day)
    known = chance.random() > 0.05
    average = min(99.9, round(chance.gauss(97.2, 0.6) - 1.2 * illness(person, day), 3))
    return [
        {
            "id": identify(0),
            "breathing_disturbance_index": chance.randint(0, 12) if known else None,
            "day": day.isoformat(),
            "spo2_percentage": {"average": average} if known else None,
        }
    ]


def daily_stress(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "stress", day)
    short = max(0.0, person.traits.need - night(person, day).asleep / 3600)
    stress = 900 * clamp(chance.gauss(5, 3) + 2.5 * short + 8 * illness(person, day), 0, 40)
    recovery = 900 * clamp(chance.gauss(5, 3) - short, 0, 30)
    summary = "stressful" if stress > recovery + 7200 else "normal"
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "day_summary": "restored" if recovery > stress + 3600 else summary,
            "recovery_high": recovery,
            "stress_high": stress,
        }
    ]


def daily_resilience(
    person: Person, day: date, revision: int, identify: Identify
) -> list[Document]:
    if not night(person, day).worn:
        return []
    nights = [night(person, day - n * ONE_DAY).asleep for n in range(10)]
    recovery = max(
        0.0, min(100.0, 130 * sum(nights) / len(nights) / 3600 / person.traits.need - 60)
    )
    chance = rng(person.seed, person.name, "resilience", day)
    daytime, stress = (max(0.0, min(100.0, chance.gauss(55, 6))) for _ in range(2))
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "contributors": {
                "sleep_recovery": round(recovery, 1),
                "daytime_recovery": round(daytime, 1),
                "stress": round(stress, 1),
            },
            "level": LEVELS[clamp((recovery + daytime + stress) / 3 / 20 - 0.5, 0, 4)],
        }
    ]


def daily_cardiovascular_age(
    person: Person, day: date, revision: int, identify: Identify
) -> list[Document]:
    if not night(person, day).worn:
        return []
    week = rng(person.seed, person.name, "vascular", day.toordinal() // 7)
    age = clamp(person.traits.age + week.gauss(-1, 2), 18, 99)
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "pulse_wave_velocity": round(4.2 + age * 0.06 + week.random() / 5, 2),
            "vascular_age": age,
        }
    ]


def workout(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    done = exertion(person, day).exercise
    if done is None or in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "workout", day)
    shift = offset(person, day)
    start = midnight(day) + timedelta(hours=4, minutes=done.begin)
    speed = {"running": 165, "walking": 85, "cycling": 330, "swimming": 35}.get(done.activity)
    return [
        {
            "id": identify(0),
            "activity": done.activity,
            "calories": round(
                done.minutes * person.traits.weight * (0.13 if done.hard else 0.08), 3
            ),
            "day": day.isoformat(),
            "distance": round(done.minutes * speed * chance.gauss(1, 0.06), 1) if speed else None,
            "end_datetime": local(start + timedelta(minutes=done.minutes), shift),
            "intensity": "hard" if done.hard else chance.choice(["easy", "moderate"]),
            "label": None,
            "source": chance.choice(["confirmed", "autodetected", "workout_heart_rate", "manual"]),
            "start_datetime": local(start, shift),
        }
    ]


def session(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    chance = rng(person.seed, person.name, "session", day)
    if in_drawer(person, day) or chance.random() > 0.12:
        return []
    shift, minutes = offset(person, day), chance.randint(3, 20)
    start = midnight(day) + timedelta(hours=20, minutes=chance.randint(0, 90))
    felt = chance.random() < 0.8
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "end_datetime": local(start + timedelta(minutes=minutes), shift),
            "heart_rate": sample(start, shift, [chance.gauss(64, 3) for _ in range(12 * minutes)])
            if felt
            else None,
            "heart_rate_variability": sample(
                start, shift, [chance.gauss(person.traits.hrv, 8) for _ in range(12 * minutes)]
            )
            if felt
            else None,
            "mood": chance.choice(["same", "good", "great", None]),
            "motion_count": sample(
                start, shift, [float(chance.randint(0, 9)) for _ in range(minutes)]
            )
            if felt
            else None,
            "start_datetime": local(start, shift),
            "type": chance.choice(["breathing", "meditation", "relaxation", "rest", "body_status"]),
        }
    ]


def sample(start: datetime, shift: timedelta, values: list[float]) -> Document:
    return {
        "interval": 5.0,
        "items": [round(max(0.0, value), 1) for value in values],
        "timestamp": local(start, shift, milliseconds=True),
    }


def enhanced_tag(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    chance = rng(person.seed, person.name, "tag", day)
    if in_drawer(person, day) or chance.random() > 0.1:
        return []
    own = chance.random() < 0.1
    start = midnight(day) + timedelta(hours=chance.randint(8, 22), minutes=chance.randrange(60))
    return [
        {
            "id": identify(0),
            "tag_type_code": "custom" if own else chance.choice(TAGS),
            "start_time": local(start, offset(person, day)),
            "end_time": None,
            "start_day": day.isoformat(),
            "end_day": None,
            "comment": chance.choice([None, None, "a long day"]),
            "custom_name": "late train" if own else None,
        }
    ]


def tag(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    """The deprecated form of the same tags."""
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "text": each["comment"],
            "timestamp": each["start_time"],
            "tags": [each["tag_type_code"]],
        }
        for each in enhanced_tag(person, day, revision, identify)
    ]


def rest_mode_period(
    person: Person, day: date, revision: int, identify: Identify
) -> list[Document]:
    """Half of the illnesses are told to the app, on their second day."""
    found = illness_episode(person, day)
    if found is None or found[0] + 1 != day.toordinal() or found[0] % 2 or in_drawer(person, day):
        return []
    start = midnight(day) + timedelta(hours=9, minutes=12)
    end = datetime.fromordinal(found[1]) + timedelta(hours=19)
    shift = offset(person, day)
    return [
        {
            "id": identify(0),
            "end_day": end.date().isoformat(),
            "end_time": local(end, offset(person, end.date())),
            "episodes": [{"tags": ["tag_sick"], "timestamp": local(start, shift)}],
            "start_day": day.isoformat(),
            "start_time": local(start, shift),
        }
    ]


def vo2_max(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    """About one estimate a fortnight, in ml/kg/min."""
    if day.toordinal() % 14 != len(person.name) or in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "vo2", day)
    stamp = local(midnight(day) + timedelta(hours=18), offset(person, day))
    value = clamp(
        58 - 0.35 * person.traits.age + person.traits.steps / 1500 + chance.gauss(0, 1), 15, 75
    )
    return [{"id": identify(0), "day": day.isoformat(), "timestamp": stamp, "vo2_max": value}]


def ring_on(person: Person, day: date) -> str:
    return identifier(person.seed, person.name, "ring", int(day >= RING_CHANGED))


def rings(person: Person) -> list[Document]:
    """Both rings that the person has had; the first was set up before Oura kept the date."""
    chance = rng(person.seed, person.name, "rings")
    size = chance.randint(6, 13)
    old = {
        "id": ring_on(person, date(2019, 1, 1)),
        "color": "silver",
        "design": "heritage",
        "firmware_version": "2.10.4",
        "hardware_type": "gen3",
        "set_up_at": "1970-01-01T00:00:00+00:00",
        "size": size,
    }
    new = {
        "id": ring_on(person, RING_CHANGED),
        "color": chance.choice(["stealth_black", "brushed_silver", "glossy_gold"]),
        "design": "horizon",
        "firmware_version": "1.9.12",
        "hardware_type": "gen4",
        "set_up_at": f"{RING_CHANGED}T10:20:00+00:00",
        "size": size,
    }
    return [old, new]
