"""Nights and naps: `sleep` periods, `daily_sleep` and `sleep_time`.

Invariants as on recorded answers: time_in_bed = bedtime_end - bedtime_start = total + awake,
total = deep + light + REM, efficiency = round(100 * total / time_in_bed), one character of
movement each 30 s, one phase each 5 minutes begun.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple

from sandbox.chance import clamp, rng, table
from sandbox.days import (
    Document,
    Identify,
    in_drawer,
    local,
    midnight,
    offset,
    summary_timestamp,
)
from sandbox.nights import AWAKE, DEEP, EPOCH, LIGHT, REM, is_blind, night
from sandbox.others import ring_on
from sandbox.people import Person
from sandbox.readiness import blind_figures, figures

LONG_SLEEP = 3 * 3600
# Oura's stand-in for "no lowest heart rate was found".
NO_HEART_RATE = 255
MOVEMENTS = bytes(table([(49, 80.0), (50, 16.0), (51, 3.0), (52, 1.0)]))
NOISE = [round((byte - 127.5) / 32, 0) for byte in range(256)]
COUNTING = ("long_sleep", "sleep", "late_nap")
NAP_TYPES = ("rest", "sleep", "late_nap", "deleted")
# The place that the id of an asked nap is made of: beyond those of a day's other periods.
NAP_PLACE = 7
GAPS = 8  # Bytes below it (3 %) are samples that the ring could not take.


@dataclass(frozen=True, slots=True)
class Bed:
    """One period to be told as a document."""

    start: datetime
    phases: str
    kind: str
    main: bool = False
    counted: bool = False
    blind: bool = False

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=EPOCH * len(self.phases))


class Types(NamedTuple):
    """What was asked of a day's types: a nap of that type more, and what is told as deleted."""

    nap: str | None = None
    nap_deleted: bool = False
    deleted: bool = False


AS_LIVED = Types()


