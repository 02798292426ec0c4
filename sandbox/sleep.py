"""Nights and naps: `sleep` periods, `daily_sleep` and `sleep_time`.

Invariants, as in recorded answers: time_in_bed = bedtime_end - bedtime_start = total + awake,
total = deep + light + REM, efficiency = round(100 * total / time_in_bed), one character of
movement per 30 s, one phase per 5 minutes or part of them.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple

from sandbox.chance import lookup_table, rng, round_within
from sandbox.days import (
    Document,
    MakeId,
    format_local,
    in_drawer,
    midnight,
    summary_timestamp,
    utc_offset,
)
from sandbox.nights import AWAKE, DEEP, EPOCH, LIGHT, REM, is_unmeasured, night
from sandbox.others import ring_id_on
from sandbox.people import Person
from sandbox.readiness import readiness_values, unmeasured_readiness

_LONG_SLEEP_SECONDS = 3 * 3600
# Oura's sentinel for "no lowest heart rate".
_NO_HEART_RATE = 255
_MOVEMENTS = bytes(lookup_table([(49, 80.0), (50, 16.0), (51, 3.0), (52, 1.0)]))
_NOISE = [round((byte - 127.5) / 32, 0) for byte in range(256)]
_COUNTED_TYPES = ("long_sleep", "sleep", "late_nap")
NAP_TYPES = ("rest", "sleep", "late_nap", "deleted")
# The number that the id of an added nap is made from, higher than those of other periods.
NAP_NUMBER = 7
_GAPS = 8  # Random bytes below it (3 %) make a missing sample.


@dataclass(frozen=True, slots=True)
class SleepPeriod:
    """One sleep period that a document is made from."""

    start: datetime
    phases: str
    kind: str
    main: bool = False
    counted: bool = False
    unmeasured: bool = False

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=EPOCH * len(self.phases))


class TypeChanges(NamedTuple):
    """Changes to a day: the type of an added nap, and whether periods are marked as deleted."""

    nap: str | None = None
    nap_deleted: bool = False
    deleted: bool = False


NO_TYPE_CHANGES = TypeChanges()


def _short_phases(chance: Random, epochs: int) -> str:
    waking = chance.randint(1, max(1, epochs // 4))
    drowsy = max(0, epochs - 2 * waking - epochs // 5)
    return (AWAKE * waking + LIGHT * drowsy + DEEP * (epochs // 5) + LIGHT + AWAKE * epochs)[
        :epochs
    ]


def _night_periods(person: Person, day: date, revision: int, chance: Random) -> list[SleepPeriod]:
    slept = night(person, day)
    if not slept.worn or _lacks_periods(person, day):
        return []
    unmeasured = is_unmeasured(person, day)
    phases, start = slept.phases, slept.start
    if revision:
        # A re-analysis moves the bedtimes, to different ones each time.
        earlier, later = 8 * (1 + (revision - 1) % 9), revision // 9
        phases = AWAKE * earlier + phases[: len(phases) - later]
        start -= timedelta(seconds=EPOCH * earlier)
    if chance.random() < 0.03 and len(phases) > 840:
        return _split_night(start, phases, chance)
    kind = "long_sleep" if EPOCH * len(phases) > _LONG_SLEEP_SECONDS else "sleep"
    return [SleepPeriod(start, phases, kind, main=True, counted=True, unmeasured=unmeasured)]


def _split_night(start: datetime, phases: str, chance: Random) -> list[SleepPeriod]:
    """Return the two periods of a night with an hour out of bed."""
    cut = len(phases) // 2 + chance.randint(-40, 40)
    pause = chance.randint(80, 180)
    second = start + timedelta(seconds=EPOCH * (cut + pause))
    return [
        SleepPeriod(start, phases[:cut], "long_sleep", main=True, counted=True),
        SleepPeriod(second, phases[cut:], "long_sleep", counted=True),
    ]


def _other_periods(person: Person, day: date, chance: Random) -> list[SleepPeriod]:
    """Return naps, fragments and false alarms around the night."""
    periods: list[SleepPeriod] = []
    slept, noon = night(person, day), midnight(day) + timedelta(hours=12)
    if chance.random() < 0.25 * person.traits.naps:
        begin = noon - timedelta(hours=18, minutes=chance.randint(5, 40))
        periods.append(_nap(begin, "late_nap", chance, 100, 170))
    if chance.random() < 0.06 and slept.worn:
        epochs = chance.randint(4, 50)
        begin = slept.start - timedelta(seconds=EPOCH * epochs, minutes=chance.randint(12, 35))
        periods.append(_nap(begin, "sleep", chance, epochs, epochs, counted=False, unmeasured=True))
    if chance.random() < 0.05 and slept.worn:
        begin = slept.end + timedelta(minutes=chance.randint(9, 40))
        periods.append(_nap(begin, "sleep", chance, 3, 40, counted=False))
    if chance.random() < person.traits.naps + 0.08 * (day.weekday() > 4):
        kind = chance.choices(["sleep", "rest", "deleted"], [0.72, 0.2, 0.08])[0]
        begin = noon + timedelta(minutes=chance.randint(75, 200), seconds=chance.randrange(60))
        periods.append(_nap(begin, kind, chance, 36, 170, counted=kind == "sleep"))
    return periods


def _nap(
    start: datetime,
    kind: str,
    chance: Random,
    shortest: int,
    longest: int,
    *,
    counted: bool = True,
    unmeasured: bool = False,
) -> SleepPeriod:
    phases = _short_phases(chance, chance.randint(shortest, longest))
    return SleepPeriod(start, phases, kind, counted=counted, unmeasured=unmeasured)


def sleep_periods(person: Person, day: date, revision: int = 0) -> list[SleepPeriod]:
    """Return the day's periods by start, from 18:00 of the day before to 18:00."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "periods", day)
    main = _night_periods(person, day, revision, chance)
    others = _other_periods(person, day, rng(person.seed, person.name, "naps", day))
    if revision and not main:
        others = [_started_earlier(period, revision) for period in others]
    return sorted(_without_overlaps(main, others), key=lambda period: period.start)


