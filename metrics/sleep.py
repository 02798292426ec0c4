"""Sleep: Oura's `daily_sleep` of a day, and the day's `sleep` periods.

The summary has no durations: they are sums over the periods that count; the rest is the main
period's (the contract's section on tables).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from metrics.base import (
    SCORE,
    Documents,
    MetricType,
    OuraDay,
    OuraDocument,
    Source,
    contributors,
    last,
)
from metrics.columns import PERCENT, Column, Figure, Integer, Kind, Moment, Number, mean
from metrics.numbers import is_number

# The types of periods that count, in the order in which they can be the main one.
COUNTING = ("long_sleep", "sleep", "late_nap")
ASLEEP = "total_sleep_duration"
# Oura's stand-in for "no lowest heart rate was found", measured on recorded answers.
NO_HEART_RATE = 255
# Oura's fields of the main period, by the name of the provenance that they are.
PROVENANCE_FIELDS = {"sleep_algorithm": "sleep_algorithm_version", "ring": "ring_id"}
EDITED = "bedtime_edit"

Period = Mapping[str, Any]


@dataclass(frozen=True)
class Night(OuraDay):
    """A day's sleep; `main` is empty when no period counts."""

    counting: Sequence[Period]
    main: Period


def _sum(name: str, what: str, label: str = "", source: str = "") -> Column:
    """A column with the sum of a time, in seconds, over the counting periods."""

    def read(night: Night) -> Any:
        every = (period.get(source or name) for period in night.counting)
        values = [value for value in every if value is not None]
        strange = [value for value in values if not is_number(value)]
        if strange:
            return strange[0]
        return sum(values) if values else None

    return Column(name, Integer(), read, f"{what}, over all counting periods", "s", label)


def _main(name: str, kind: Kind, what: str, unit: str = "", **more: Any) -> Column:
    """A column with a field of the main period."""

    def read(night: Night) -> Any:
        return night.main.get(name)

    return Column(name, kind, read, f"{what}, main period", unit, **more)


class Sleep(MetricType):
    name = "sleep"
    collections = ("daily_sleep", "sleep")
    columns = (
        SCORE,
        _sum("duration", "Time asleep", "Asleep", ASLEEP),
        _sum("time_in_bed", "Time in bed"),
        _sum("deep_sleep_duration", "Deep sleep"),
        _sum("light_sleep_duration", "Light sleep"),
        _sum("rem_sleep_duration", "REM sleep"),
        _sum("awake_time", "Time awake in bed"),
        _main("latency", Integer(), "Time until asleep", "s"),
        _main("efficiency", PERCENT, "Part of the time in bed asleep", "%", label="Efficiency"),
        _main("average_heart_rate", Number(), "Average heart rate", "bpm"),
        _main(
            "lowest_heart_rate",
            Integer(),
            "Lowest heart rate",
            "bpm",
            label="Lowest heart rate",
            sentinels=(NO_HEART_RATE,),
        ),
        _main("average_hrv", Integer(), "Average HRV (rMSSD)", "ms", label="Average HRV"),
        _main("average_breath", Number(), "Average breathing rate", "breaths/min"),
        _main("bedtime_start", Moment(), "Beginning, with Oura's offset"),
        _main("bedtime_end", Moment(), "End, with Oura's offset"),
        contributors(
            "deep_sleep",
            "efficiency",
            "latency",
            "rem_sleep",
            "restfulness",
            "timing",
            "total_sleep",
        ),
    )
    figures = (
        Figure("avg_sleep_score", "score", mean, "Sleep score"),
        Figure("avg_sleep_duration", "duration", mean, "Asleep a night"),
        Figure("avg_sleep_efficiency", "efficiency", mean),
        Figure("avg_lowest_heart_rate", "lowest_heart_rate", mean),
        Figure("avg_hrv", "average_hrv", mean),
    )
    card = ("duration", "efficiency", "lowest_heart_rate", "average_hrv")
    # A ring's id means nothing to people.
    provenance = MappingProxyType(
        {
            "sleep_algorithm": "Oura's sleep algorithm changed ({before} to {after})",
            "ring": "the ring changed",
        }
    )
    of_night = True
    shows_wear = True
    on_every_worn_day = True

    def read(self, documents: Documents) -> Night | None:
        summary, periods = last(documents.get("daily_sleep", ())), documents.get("sleep", ())
        counting = counting_periods(periods)
        main = main_period(counting)
        if summary is None and not main:
            return None
        return Night(
            id=(main if summary is None else summary).get("id"),
            summary=summary or {},
            source={"daily_sleep": summary, "sleep": list(periods)},
            counting=counting,
            main=main,
        )

    def missing_collection(self, values: Mapping[str, Any], source: Source) -> str:
        if source.get("daily_sleep", {}) is None:
            return "daily_sleep"
        return "sleep" if values["duration"] is None and values["time_in_bed"] is None else ""

    def provenance_of(self, source: Source) -> dict[str, str]:
        main = main_period(counting_periods(kept_periods(source)))
        return {
            name: value
            for name, field in PROVENANCE_FIELDS.items()
            if isinstance(value := main.get(field), str) and value
        }

    def notes(self, before: Source, after: Source) -> list[str]:
        old, new = kept_periods(before), kept_periods(after)
        return [
            *_summary_notes(before.get("daily_sleep"), after.get("daily_sleep")),
            *_nap_notes(len(naps(old)), len(naps(new))),
            *_deletion_notes(old, new),
            *_bedtime_notes(main_period(counting_periods(old)), main_period(counting_periods(new))),
            *_algorithm_notes(self.provenance_of(before), self.provenance_of(after)),
        ]