def short_phases(chance: Random, epochs: int) -> str:
    waking = chance.randint(1, max(1, epochs // 4))
    drowsy = max(0, epochs - 2 * waking - epochs // 5)
    return (AWAKE * waking + LIGHT * drowsy + DEEP * (epochs // 5) + LIGHT + AWAKE * epochs)[
        :epochs
    ]


def night_beds(person: Person, day: date, revision: int, chance: Random) -> list[Bed]:
    slept = night(person, day)
    if not slept.worn or has_no_periods(person, day):
        return []
    blind = is_blind(person, day)
    phases, start = slept.phases, slept.start
    if revision:
        # A re-analysis moves the bedtimes: never twice to the same ones.
        earlier, later = 8 * (1 + (revision - 1) % 9), revision // 9
        phases = AWAKE * earlier + phases[: len(phases) - later]
        start -= timedelta(seconds=EPOCH * earlier)
    if chance.random() < 0.03 and len(phases) > 840:
        return split(start, phases, chance)
    kind = "long_sleep" if EPOCH * len(phases) > LONG_SLEEP else "sleep"
    return [Bed(start, phases, kind, main=True, counted=True, blind=blind)]


def split(start: datetime, phases: str, chance: Random) -> list[Bed]:
    """A night with an hour out of bed, told as two periods."""
    cut = len(phases) // 2 + chance.randint(-40, 40)
    pause = chance.randint(80, 180)
    second = start + timedelta(seconds=EPOCH * (cut + pause))
    return [
        Bed(start, phases[:cut], "long_sleep", main=True, counted=True),
        Bed(second, phases[cut:], "long_sleep", counted=True),
    ]


def small_beds(person: Person, day: date, chance: Random) -> list[Bed]:
    """Naps, fragments and false alarms around the night."""
    beds: list[Bed] = []
    slept, noon = night(person, day), midnight(day) + timedelta(hours=12)
    if chance.random() < 0.25 * person.traits.naps:
        begin = noon - timedelta(hours=18, minutes=chance.randint(5, 40))
        beds.append(nap(begin, "late_nap", chance, 100, 170))
    if chance.random() < 0.06 and slept.worn:
        epochs = chance.randint(4, 50)
        begin = slept.start - timedelta(seconds=EPOCH * epochs, minutes=chance.randint(12, 35))
        beds.append(nap(begin, "sleep", chance, epochs, epochs, counted=False, blind=True))
    if chance.random() < 0.05 and slept.worn:
        begin = slept.end + timedelta(minutes=chance.randint(9, 40))
        beds.append(nap(begin, "sleep", chance, 3, 40, counted=False))
    if chance.random() < person.traits.naps + 0.08 * (day.weekday() > 4):
        kind = chance.choices(["sleep", "rest", "deleted"], [0.72, 0.2, 0.08])[0]
        begin = noon + timedelta(minutes=chance.randint(75, 200), seconds=chance.randrange(60))
        beds.append(nap(begin, kind, chance, 36, 170, counted=kind == "sleep"))
    return beds


def nap(
    start: datetime,
    kind: str,
    chance: Random,
    shortest: int,
    longest: int,
    *,
    counted: bool = True,
    blind: bool = False,
) -> Bed:
    phases = short_phases(chance, chance.randint(shortest, longest))
    return Bed(start, phases, kind, counted=counted, blind=blind)


def beds(person: Person, day: date, revision: int = 0) -> list[Bed]:
    """The day's periods in the order of time: from 18:00 of the day before to 18:00."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "periods", day)
    main = night_beds(person, day, revision, chance)
    small = small_beds(person, day, rng(person.seed, person.name, "naps", day))
    if revision and not main:
        small = [moved(bed, revision) for bed in small]
    return sorted(apart(main, small), key=lambda bed: bed.start)


def apart(main: list[Bed], small: list[Bed]) -> list[Bed]:
    """The main periods, and those of the small ones that overlap nothing."""
    kept = list(main)
    for bed in small:
        if all(bed.end <= other.start or other.end <= bed.start for other in kept):
            kept.append(bed)
    return kept


def moved(bed: Bed, revision: int) -> Bed:
    """The period with a minute more awake at its start for each re-analysis."""
    start = bed.start - timedelta(minutes=revision)
    return replace(bed, start=start, phases=AWAKE * (2 * revision) + bed.phases)


def asked_nap(person: Person, day: date) -> Bed:
    """A nap between the end of the day's latest period, 16:45, and the first of the next, 17:20."""
    chance = rng(person.seed, person.name, "asked nap", day)
    begin = midnight(day) + timedelta(hours=16, minutes=46, seconds=chance.randrange(60))
    return nap(begin, "sleep", chance, 40, 64)


def has_no_periods(person: Person, day: date) -> bool:
    """A rare day that has a summary and nothing that it sums up."""
    return rng(person.seed, person.name, "no periods", day).random() < 0.006


def has_no_summary(person: Person, day: date) -> bool:
    return rng(person.seed, person.name, "no summary", day).random() < 0.008


def periods(
    person: Person, day: date, revision: int, identify: Identify, types: Types = AS_LIVED
) -> list[Document]:
    """The day's `sleep` documents in `period` order."""
    shift, lived = offset(person, day), beds(person, day, revision)
    found = [
        period(person, day, shift, bed, number, identify(number))
        for number, bed in enumerate(lived)
    ]
    found = [deleted(each) for each in found] if types.deleted else found
    if types.nap:
        # Alone on its day, it is what a re-analysis moves.
        bed = moved(asked_nap(person, day), 0 if lived else revision)
        told = period(person, day, shift, bed, len(lived), identify(NAP_PLACE))
        told = retyped(told, types.nap)
        found.append(deleted(told) if types.nap_deleted else told)
    return found


def deleted(document: Document) -> Document:
    return retyped(document, "deleted") if document["type"] in COUNTING else document


def retyped(document: Document, kind: str) -> Document:
    """The same period under another type; only what counts has moved a score."""
    deltas = () if kind in COUNTING else ("readiness_score_delta", "sleep_score_delta")
    return document | {"type": kind} | dict.fromkeys(deltas)


def period(
    person: Person, day: date, shift: timedelta, bed: Bed, number: int, identity: str
) -> Document:
    chance = rng(person.seed, person.name, "samples", day, bed.start)
    phases = bed.phases
    counts = {phase: EPOCH * phases.count(phase) for phase in (DEEP, LIGHT, REM, AWAKE)}
    in_bed = EPOCH * len(phases)
    asleep = in_bed - counts[AWAKE]
    long_sleep = bed.kind == "long_sleep"
    deltas = (0, 0) if long_sleep else nap_deltas(chance) if confirmed(bed) else (None, None)
    return {
        "id": identity,
        "average_breath": None if bed.blind else round(night(person, day).breath * 8) / 8,
        **heart(person, day, bed, shift, chance),
        "awake_time": counts[AWAKE],
        "bedtime_end": local(bed.start + timedelta(seconds=in_bed), shift),
        "bedtime_start": local(bed.start, shift),
        "day": day.isoformat(),
        "deep_sleep_duration": counts[DEEP],
        "efficiency": round(100 * asleep / in_bed),
        "latency": EPOCH * (len(phases) - len(phases.lstrip(AWAKE))),
        "light_sleep_duration": counts[LIGHT],
        "low_battery_alert": chance.random() < 0.02,
        "movement_30_sec": chance.randbytes(len(phases)).translate(MOVEMENTS).decode(),
        "period": number,
        "readiness": embedded_readiness(person, day, bed),
        "readiness_score_delta": deltas[0],
        "rem_sleep_duration": counts[REM],
        "restless_periods": chance.randint(0, 4) + in_bed // 240,
        "sleep_algorithm_version": "v2" if day.year > 2021 else "v1",
        "sleep_analysis_reason": chance.choices(REASONS, REASON_WEIGHTS)[0],
        "sleep_phase_30_sec": phases,
        "sleep_phase_5_min": phases[::10],
        "sleep_score_delta": deltas[1],
        "time_in_bed": in_bed,
        "total_sleep_duration": asleep,
        "type": bed.kind,
        "ring_id": ring_id(person, day),
        "app_sleep_phase_5_min": phases[::10] if long_sleep and day.year > 2024 else None,
    }


REASONS = ["foreground_sleep_analysis", "background_sleep_analysis", "bedtime_edit"]
REASON_WEIGHTS = [0.8, 0.15, 0.05]


def confirmed(bed: Bed) -> bool:
    return bed.kind in ("sleep", "late_nap") and bed.counted and not bed.main


def nap_deltas(chance: Random) -> tuple[int, int]:
    """By how many points a counted nap moved readiness and sleep score."""
    return chance.randint(0, 3), chance.randint(1, 7)


def ring_id(person: Person, day: date) -> str | None:
    # Oura's documents tell the ring since 2025 only.
    return ring_on(person, day) if day.year > 2024 else None


def embedded_readiness(person: Person, day: date, bed: Bed) -> Document | None:
    if bed.main:
        return figures(person, day)
    return blind_figures() if bed.blind else None


def heart(
    person: Person, day: date, bed: Bed, shift: timedelta, chance: Random
) -> dict[str, object]:
    """Heart rate in bpm and HRV in ms; a curve that sinks to its low past the middle of a night."""
    if bed.blind:
        return {
            "average_heart_rate": None,
            "average_hrv": None,
            "heart_rate": None,
            "hrv": None,
            "lowest_heart_rate": NO_HEART_RATE,
        }
    slept, count = night(person, day), -(-len(bed.phases) // 10)
    depth, low = (9.0, 0.62) if len(bed.phases) > 200 else (2.0, 0.5)
    base = slept.heart_rate + (2 if depth == 9.0 else 9)
    noise = chance.randbytes(2 * count)
    rates, variations = [], []
    for at in range(count):
        rise = depth * (at / count - low) ** 2 * 2.6
        rates.append(None if noise[at] < GAPS else round(base + rise) + NOISE[noise[at]])
        beat = noise[count + at]
        variations.append(
            None if beat < GAPS else float(max(5, round(slept.hrv - rise + beat / 8 - 16)))
        )
    rates[-1] = rates[-1] or float(round(base))
    variations[-1] = variations[-1] or float(round(slept.hrv))
    known = [rate for rate in rates if rate is not None]
    beats = [beat for beat in variations if beat is not None]
    stamp = local(bed.start, shift, milliseconds=True)
    return {
        "average_heart_rate": round(sum(known) / len(known), 3),
        "average_hrv": round(sum(beats) / len(beats)),
        "heart_rate": {"interval": 300.0, "items": rates, "timestamp": stamp},
        "hrv": {"interval": 300.0, "items": variations, "timestamp": stamp},
        "lowest_heart_rate": int(min(known)),
    }


def contributors(person: Person, day: date) -> dict[str, int | None]:
    """Scores of 1 to 100 for the parts of the night; more and steadier is higher."""
    slept, chance = night(person, day), rng(person.seed, person.name, "sleep score", day)
    need, phases = person.traits.need * 3600, slept.phases
    deep, rem = (phases.count(phase) / max(1, len(phases)) for phase in (DEEP, REM))
    middle = abs((slept.start - midnight(day)).total_seconds() + slept.in_bed / 2 - 3.2 * 3600)
    scores = {
        "deep_sleep": 22 + 310 * deep * min(1.0, slept.asleep / need),
        "efficiency": 98 - 2.4 * max(0.0, 96 - 100 * slept.asleep / slept.in_bed),
        "latency": 100 - abs(slept.latency / 60 - 12) * 1.8,
        "rem_sleep": 20 + 300 * rem * min(1.0, slept.asleep / need),
        "restfulness": chance.gauss(70, 10),
        "timing": 100 - middle / 110,
        "total_sleep": 100 - 165 * max(0.0, 1.1 - slept.asleep / need),
    }
    return {name: clamp(score, 1, 100) for name, score in scores.items()}


WEIGHTS = {
    "deep_sleep": 0.12,
    "efficiency": 0.1,
    "latency": 0.07,
    "rem_sleep": 0.12,
    "restfulness": 0.12,
    "timing": 0.1,
    "total_sleep": 0.37,
}


def daily_sleep(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    if not night(person, day).worn or has_no_summary(person, day):
        return []
    parts = contributors(person, day)
    score: int | None = clamp(sum(WEIGHTS[name] * (parts[name] or 0) for name in parts), 1, 100)
    if rng(person.seed, person.name, "no score", day).random() < 0.008:
        score, parts = None, dict.fromkeys(parts)
    return [
        {
            "id": identify(0),
            "contributors": parts,
            "day": day.isoformat(),
            "score": score,
            "timestamp": summary_timestamp(person, day),
        }
    ]


def sleep_time(person: Person, day: date, revision: int, identify: Identify) -> list[Document]:
    """A recommended bedtime; offsets in seconds from midnight of the day, its zone in seconds."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "sleep time", day)
    window = None
    status = "not_enough_recent_nights"
    if night(person, day).worn and chance.random() < 0.6:
        begin = 900 * round((person.traits.bedtime * 60 - 6 * 3600 - 1800) / 900)
        zone = int(offset(person, day).total_seconds())
        window = {"day_tz": zone, "end_offset": begin + 3600, "start_offset": begin}
        status = "optimal_found"
    return [
        {
            "id": identify(0),
            "day": day.isoformat(),
            "optimal_bedtime": window,
            "recommendation": "follow_optimal_bedtime" if window else None,
            "status": status,
        }
    ]