def _without_overlaps(main: list[SleepPeriod], others: list[SleepPeriod]) -> list[SleepPeriod]:
    """Return the main periods, and the other ones that do not overlap with any."""
    kept = list(main)
    for period in others:
        if all(period.end <= other.start or other.end <= period.start for other in kept):
            kept.append(period)
    return kept


def _started_earlier(period: SleepPeriod, revision: int) -> SleepPeriod:
    """Return the period with one more minute awake at its start per re-analysis."""
    start = period.start - timedelta(minutes=revision)
    return replace(period, start=start, phases=AWAKE * (2 * revision) + period.phases)


def _requested_nap(person: Person, day: date) -> SleepPeriod:
    """Return a nap between 16:45 and 17:20, when neither this day nor the next has a period."""
    chance = rng(person.seed, person.name, "asked nap", day)
    begin = midnight(day) + timedelta(hours=16, minutes=46, seconds=chance.randrange(60))
    return _nap(begin, "sleep", chance, 40, 64)


def _lacks_periods(person: Person, day: date) -> bool:
    """Return whether the day, which is rare, has a summary but no periods."""
    return rng(person.seed, person.name, "no periods", day).random() < 0.006


def _lacks_summary(person: Person, day: date) -> bool:
    return rng(person.seed, person.name, "no summary", day).random() < 0.008


