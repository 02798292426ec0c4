"""Sleep: Oura's `daily_sleep` of a day, and the day's `sleep` periods.

The summary has no durations: they are sums over the counting periods. All other values are those of
the main period.
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
    contributors_field,
    last_document,
)
from metrics.columns import PERCENT, Column, Figure, Integer, Kind, Moment, Number, mean
from metrics.numbers import is_number

# The types of periods that count, in the order in which they can be the main one.
_COUNTING = ("long_sleep", "sleep", "late_nap")
_ASLEEP = "total_sleep_duration"
# With this, Oura means that it found no lowest heart rate (measured in recorded answers).
_NO_HEART_RATE = 255
# The fields of the main period that are provenance, by kind.
_PROVENANCE_FIELDS = {"sleep_algorithm": "sleep_algorithm_version", "ring": "ring_id"}
_EDITED = "bedtime_edit"

_Period = Mapping[str, Any]


@dataclass(frozen=True)
class _Night(OuraDay):
    """A day's sleep; `main` is empty if no period counts."""

    counting: Sequence[_Period]
    main: _Period


def _sum(name: str, meaning: str, label: str = "", source: str = "") -> Column:
    """Return a column with the sum of a field, in seconds, over the counting periods."""
    summed = f"{meaning}, summed over all periods of type long_sleep, sleep or late_nap"

    def read(night: _Night) -> Any:
        fields = (period.get(source or name) for period in night.counting)
        values = [value for value in fields if value is not None]
        invalid = [value for value in values if not is_number(value)]
        if invalid:
            return invalid[0]
        return sum(values) if values else None

    return Column(name, Integer(), read, summed, "s", label)


def _main(name: str, kind: Kind, meaning: str, unit: str = "", **more: Any) -> Column:
    """Return a column with a field of the main period, which `meaning` should mention."""

    def read(night: _Night) -> Any:
        return night.main.get(name)

    return Column(name, kind, read, meaning, unit, **more)


