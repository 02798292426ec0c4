"""Sleep: Oura's `daily_sleep` of a day, and the day's `sleep` periods.

The summary has no durations: they are sums over the periods that count. Of periods that overlap,
which are one sleep reported twice, only one counts. All other values are those of the main period.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

from metrics.base import (
    SCORE,
    Documents,
    MetricType,
    OuraDay,
    OuraDocument,
    Source,
    StoredDay,
    contributors_field,
    id_of,
    newest_document,
)
from metrics.columns import (
    PERCENT,
    Column,
    Figure,
    Integer,
    Kind,
    Moment,
    Number,
    Text,
    held,
    mean,
)
from metrics.moments import normalize_moment, parse_moment
from metrics.numbers import is_number
from metrics.series import Run, Series, Span, overlaps
from metrics.sleep_series import HEART_RATE, HRV, MOVEMENTS, PERIOD_RUNS, STAGES, bedtimes

# The types of periods that don't count. All others do, even if Oura has only just invented them.
_NOT_COUNTING = {"rest": "resting, not asleep", "deleted": "deleted at Oura"}
# Which period is the main one, if there are several: the one with the highest rank.
_RANKS = {"long_sleep": 2, "late_nap": 0}
_OTHER_RANK = 1
_ASLEEP = "total_sleep_duration"
# With these, Oura means that it found no value (measured in recorded answers).
_NONE_FOUND = (0,)
_NO_HEART_RATE = 255
# The fields of the main period that are provenance, by kind.
_PROVENANCE_FIELDS = {"sleep_algorithm": "sleep_algorithm_version", "ring": "ring_id"}
_EDITED = "bedtime_edit"
_BEDTIMES = ("bedtime_start", "bedtime_end")
# The types of periods that are a night, or not, whatever their length.
_NIGHT = "long_sleep"
_NO_NIGHT = ("sleep", "late_nap", "rest", "deleted")
# Of any other type, a period is a night from this length on, as with Oura's `long_sleep`.
_NIGHT_SECONDS = 3 * 60 * 60

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_Period = Mapping[str, Any]


@dataclass(frozen=True)
class _Night(OuraDay):
    """A day's sleep: the periods that count; `main` is empty if there is none."""

    taken: Sequence[_Period]
    main: _Period


def _sum(name: str, meaning: str, label: str = "", source: str = "") -> Column:
    """Return a column with the sum of a field, in seconds, over the periods that count."""
    summed = (
        f"{meaning}, summed over all sleep periods except rest; periods that overlap count once"
    )

    key = source or name

    def read(night: _Night) -> Any:
        total = None
        for period in night.taken:
            value = period.get(key)
            if value is None:
                continue
            # One by one: two halves of a second must not pass as a whole one.
            if not _is_summand(value):
                return value
            total = value + (0 if total is None else total)
        return total

    return Column(name, Integer(), read, summed, "s", label)


def _is_summand(value: Any) -> bool:
    """Return whether a value is a whole number of seconds, which may be written 45.0."""
    return is_number(value) and value >= 0 and value % 1 == 0


def _series(name: str, label: str, unit: str, meaning: str, **more: Any) -> Series:
    """Return a series of the periods that count."""
    read_period = PERIOD_RUNS[name]

    def read(source: Source) -> Iterator[Run | None]:
        taken = _taken_periods(_stored_periods(source))
        main = _main_period(taken)
        yield read_period(main)
        yield from (read_period(period) for period in taken if period is not main)

    return Series(name, label, unit, meaning, read, **more)


@dataclass(frozen=True)
class Period:
    """One period in a day's source: whether it counts, and whether it is the main one.

    `values` has Oura's fields, null where it has none, or one that no column can hold. `runs` has
    the period's own by series.
    """

    document: _Period
    counts: bool
    is_main: bool

    @property
    def id(self) -> str | None:
        return id_of(self.document) or None

    @property
    def bedtimes(self) -> tuple[datetime | None, datetime | None]:
        return bedtimes(self.document)

    @property
    def end(self) -> datetime | None:
        return self.bedtimes[1]

    @property
    def is_night(self) -> bool:
        """Whether it is a night, and neither a nap nor a fragment."""
        return _is_night(self.document, self.document.get("type"), self.document.get(_ASLEEP))

    @property
    def why_not_counted(self) -> str:
        """Return why the period does not count, for people; empty if it does."""
        if self.counts:
            return ""
        kind = self.document.get("type")
        if isinstance(kind, str) and kind in _NOT_COUNTING:
            return _NOT_COUNTING[kind]
        return "no sleep in it" if self.document.get(_ASLEEP) is None else "overlaps another period"

    @property
    def values(self) -> dict[str, Any]:
        # The columns of a night with this period alone.
        night = _Night(None, {}, {}, [self.document], self.document)
        return {
            field: held(column.kind, column.value(night))
            for field, column in period_columns().items()
        }

    @property
    def runs(self) -> dict[str, Run | None]:
        return {name: read(self.document) for name, read in PERIOD_RUNS.items()}


