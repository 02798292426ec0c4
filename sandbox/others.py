"""Tags, workouts, stress, rings and more: valid, plausible, consistent with nights and days."""

from datetime import date, datetime, timedelta

from myhealth.days import ONE_DAY
from sandbox.activity import exertion
from sandbox.chance import rng, round_within, stable_uuid
from sandbox.days import (
    Document,
    MakeId,
    format_local,
    illness_episode,
    illness_severity,
    in_drawer,
    midnight,
    utc_offset,
)
from sandbox.nights import night
from sandbox.people import Person

_NEW_RING_DAY = date(2025, 3, 3)
_RESILIENCE_LEVELS = ["limited", "adequate", "solid", "strong", "exceptional"]
_TAGS = ["tag_generic_alcohol", "tag_generic_caffeine", "tag_generic_latemeal", "tag_generic_sauna"]


def daily_spo2(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    if not night(person, day).worn:
        return []
    chance = rng(person.seed, person.name, "spo2", day)
    known = chance.random() > 0.05
    average = min(99.9, round(chance.gauss(97.2, 0.6) - 1.2 * illness_severity(person, day), 3))
    return [
        {
            "id": make_id(0),
            "breathing_disturbance_index": chance.randint(0, 12) if known else None,
            "day": day.isoformat(),
            "spo2_percentage": {"average": average} if known else None,
        }
    ]


def daily_stress(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "stress", day)
    short = max(0.0, person.traits.need - night(person, day).asleep / 3600)
    stress = 900 * round_within(
        chance.gauss(5, 3) + 2.5 * short + 8 * illness_severity(person, day), 0, 40
    )
    recovery = 900 * round_within(chance.gauss(5, 3) - short, 0, 30)
    summary = "stressful" if stress > recovery + 7200 else "normal"
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "day_summary": "restored" if recovery > stress + 3600 else summary,
            "recovery_high": recovery,
            "stress_high": stress,
        }
    ]


def daily_resilience(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
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
            "id": make_id(0),
            "day": day.isoformat(),
            "contributors": {
                "sleep_recovery": round(recovery, 1),
                "daytime_recovery": round(daytime, 1),
                "stress": round(stress, 1),
            },
            "level": _RESILIENCE_LEVELS[
                round_within((recovery + daytime + stress) / 3 / 20 - 0.5, 0, 4)
            ],
        }
    ]


def daily_cardiovascular_age(
    person: Person, day: date, revision: int, make_id: MakeId
) -> list[Document]:
    if not night(person, day).worn:
        return []
    week = rng(person.seed, person.name, "vascular", day.toordinal() // 7)
    age = round_within(person.traits.age + week.gauss(-1, 2), 18, 99)
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "pulse_wave_velocity": round(4.2 + age * 0.06 + week.random() / 5, 2),
            "vascular_age": age,
        }
    ]


def workout(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    done = exertion(person, day).exercise
    if done is None or in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "workout", day)
    shift = utc_offset(person, day)
    start = midnight(day) + timedelta(hours=4, minutes=done.begin)
    speed = {"running": 165, "walking": 85, "cycling": 330, "swimming": 35}.get(done.activity)
    return [
        {
            "id": make_id(0),
            "activity": done.activity,
            "calories": round(
                done.minutes * person.traits.weight * (0.13 if done.hard else 0.08), 3
            ),
            "day": day.isoformat(),
            "distance": round(done.minutes * speed * chance.gauss(1, 0.06), 1) if speed else None,
            "end_datetime": format_local(start + timedelta(minutes=done.minutes), shift),
            "intensity": "hard" if done.hard else chance.choice(["easy", "moderate"]),
            "label": None,
            "source": chance.choice(["confirmed", "autodetected", "workout_heart_rate", "manual"]),
            "start_datetime": format_local(start, shift),
        }
    ]