def sleep_documents(
    person: Person, day: date, revision: int, make_id: MakeId, types: TypeChanges = NO_TYPE_CHANGES
) -> list[Document]:
    """Return the day's `sleep` documents in `period` order."""
    shift, periods = utc_offset(person, day), sleep_periods(person, day, revision)
    documents = [
        period_document(person, day, shift, period, number, make_id(number))
        for number, period in enumerate(periods)
    ]
    if types.deleted:
        documents = [_as_deleted(document) for document in documents]
    if types.nap:
        # A re-analysis moves the nap if it is the only period of the day.
        nap = _started_earlier(_requested_nap(person, day), 0 if periods else revision)
        document = period_document(person, day, shift, nap, len(periods), make_id(NAP_NUMBER))
        document = with_type(document, types.nap)
        documents.append(_as_deleted(document) if types.nap_deleted else document)
    return documents


def _as_deleted(document: Document) -> Document:
    return with_type(document, "deleted") if document["type"] in _COUNTED_TYPES else document


def with_type(document: Document, kind: str) -> Document:
    """Return the document with another type; only types that count have changed a score."""
    deltas = () if kind in _COUNTED_TYPES else ("readiness_score_delta", "sleep_score_delta")
    return document | {"type": kind} | dict.fromkeys(deltas)


def period_document(
    person: Person, day: date, shift: timedelta, period: SleepPeriod, number: int, identity: str
) -> Document:
    chance = rng(person.seed, person.name, "samples", day, period.start)
    phases = period.phases
    counts = {phase: EPOCH * phases.count(phase) for phase in (DEEP, LIGHT, REM, AWAKE)}
    in_bed = EPOCH * len(phases)
    asleep = in_bed - counts[AWAKE]
    long_sleep = period.kind == "long_sleep"
    deltas = (
        (0, 0) if long_sleep else _nap_deltas(chance) if _is_confirmed_nap(period) else (None, None)
    )
    return {
        "id": identity,
        "average_breath": None if period.unmeasured else round(night(person, day).breath * 8) / 8,
        **_heart_values(person, day, period, shift, chance),
        "awake_time": counts[AWAKE],
        "bedtime_end": format_local(period.start + timedelta(seconds=in_bed), shift),
        "bedtime_start": format_local(period.start, shift),
        "day": day.isoformat(),
        "deep_sleep_duration": counts[DEEP],
        "efficiency": round(100 * asleep / in_bed),
        "latency": EPOCH * (len(phases) - len(phases.lstrip(AWAKE))),
        "light_sleep_duration": counts[LIGHT],
        "low_battery_alert": chance.random() < 0.02,
        "movement_30_sec": chance.randbytes(len(phases)).translate(_MOVEMENTS).decode(),
        "period": number,
        "readiness": _period_readiness(person, day, period),
        "readiness_score_delta": deltas[0],
        "rem_sleep_duration": counts[REM],
        "restless_periods": chance.randint(0, 4) + in_bed // 240,
        "sleep_algorithm_version": "v2" if day.year > 2021 else "v1",
        "sleep_analysis_reason": chance.choices(_REASONS, _REASON_WEIGHTS)[0],
        "sleep_phase_30_sec": phases,
        "sleep_phase_5_min": phases[::10],
        "sleep_score_delta": deltas[1],
        "time_in_bed": in_bed,
        "total_sleep_duration": asleep,
        "type": period.kind,
        "ring_id": _ring_id(person, day),
        "app_sleep_phase_5_min": phases[::10] if long_sleep and day.year > 2024 else None,
    }


_REASONS = ["foreground_sleep_analysis", "background_sleep_analysis", "bedtime_edit"]
_REASON_WEIGHTS = [0.8, 0.15, 0.05]


def _is_confirmed_nap(period: SleepPeriod) -> bool:
    return period.kind in ("sleep", "late_nap") and period.counted and not period.main


def _nap_deltas(chance: Random) -> tuple[int, int]:
    """Return the points that a counted nap added to readiness and sleep score."""
    return chance.randint(0, 3), chance.randint(1, 7)


def _ring_id(person: Person, day: date) -> str | None:
    # Oura's documents name the ring since 2025.
    return ring_id_on(person, day) if day.year > 2024 else None