# Oura's fields of a period that are read, and the two of which the column has another name.
_PERIOD_FIELDS = (
    "type",
    "bedtime_start",
    "bedtime_end",
    "time_in_bed",
    "total_sleep_duration",
    "deep_sleep_duration",
    "light_sleep_duration",
    "rem_sleep_duration",
    "awake_time",
    "latency",
    "efficiency",
    "average_heart_rate",
    "lowest_heart_rate",
    "average_hrv",
    "average_breath",
)
_COLUMN_NAMES = {"type": "main_type", _ASLEEP: "duration"}


@cache
def period_columns() -> dict[str, Column]:
    """Return the columns that a period's values are read by, under Oura's names of the fields."""
    return {name: SLEEP.column(_COLUMN_NAMES.get(name, name)) for name in _PERIOD_FIELDS}


def _main(
    name: str, kind: Kind, meaning: str, unit: str = "", *, source: str = "", **more: Any
) -> Column:
    """Return a column with a field of the main period, which `meaning` should mention."""

    key = source or name

    def read(night: _Night) -> Any:
        return night.main.get(key)

    return Column(name, kind, read, meaning, unit, **more)


class Sleep(MetricType):
    name = "sleep"
    collections = ("daily_sleep", "sleep")
    collection_words = MappingProxyType(
        {"daily_sleep": "the sleep score", "sleep": "the details of the night"}
    )
    columns = (
        SCORE,
        _sum("duration", "Time asleep", "Asleep", _ASLEEP),
        _sum("time_in_bed", "Time in bed", "In bed"),
        _sum("deep_sleep_duration", "Deep sleep", "Deep sleep"),
        _sum("light_sleep_duration", "Light sleep", "Light sleep"),
        _sum("rem_sleep_duration", "REM sleep", "REM sleep"),
        _sum("awake_time", "Time awake in bed", "Awake in bed"),
        _main(
            "latency",
            Integer(),
            "Time to fall asleep in the main sleep period",
            "s",
            label="Fell asleep in",
        ),
        _main(
            "efficiency",
            PERCENT,
            "Share of the time in bed spent asleep in the main sleep period",
            "%",
            label="Efficiency",
        ),
        _main(
            "average_heart_rate",
            Number(),
            "Average heart rate during the main sleep period",
            "bpm",
            label="Average heart rate",
            sentinels=_NONE_FOUND,
        ),
        _main(
            "lowest_heart_rate",
            Integer(),
            "Lowest heart rate during the main sleep period",
            "bpm",
            label="Lowest heart rate",
            sentinels=(*_NONE_FOUND, _NO_HEART_RATE),
        ),
        _main(
            "average_hrv",
            Integer(),
            "Average HRV (rMSSD) during the main sleep period",
            "ms",
            label="Average HRV",
            sentinels=_NONE_FOUND,
        ),
        _main(
            "average_breath",
            Number(),
            "Average breathing rate during the main sleep period",
            "breaths/min",
            label="Breathing rate",
            sentinels=_NONE_FOUND,
        ),
        _main(
            "bedtime_start",
            Moment(),
            "Start of the main sleep period, with Oura's offset",
            label="Bedtime",
        ),
        _main(
            "bedtime_end",
            Moment(),
            "End of the main sleep period, with Oura's offset",
            label="Got up",
        ),
        _main(
            "main_type",
            Text(),
            "Oura's type of the main sleep period",
            label="Kind of sleep",
            source="type",
            added=True,
        ),
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
        Figure("avg_sleep_duration", "duration", mean, "Sleep per night", of_full_days=True),
        Figure("avg_sleep_efficiency", "efficiency", mean, of_full_days=True),
        Figure(
            "avg_lowest_heart_rate",
            "lowest_heart_rate",
            mean,
            "Lowest heart rate",
            of_full_days=True,
        ),
        Figure("avg_hrv", "average_hrv", mean, "HRV", of_full_days=True),
    )
    card = (
        "duration",
        "lowest_heart_rate",
        "average_hrv",
        "average_breath",
        "deep_sleep_duration",
        "light_sleep_duration",
        "rem_sleep_duration",
        "awake_time",
        "efficiency",
        "bedtime_start",
        "bedtime_end",
    )
    series = (
        _series(
            "night_heart_rate", "Heart rate", "bpm", "Heart rate during sleep", kind=HEART_RATE
        ),
        _series("night_hrv", "HRV", "ms", "HRV (rMSSD) during sleep", kind=HRV),
        _series("sleep_stage", "Stage", "", "Stage of sleep", names=STAGES),
        _series(
            "movement", "Movement", "", "Movement in each interval of 30 seconds", names=MOVEMENTS
        ),
    )
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
    has_spans = True

    def read_day(self, documents: Documents) -> _Night | None:
        summary = newest_document(documents.get("daily_sleep", ()))
        periods = [each for each in documents.get("sleep", ()) if isinstance(each, dict)]
        taken = _taken_periods(periods)
        main = _main_period(taken)
        if summary is None and not taken:
            return None
        return _Night(
            id=(main if summary is None else summary).get("id"),
            summary=summary or {},
            source={"daily_sleep": summary, "sleep": periods},
            taken=taken,
            main=main,
        )

    def missing_collection(self, values: Mapping[str, Any], source: Source) -> str:
        if source.get("daily_sleep", {}) is None:
            return "daily_sleep"
        periods = _stored_periods(source)
        has_sleep = values["duration"] is not None or values["time_in_bed"] is not None
        if has_sleep or _counting_periods(periods):
            return ""
        return "sleep:rest" if periods else "sleep"

    def spans_of(self, source: Source) -> list[Span]:
        spans = map(_span, _taken_periods(_stored_periods(source)))
        return [span for span in spans if span]

    full_days = "days with a night, not days with only naps or fragments of sleep"
    not_full = "days without a night"
    full_value = _NIGHT
    full_columns = ("main_type", "duration", "bedtime_start", "bedtime_end")

    def is_full(self, row: StoredDay) -> bool | None:
        """Return whether the main period is a night, and neither a nap nor a fragment."""
        kind = row.values["main_type"]
        night = _is_night(row.values, kind, row.values["duration"])
        return None if kind is None and not night else night

    def is_full_by_source(self, row: StoredDay, source: Source | None) -> bool:
        """Return whether the row has no type because a program sent none, not because Oura did."""
        return not _stored_periods(source or {})

    def periods_of(self, source: Source) -> list[Period]:
        """Return all periods in a day's source, the main one first, then by start."""
        periods = _stored_periods(source)
        taken = _taken_periods(periods)
        main = _main_period(taken)
        counting = set(map(id, taken))
        found = [Period(each, id(each) in counting, each is main) for each in periods]
        return sorted(found, key=_place)

    def provenance_of(self, source: Source) -> dict[str, str]:
        """Return the provenance of the night: what measured a nap begins nothing new."""
        main = _main_period(_taken_periods(_stored_periods(source)))
        if not _is_night(main, main.get("type"), main.get(_ASLEEP)):
            return {}
        return {
            name: value
            for name, field in _PROVENANCE_FIELDS.items()
            # PostgreSQL can't store the character NUL.
            if isinstance(value := main.get(field), str) and value and "\x00" not in value
        }

    def change_notes(self, before: Source, after: Source) -> list[str]:
        periods, new_periods = _stored_periods(before), _stored_periods(after)
        old, new = _taken_periods(periods), _taken_periods(new_periods)
        return [
            *_summary_notes(before.get("daily_sleep"), after.get("daily_sleep")),
            *_period_notes(max(len(old) - 1, 0), max(len(new) - 1, 0)),
            *_deletion_notes(periods, new_periods),
            *_bedtime_notes(_main_period(old), _main_period(new)),
            *_algorithm_notes(self.provenance_of(before), self.provenance_of(after)),
        ]