SLEEP = Sleep()


def counting_periods(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    return [period for period in periods if period.get("type") in COUNTING]


def main_period(counting: Sequence[OuraDocument]) -> OuraDocument:
    """The longest `long_sleep`, else the longest `sleep`, else the longest `late_nap`.

    Empty when there is none.
    """
    for kind in COUNTING:
        of_kind = [period for period in counting if period.get("type") == kind]
        if of_kind:
            return max(of_kind, key=_seconds_asleep)
    return {}


def _seconds_asleep(period: Period) -> float:
    value = period.get(ASLEEP)
    return float(value) if is_number(value) else -1.0


def kept_periods(source: Source) -> list[OuraDocument]:
    """The periods of a row's source, as far as they are documents: a program may send anything."""
    found = source.get("sleep")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def naps(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    counting = counting_periods(periods)
    main = main_period(counting)
    return [period for period in counting if period is not main]


def _summary_notes(before: Any, after: Any) -> list[str]:
    if before is None and after is not None:
        return ["the summary came"]
    return ["the summary went"] if after is None and before is not None else []


def _nap_notes(before: int, after: int) -> list[str]:
    if before == after:
        return []
    what = "added" if after > before else "removed"
    number = abs(after - before)
    return [f"a nap {what}" if number == 1 else f"{number} naps {what}"]


def _deletion_notes(before: Sequence[Period], after: Sequence[Period]) -> list[str]:
    kinds = {str(period.get("id")): period.get("type") for period in before}
    deleted = [
        period
        for period in after
        if period.get("type") == "deleted"
        and kinds.get(str(period.get("id")), "deleted") not in ("deleted", None)
    ]
    return ["a period deleted"] if deleted else []


def _bedtime_notes(before: Period, after: Period) -> list[str]:
    if not before or not after:
        return ["the sleep came"] if after else ["the sleep went"] if before else []
    names = ("bedtime_start", "bedtime_end")
    if all(before.get(name) == after.get(name) for name in names):
        return []
    edited = after.get("sleep_analysis_reason") == EDITED
    return ["bedtime edited" if edited else "bedtime analysed anew"]


def _algorithm_notes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    old, new = before.get("sleep_algorithm"), after.get("sleep_algorithm")
    return [f"algorithm changed, {old} to {new}"] if old and new and old != new else []