def _period_readiness(person: Person, day: date, period: SleepPeriod) -> Document | None:
    if period.main:
        return readiness_values(person, day)
    return unmeasured_readiness() if period.unmeasured else None


def _heart_values(
    person: Person, day: date, period: SleepPeriod, shift: timedelta, chance: Random
) -> dict[str, object]:
    """Return heart rate (bpm), lowest past the middle of the night, and HRV (ms)."""
    if period.unmeasured:
        return {
            "average_heart_rate": None,
            "average_hrv": None,
            "heart_rate": None,
            "hrv": None,
            "lowest_heart_rate": _NO_HEART_RATE,
        }
    slept, count = night(person, day), -(-len(period.phases) // 10)
    depth, low = (9.0, 0.62) if len(period.phases) > 200 else (2.0, 0.5)
    base = slept.heart_rate + (2 if depth == 9.0 else 9)
    noise = chance.randbytes(2 * count)
    rates, variations = [], []
    for at in range(count):
        rise = depth * (at / count - low) ** 2 * 2.6
        rates.append(None if noise[at] < _GAPS else round(base + rise) + _NOISE[noise[at]])
        beat = noise[count + at]
        variations.append(
            None if beat < _GAPS else float(max(5, round(slept.hrv - rise + beat / 8 - 16)))
        )
    rates[-1] = rates[-1] or float(round(base))
    variations[-1] = variations[-1] or float(round(slept.hrv))
    known = [rate for rate in rates if rate is not None]
    beats = [beat for beat in variations if beat is not None]
    stamp = format_local(period.start, shift, milliseconds=True)
    return {
        "average_heart_rate": round(sum(known) / len(known), 3),
        "average_hrv": round(sum(beats) / len(beats)),
        "heart_rate": {"interval": 300.0, "items": rates, "timestamp": stamp},
        "hrv": {"interval": 300.0, "items": variations, "timestamp": stamp},
        "lowest_heart_rate": int(min(known)),
    }


def _contributors(person: Person, day: date) -> dict[str, int | None]:
    """Return the sleep score's contributors, 1 to 100."""
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
    return {name: round_within(score, 1, 100) for name, score in scores.items()}


_WEIGHTS = {
    "deep_sleep": 0.12,
    "efficiency": 0.1,
    "latency": 0.07,
    "rem_sleep": 0.12,
    "restfulness": 0.12,
    "timing": 0.1,
    "total_sleep": 0.37,
}


def daily_sleep(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    if not night(person, day).worn or _lacks_summary(person, day):
        return []
    parts = _contributors(person, day)
    score: int | None = round_within(
        sum(_WEIGHTS[name] * (parts[name] or 0) for name in parts), 1, 100
    )
    if rng(person.seed, person.name, "no score", day).random() < 0.008:
        score, parts = None, dict.fromkeys(parts)
    return [
        {
            "id": make_id(0),
            "contributors": parts,
            "day": day.isoformat(),
            "score": score,
            "timestamp": summary_timestamp(person, day),
        }
    ]


def sleep_time(person: Person, day: date, revision: int, make_id: MakeId) -> list[Document]:
    """Return the recommended bedtime in seconds from midnight, with the UTC offset in seconds."""
    if in_drawer(person, day):
        return []
    chance = rng(person.seed, person.name, "sleep time", day)
    window = None
    status = "not_enough_recent_nights"
    if night(person, day).worn and chance.random() < 0.6:
        begin = 900 * round((person.traits.bedtime * 60 - 6 * 3600 - 1800) / 900)
        zone = int(utc_offset(person, day).total_seconds())
        window = {"day_tz": zone, "end_offset": begin + 3600, "start_offset": begin}
        status = "optimal_found"
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "optimal_bedtime": window,
            "recommendation": "follow_optimal_bedtime" if window else None,
            "status": status,
        }
    ]