class Sleep(MetricType):
    name = "sleep"
    collections = ("daily_sleep", "sleep")
    columns = (
        SCORE,
        _sum("duration", "Time asleep", "Asleep", _ASLEEP),
        _sum("time_in_bed", "Time in bed"),
        _sum("deep_sleep_duration", "Deep sleep"),
        _sum("light_sleep_duration", "Light sleep"),
        _sum("rem_sleep_duration", "REM sleep"),
        _sum("awake_time", "Time awake in bed"),
        _main("latency", Integer(), "Time to fall asleep in the main sleep period", "s"),
        _main(
            "efficiency",
            PERCENT,
            "Share of the time in bed spent asleep in the main sleep period",
            "%",
            label="Efficiency",
        ),
        _main(
            "average_heart_rate", Number(), "Average heart rate during the main sleep period", "bpm"
        ),
        _main(
            "lowest_heart_rate",
            Integer(),
            "Lowest heart rate during the main sleep period",
            "bpm",
            label="Lowest heart rate",
            sentinels=(_NO_HEART_RATE,),
        ),
        _main(
            "average_hrv",
            Integer(),
            "Average HRV (rMSSD) during the main sleep period",
            "ms",
            label="Average HRV",
        ),
        _main(
            "average_breath",
            Number(),
            "Average breathing rate during the main sleep period",
            "breaths/min",
        ),
        _main("bedtime_start", Moment(), "Start of the main sleep period, with Oura's offset"),
        _main("bedtime_end", Moment(), "End of the main sleep period, with Oura's offset"),
        contributors_field(
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
        Figure("avg_sleep_duration", "duration", mean, "Average sleep"),
        Figure("avg_sleep_efficiency", "efficiency", mean),
        Figure("avg_lowest_heart_rate", "lowest_heart_rate", mean),
        Figure("avg_hrv", "average_hrv", mean),
    )
    card = ("duration", "efficiency", "lowest_heart_rate", "average_hrv")
    # The ring's ids are not shown: they mean nothing to people.
    provenance = MappingProxyType(
        {
            "sleep_algorithm": "Oura's sleep algorithm changed (from {before} to {after})",
            "ring": "the ring changed",
        }
    )
    of_night = True
    shows_wear = True
    on_every_worn_day = True

    def read_day(self, documents: Documents) -> _Night | None:
        summary = last_document(documents.get("daily_sleep", ()))
        periods = documents.get("sleep", ())
        main = _main_period(periods)
        if summary is None and not main:
            return None
        return _Night(
            id=(main if summary is None else summary).get("id"),
            summary=summary or {},
            source={"daily_sleep": summary, "sleep": list(periods)},
            counting=_counting_periods(periods),
            main=main,
        )

    def missing_collection(self, values: Mapping[str, Any], source: Source) -> str:
        if source.get("daily_sleep", {}) is None:
            return "daily_sleep"
        return "sleep" if values["duration"] is None and values["time_in_bed"] is None else ""

    def provenance_of(self, source: Source) -> dict[str, str]:
        main = _main_period(_stored_periods(source))
        return {
            name: value
            for name, field in _PROVENANCE_FIELDS.items()
            if isinstance(value := main.get(field), str) and value
        }

    def change_notes(self, before: Source, after: Source) -> list[str]:
        old, new = _stored_periods(before), _stored_periods(after)
        return [
            *_summary_notes(before.get("daily_sleep"), after.get("daily_sleep")),
            *_nap_notes(len(_naps(old)), len(_naps(new))),
            *_deletion_notes(old, new),
            *_bedtime_notes(_main_period(old), _main_period(new)),
            *_algorithm_notes(self.provenance_of(before), self.provenance_of(after)),
        ]


SLEEP = Sleep()


def _counting_periods(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    return [period for period in periods if period.get("type") in _COUNTING]


def _main_period(periods: Sequence[OuraDocument]) -> OuraDocument:
    """Return the longest `long_sleep`, else the longest `sleep`, else the longest `late_nap`.

    Return an empty document if there is none.
    """
    for kind in _COUNTING:
        of_kind = [period for period in periods if period.get("type") == kind]
        if of_kind:
            return max(of_kind, key=_seconds_asleep)
    return {}


def _seconds_asleep(period: _Period) -> float:
    value = period.get(_ASLEEP)
    return float(value) if is_number(value) else -1.0


def _stored_periods(source: Source) -> list[OuraDocument]:
    """Return the periods in a row's source. A program may send any JSON as source."""
    periods = source.get("sleep")
    return [each for each in periods if isinstance(each, dict)] if isinstance(periods, list) else []


def _naps(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    main = _main_period(periods)
    return [period for period in _counting_periods(periods) if period is not main]


def _summary_notes(before: Any, after: Any) -> list[str]:
    if before is None and after is not None:
        return ["summary added"]
    return ["summary removed"] if after is None and before is not None else []


def _nap_notes(before: int, after: int) -> list[str]:
    if before == after:
        return []
    change = "added" if after > before else "removed"
    number = abs(after - before)
    return [f"nap {change}" if number == 1 else f"{number} naps {change}"]


def _deletion_notes(before: Sequence[_Period], after: Sequence[_Period]) -> list[str]:
    kinds = {str(period.get("id")): period.get("type") for period in before}
    deleted = [
        period
        for period in after
        if period.get("type") == "deleted"
        and kinds.get(str(period.get("id")), "deleted") not in ("deleted", None)
    ]
    return ["period deleted"] if deleted else []


def _bedtime_notes(before: _Period, after: _Period) -> list[str]:
    if not before or not after:
        return ["main period added"] if after else ["main period removed"] if before else []
    names = ("bedtime_start", "bedtime_end")
    if all(before.get(name) == after.get(name) for name in names):
        return []
    edited = after.get("sleep_analysis_reason") == _EDITED
    return ["bedtime edited" if edited else "bedtime changed by Oura"]


def _algorithm_notes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    old, new = before.get("sleep_algorithm"), after.get("sleep_algorithm")
    return [f"algorithm changed from {old} to {new}"] if old and new and old != new else []
