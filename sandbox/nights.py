"""The nights that documents are generated from: times, sleep phases and vital signs."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random

from myhealth.days import ONE_DAY
from sandbox.chance import rng
from sandbox.days import illness_severity, in_drawer, midnight, travel_minutes
from sandbox.people import Person

# Sleep phases, as in Oura's strings.
DEEP, LIGHT, REM, AWAKE = "1", "2", "3", "4"
EPOCH = 30  # Seconds per phase.


@dataclass(frozen=True, slots=True)
class SimulatedNight:
    """One night, in the local time of the day of waking. Durations are in seconds."""

    day: date
    worn: bool
    start: datetime
    phases: str  # One character per 30 s in bed.
    heart_rate: float
    hrv: float
    temperature: float
    breath: float

    @property
    def in_bed(self) -> int:
        return EPOCH * len(self.phases)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.in_bed)

    @property
    def asleep(self) -> int:
        return self.in_bed - EPOCH * self.phases.count(AWAKE)

    @property
    def latency(self) -> int:
        return EPOCH * (len(self.phases) - len(self.phases.lstrip(AWAKE)))


def _sleep_surplus(person: Person, day: date) -> float:
    """Return the hours beyond the person's need, before making up for the last night."""
    chance = rng(person.seed, person.name, "luck", day)
    hours = chance.gauss(-0.1, 0.55)
    if chance.random() < 0.1:
        hours -= chance.uniform(1.0, 3.2)
    return hours


def _ring_off_at_night(person: Person, day: date) -> bool:
    """Return whether the ring was off in the night only."""
    return rng(person.seed, person.name, "ring off", day).random() < person.traits.careless


@lru_cache(maxsize=4096)
def night(person: Person, day: date) -> SimulatedNight:
    """Return the night that ends on the day, which exists even if the ring was off."""
    chance = rng(person.seed, person.name, "night", day)
    traits, ill, free = person.traits, illness_severity(person, day), day.weekday() in (5, 6)
    # The next night partly makes up for a short one.
    hours = traits.need + _sleep_surplus(person, day) - 0.3 * _sleep_surplus(person, day - ONE_DAY)
    hours = max(1.8, hours + 0.6 * free + 0.5 * ill)
    jet_lag = 40 if travel_minutes(person, day) else 0
    minutes = traits.bedtime + 45 * free + chance.gauss(0, 25 + jet_lag)
    start = midnight(day) - timedelta(hours=6) + timedelta(minutes=max(150, int(minutes)))
    start += timedelta(seconds=chance.randrange(60))
    awake = max(0.04, chance.gauss(0.1, 0.03)) + 0.05 * ill
    epochs = int(hours * 3600 / EPOCH / (1 - awake))
    return SimulatedNight(
        day=day,
        worn=not in_drawer(person, day) and not _ring_off_at_night(person, day),
        start=start,
        phases=_hypnogram(chance, epochs, awake),
        heart_rate=traits.resting_heart_rate + chance.gauss(0, 1.6) + 9 * ill - 0.6 * (hours - 7),
        hrv=max(
            8.0, traits.hrv * (1 - 0.35 * ill) * (1 + 0.04 * (hours - 7)) * chance.gauss(1, 0.1)
        ),
        temperature=chance.gauss(0, 0.18) + 1.1 * ill,
        breath=chance.gauss(14.6, 0.4) + 1.5 * ill,
    )


def _hypnogram(chance: Random, epochs: int, awake: float) -> str:
    """Return the phases of a night: cycles of about 95 minutes, deep sleep early, REM late."""
    parts = [AWAKE * chance.randint(4, max(5, int(epochs * awake / 2)))]
    length, cycle = len(parts[0]), 0
    stirring = int(210 * awake)
    while length < epochs:
        light, rem = chance.randint(35, 60), chance.randint(8, 18) + 8 * min(cycle, 4)
        deep = max(0, chance.randint(50, 80) - 18 * cycle)
        wake = chance.randint(0, stirring)
        parts.append(LIGHT * light + DEEP * deep + LIGHT * (light // 2) + REM * rem + AWAKE * wake)
        length += len(parts[-1])
        cycle += 1
    return "".join(parts)[:epochs]


def is_unmeasured(person: Person, day: date) -> bool:
    """Return whether heart rate is missing: a rare night with Oura's sentinels instead of nulls."""
    return rng(person.seed, person.name, "blind", day).random() < 0.008
