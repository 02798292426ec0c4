"""Oura's documents of one day to one metric document. Pure functions.

A value of a wrong kind is passed on as it is: the processor names it, and keeps the document.
Rules: the contract's section on tables; sentinels as measured on recorded answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

Documents = Mapping[str, Sequence[dict[str, Any]]]
COUNTING = ("long_sleep", "sleep", "late_nap")
NO_HEART_RATE = 255
# Beyond what any column holds; sums of many such would not fit into JSON's numbers.
TOO_LARGE = 2**31


def sleep(day: str, documents: Documents) -> dict[str, Any] | None:
    """A row from `daily_sleep` and the day's `sleep` periods; None when neither counts.

    Durations are sums over the counting periods, in seconds; the rest is the main period's.
    """
    summary = last(documents.get("daily_sleep", ()))
    periods = documents.get("sleep", ())
    counting = [period for period in periods if period.get("type") in COUNTING]
    main = main_period(counting)
    if summary is None and main is None:
        return None
    main = main or {}
    lowest = main.get("lowest_heart_rate")
    return {
        **common(day, summary or {"id": main.get("id")}),
        "duration": total(counting, "total_sleep_duration"),
        "time_in_bed": total(counting, "time_in_bed"),
        "deep_sleep_duration": total(counting, "deep_sleep_duration"),
        "light_sleep_duration": total(counting, "light_sleep_duration"),
        "rem_sleep_duration": total(counting, "rem_sleep_duration"),
        "awake_time": total(counting, "awake_time"),
        "latency": main.get("latency"),
        "efficiency": main.get("efficiency"),
        "average_heart_rate": main.get("average_heart_rate"),
        "lowest_heart_rate": None if lowest == NO_HEART_RATE else lowest,
        "average_hrv": main.get("average_hrv"),
        "average_breath": main.get("average_breath"),
        "bedtime_start": main.get("bedtime_start"),
        "bedtime_end": main.get("bedtime_end"),
        "source": {"daily_sleep": summary, "sleep": list(periods)},
    }


def activity(day: str, documents: Documents) -> dict[str, Any] | None:
    """A row from `daily_activity`; Oura sends times in seconds, we keep whole minutes."""
    summary = last(documents.get("daily_activity", ()))
    if summary is None:
        return None
    return {
        **common(day, summary),
        "active_calories": summary.get("active_calories"),
        "total_calories": summary.get("total_calories"),
        "steps": summary.get("steps"),
        "equivalent_walking_distance": summary.get("equivalent_walking_distance"),
        "high_activity_minutes": minutes(summary.get("high_activity_time")),
        "medium_activity_minutes": minutes(summary.get("medium_activity_time")),
        "low_activity_minutes": minutes(summary.get("low_activity_time")),
        "sedentary_minutes": minutes(summary.get("sedentary_time")),
        "resting_minutes": minutes(summary.get("resting_time")),
        "source": {"daily_activity": summary},
    }


def readiness(day: str, documents: Documents) -> dict[str, Any] | None:
    """A row from `daily_readiness`; deviations are in degrees Celsius."""
    summary = last(documents.get("daily_readiness", ()))
    if summary is None:
        return None
    return {
        **common(day, summary),
        "temperature_deviation": summary.get("temperature_deviation"),
        "temperature_trend_deviation": summary.get("temperature_trend_deviation"),
        "source": {"daily_readiness": summary},
    }


def common(day: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": summary.get("id"),
        "day": day,
        "score": summary.get("score"),
        "contributors": contributors(summary.get("contributors")),
    }


def contributors(values: Any) -> Any:
    """Oura's contributors run from 1 to 100; 0 stands for none."""
    if not isinstance(values, dict):
        return values
    return {name: None if value == 0 else value for name, value in values.items()}


def last(documents: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return documents[-1] if documents else None


def main_period(counting: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The longest `long_sleep`, else the longest `sleep`, else the longest `late_nap`."""
    for kind in COUNTING:
        of_kind = [period for period in counting if period.get("type") == kind]
        if of_kind:
            return max(of_kind, key=asleep)
    return None


def asleep(period: Mapping[str, Any]) -> float:
    value = period.get("total_sleep_duration")
    return float(value) if is_number(value) else -1.0


def total(periods: Sequence[Mapping[str, Any]], name: str) -> Any:
    values = [value for period in periods if (value := period.get(name)) is not None]
    strange = [value for value in values if not is_number(value)]
    if strange:
        return strange[0]
    return sum(values) if values else None


def minutes(seconds: Any) -> Any:
    """The nearest whole minute, halves up."""
    return int((seconds + 30) // 60) if is_number(seconds) else seconds


def is_number(value: Any) -> TypeGuard[float]:
    """Whether we can reckon with it."""
    kind = isinstance(value, int | float) and not isinstance(value, bool)
    return kind and abs(value) < TOO_LARGE