SLEEP = Sleep()


def _counting_periods(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    # The type may be anything, also what can't be a key.
    return [period for period in periods if period.get("type") not in tuple(_NOT_COUNTING)]


def _taken_periods(periods: Sequence[OuraDocument]) -> list[OuraDocument]:
    """Return the counting periods, of which none overlaps another, the longest first.

    The period with the most sleep is taken first, then each next one that overlaps none that is
    taken. Periods without a total are taken only if none has one.
    """
    candidates = _counting_periods(periods)
    # Most nights are one period, and this is asked several times for each.
    if len(candidates) < 2:
        return candidates
    if any(map(_has_total, candidates)):
        candidates = [period for period in candidates if period.get(_ASLEEP) is not None]
    taken: list[OuraDocument] = []
    spans: list[Span] = []
    for period in sorted(candidates, key=_amount, reverse=True):
        span = _span(period)
        if span is None:
            taken.append(period)
        elif not overlaps(span, spans):
            taken.append(period)
            insort(spans, span)
    return taken


def _main_period(taken: Sequence[OuraDocument]) -> OuraDocument:
    """Return the longest `long_sleep`, else the longest of others, else the longest `late_nap`.

    A total that is no number makes no other period the main one: that would cost all values of the
    night. Without any total it is the longest in bed. Return an empty document if there is none.
    """
    if len(taken) < 2:
        return taken[0] if taken else {}
    # The longest comes first.
    if all(period.get(_ASLEEP) is None for period in taken):
        return taken[0]
    return max(taken, key=_rank)


def _has_total(period: _Period) -> bool:
    return _number(period.get(_ASLEEP)) >= 0


def _place(period: Period) -> tuple[bool, bool, datetime, str]:
    start = parse_moment(period.document.get("bedtime_start"))
    return not period.is_main, start is None, start or _LONG_AGO, id_of(period.document)


def _rank(period: _Period) -> int:
    kind = period.get("type")
    return _RANKS.get(kind, _OTHER_RANK) if isinstance(kind, str) else _OTHER_RANK


def _amount(period: _Period) -> tuple[float, float, str]:
    return _number(period.get(_ASLEEP)), _number(period.get("time_in_bed")), id_of(period)


def _number(value: Any) -> float:
    """Return a number of seconds, or -1 for any other value."""
    return float(value) if is_number(value) and value >= 0 else -1.0


def _span(period: _Period) -> Span | None:
    start, end = parse_moment(period.get("bedtime_start")), parse_moment(period.get("bedtime_end"))
    return (start, end) if start and end and start < end else None


def _is_night(period: _Period, kind: Any, asleep: Any) -> bool:
    """Return whether a period of this type is a night; `asleep` is its total, or its day's."""
    if kind == _NIGHT:
        return True
    return kind not in _NO_NIGHT and _seconds_long(period, asleep) >= _NIGHT_SECONDS


def _seconds_long(period: _Period, asleep: Any) -> float:
    """Return how long a period was by its bedtimes; else how long its sleep; else 0."""
    if span := _span(period):
        start, end = span
        return (end - start) / timedelta(seconds=1)
    return float(asleep) if is_number(asleep) else 0.0


def _stored_periods(source: Source) -> list[OuraDocument]:
    """Return the periods in a row's source. A program may send any JSON as source."""
    periods = source.get("sleep")
    return [each for each in periods if isinstance(each, dict)] if isinstance(periods, list) else []


def _summary_notes(before: Any, after: Any) -> list[str]:
    if before is None and after is not None:
        return ["summary added"]
    return ["summary removed"] if after is None and before is not None else []


def _period_notes(before: int, after: int) -> list[str]:
    if before == after:
        return []
    change = "added" if after > before else "removed"
    number = abs(after - before)
    return [f"period {change}" if number == 1 else f"{number} periods {change}"]


def _deletion_notes(before: Sequence[_Period], after: Sequence[_Period]) -> list[str]:
    kinds = {str(period.get("id")): period.get("type") for period in before}
    deleted = [
        period
        for period in after
        if period.get("type") == "deleted"
        and kinds.get(str(period.get("id")), "deleted") != "deleted"
    ]
    return ["period deleted"] if deleted else []


def _bedtime_notes(before: _Period, after: _Period) -> list[str]:
    if not before or not after:
        return ["main period added"] if after else ["main period removed"] if before else []
    if all(_bedtime(before, name) == _bedtime(after, name) for name in _BEDTIMES):
        return []
    edited = after.get("sleep_analysis_reason") == _EDITED
    return ["bedtime edited" if edited else "bedtime changed by Oura"]


def _bedtime(period: _Period, name: str) -> Any:
    value = period.get(name)
    # Another spelling of the same moment is no change.
    return (normalize_moment(value) if isinstance(value, str) else None) or value


def _algorithm_notes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    old, new = before.get("sleep_algorithm"), after.get("sleep_algorithm")
    return [f"algorithm changed from {old} to {new}"] if old and new and old != new else []
