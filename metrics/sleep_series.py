"""The series of one sleep period."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from metrics.columns import Number
from metrics.moments import parse_instant
from metrics.series import Run, Value, run_of_sample, run_of_text

Period = Mapping[str, Any]

# Each stage has one character, of 30 seconds in one text and of five minutes in another.
STAGES: Mapping[Value, str] = {
    "deep": "deep sleep",
    "light": "light sleep",
    "rem": "REM sleep",
    "awake": "awake",
}
_STAGE_CODES: Mapping[str, Value] = dict(zip("1234", STAGES, strict=True))
_STAGE_TEXTS = (("sleep_phase_30_sec", 30), ("sleep_phase_5_min", 300))
# Their lengths are rounded to whole steps: what is that close fits equally well.
_CLOSE_SECONDS = 300
MOVEMENTS: Mapping[Value, str] = {
    1: "no motion",
    2: "restless",
    3: "tossing and turning",
    4: "active",
}
_MOVEMENT_CODES = {str(number): number for number in MOVEMENTS}
# With 0 and 255, Oura means that it found none.
HEART_RATE = Number(1, 254)
# The highest ever measured are far below.
HRV = Number(1, 1000)


def bedtimes(period: Period) -> tuple[datetime | None, datetime | None]:
    """Return when a period starts and ends, as far as it says so."""
    return parse_instant(period.get("bedtime_start")), parse_instant(period.get("bedtime_end"))


def _heart_rate(period: Period) -> Run | None:
    return run_of_sample(period.get("heart_rate"), HEART_RATE, bedtimes(period)[1])


def _hrv(period: Period) -> Run | None:
    return run_of_sample(period.get("hrv"), HRV, bedtimes(period)[1])


def _stages(period: Period) -> Run | None:
    """Return the stages from the text whose length fits the bedtimes best, the finer one first."""
    start, end = bedtimes(period)
    in_bed = (end - start).total_seconds() if start and end else None
    texts = [
        (text, step)
        for name, step in _STAGE_TEXTS
        if isinstance(text := period.get(name), str) and any(map(_STAGE_CODES.get, set(text)))
    ]

    def misfit(text_and_step: tuple[str, int]) -> float:
        text, step = text_and_step
        return 0 if in_bed is None else max(abs(len(text) * step - in_bed), _CLOSE_SECONDS)

    if not texts:
        return None
    text, step = min(texts, key=misfit)
    return run_of_text(text, step, _STAGE_CODES, start, end)


def _movement(period: Period) -> Run | None:
    start, end = bedtimes(period)
    return run_of_text(period.get("movement_30_sec"), 30, _MOVEMENT_CODES, start, end)


PERIOD_RUNS: Mapping[str, Callable[[Period], Run | None]] = {
    "night_heart_rate": _heart_rate,
    "night_hrv": _hrv,
    "sleep_stage": _stages,
    "movement": _movement,
}