def session(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    chance = rng(person.seed, person.name, "session", day)
    if in_drawer(person, day) or chance.random() > 0.12:
        return []
    shift, minutes = utc_offset(person, day), chance.randint(3, 20)
    start = midnight(day) + timedelta(hours=20, minutes=chance.randint(0, 90))
    felt = chance.random() < 0.8
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "end_datetime": format_local(start + timedelta(minutes=minutes), shift),
            "heart_rate": _samples(start, shift, [chance.gauss(64, 3) for _ in range(12 * minutes)])
            if felt
            else None,
            "heart_rate_variability": _samples(
                start, shift, [chance.gauss(person.traits.hrv, 8) for _ in range(12 * minutes)]
            )
            if felt
            else None,
            "mood": chance.choice(["same", "good", "great", None]),
            "motion_count": _samples(
                start, shift, [float(chance.randint(0, 9)) for _ in range(minutes)]
            )
            if felt
            else None,
            "start_datetime": format_local(start, shift),
            "type": chance.choice(["breathing", "meditation", "relaxation", "rest", "body_status"]),
        }
    ]


def _samples(start: datetime, shift: timedelta, values: list[float]) -> Document:
    return {
        "interval": 5.0,
        "items": [round(max(0.0, value), 1) for value in values],
        "timestamp": format_local(start, shift, milliseconds=True),
    }


def enhanced_tag(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    chance = rng(person.seed, person.name, "tag", day)
    if in_drawer(person, day) or chance.random() > 0.1:
        return []
    own = chance.random() < 0.1
    start = midnight(day) + timedelta(hours=chance.randint(8, 22), minutes=chance.randrange(60))
    return [
        {
            "id": make_id(0),
            "tag_type_code": "custom" if own else chance.choice(_TAGS),
            "start_time": format_local(start, utc_offset(person, day)),
            "end_time": None,
            "start_day": day.isoformat(),
            "end_day": None,
            "comment": chance.choice([None, None, "a long day"]),
            "custom_name": "late train" if own else None,
        }
    ]


def tag(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    """Return the tags in their deprecated form."""
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "text": tag["comment"],
            "timestamp": tag["start_time"],
            "tags": [tag["tag_type_code"]],
        }
        for tag in enhanced_tag(person, day, revision, make_id)
    ]


def rest_mode_period(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    """Return a rest mode for half of the illnesses, entered on their second day."""
    episode = illness_episode(person, day)
    if episode is None or in_drawer(person, day):
        return []
    if episode[0] + 1 != day.toordinal() or episode[0] % 2:
        return []
    start = midnight(day) + timedelta(hours=9, minutes=12)
    end = datetime.fromordinal(episode[1]) + timedelta(hours=19)
    shift = utc_offset(person, day)
    return [
        {
            "id": make_id(0),
            "end_day": end.date().isoformat(),
            "end_time": format_local(end, utc_offset(person, end.date())),
            "episodes": [{"tags": ["tag_sick"], "timestamp": format_local(start, shift)}],
            "start_day": day.isoformat(),
            "start_time": format_local(start, shift),
        }
    ]


def vo2_max(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    """Return an estimate in ml/kg/min, about once in 14 days."""
    if day.toordinal() % 14 != len(person.name) or in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "vo2", day)
    stamp = format_local(midnight(day) + timedelta(hours=18), utc_offset(person, day))
    value = round_within(
        58 - 0.35 * person.traits.age + person.traits.steps / 1500 + chance.gauss(0, 1), 15, 75
    )
    return [{"id": make_id(0), "day": day.isoformat(), "timestamp": stamp, "vo2_max": value}]


def ring_id_on(person: Person, day: date) -> str:
    return stable_uuid(person.seed, person.name, "ring", int(day >= _NEW_RING_DAY))


def ring_configurations(person: Person) -> list[Document]:
    """Return both rings of the person, the first without a real set-up date."""
    chance = rng(person.seed, person.name, "rings")
    size = chance.randint(6, 13)
    old = {
        "id": ring_id_on(person, date(2019, 1, 1)),
        "color": "silver",
        "design": "heritage",
        "firmware_version": "2.10.4",
        "hardware_type": "gen3",
        "set_up_at": "1970-01-01T00:00:00+00:00",
        "size": size,
    }
    new = {
        "id": ring_id_on(person, _NEW_RING_DAY),
        "color": chance.choice(["stealth_black", "brushed_silver", "glossy_gold"]),
        "design": "horizon",
        "firmware_version": "1.9.12",
        "hardware_type": "gen4",
        "set_up_at": f"{_NEW_RING_DAY}T10:20:00+00:00",
        "size": size,
    }
    return [old, new]
