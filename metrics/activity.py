"""Activity: Oura's `daily_activity`, for a day from 04:00 to 04:00."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from metrics.base import (
    SCORE,
    MetricType,
    OuraDay,
    OuraDocument,
    Source,
    StoredDay,
    contributors_field,
    field,
)
from metrics.columns import Column, Figure, Integer, Number, mean, total
from metrics.moments import parse_instant, parse_moment
from metrics.numbers import is_number
from metrics.series import Run, Series, Value, run_of_sample, run_of_text

_ONE_DAY = timedelta(days=1)
# Oura's days begin and end at this local time.
_BEGIN = time(4)
# The last place where a day ends is at UTC-12.
_OVER_EVERYWHERE = time(16, tzinfo=UTC)
# A day of travel may have a good deal more than 1,440.
_MOST_MINUTES = 3000
# Each character of `class_5_min` is a class of activity, or this one.
_NOT_WORN = "0"
_MINUTES_PER_CLASS = 5
_CLASSES: Mapping[Value, str] = {
    0: "ring off",
    1: "rest",
    2: "inactive",
    3: "low activity",
    4: "medium activity",
    5: "high activity",
}
_CLASS_CODES = {str(number): number for number in _CLASSES}
# More than the strongest people reach.
_MET = Number(highest=100)


def _minutes(name: str, source: str, meaning: str, label: str = "", **more: Any) -> Column:
    """Return a column in minutes of a field in seconds, rounded to the nearest, halves up."""

    def read(day: OuraDay) -> Any:
        seconds = day.summary.get(source)
        if is_number(seconds) and seconds >= 0:
            return int((seconds + 30) // 60)
        return seconds

    return Column(name, Integer(highest=_MOST_MINUTES), read, meaning, "min", label, **more)


def _met(source: Source) -> Iterator[Run | None]:
    yield run_of_sample(_document(source).get("met"), _MET)


def _classes(source: Source) -> Iterator[Run | None]:
    document = _document(source)
    start = parse_instant(document.get("timestamp"))
    yield run_of_text(document.get("class_5_min"), 60 * _MINUTES_PER_CLASS, _CLASS_CODES, start)


def _document(source: Source) -> OuraDocument:
    document = source.get("daily_activity")
    return document if isinstance(document, dict) else {}


class Activity(MetricType):
    name = "activity"
    collections = ("daily_activity",)
    collection_words = MappingProxyType({"daily_activity": "the day's activity"})
    columns = (
        SCORE,
        field(
            "active_calories",
            Integer(),
            "Energy used for activity",
            "kcal",
            label="Active calories",
        ),
        field(
            "total_calories",
            Integer(),
            "Energy used in the whole day",
            "kcal",
            label="Total calories",
        ),
        field("steps", Integer(), "Steps", label="Steps"),
        field(
            "equivalent_walking_distance",
            Integer(),
            "Walking distance that would use the same amount of energy as the day's activity",
            "m",
            label="Walking equivalent",
        ),
        _minutes("high_activity_minutes", "high_activity_time", "High activity", "High activity"),
        _minutes(
            "medium_activity_minutes", "medium_activity_time", "Medium activity", "Medium activity"
        ),
        _minutes("low_activity_minutes", "low_activity_time", "Low activity", "Low activity"),
        _minutes("sedentary_minutes", "sedentary_time", "Sedentary time", "Sedentary"),
        _minutes("resting_minutes", "resting_time", "Rest", "Rest"),
        _minutes(
            "non_wear_minutes", "non_wear_time", "Time without the ring", "Ring off", added=True
        ),
        contributors_field(
            "meet_daily_targets",
            "move_every_hour",
            "recovery_time",
            "stay_active",
            "training_frequency",
            "training_volume",
        ),
    )
    figures = (
        Figure("avg_activity_score", "score", mean, "Activity score"),
        Figure("total_steps", "steps", total),
        Figure("avg_steps", "steps", mean, "Steps per day", of_full_days=True),
        Figure("total_active_calories", "active_calories", total),
    )
    card = ("steps", "active_calories", "equivalent_walking_distance", "sedentary_minutes")
    series = (
        Series(
            "met",
            "Intensity",
            "MET",
            "Current energy use, as a multiple of the energy use at rest",
            _met,
            _MET,
        ),
        Series(
            "activity_class",
            "Activity",
            "",
            "Oura's activity class for each five minutes",
            _classes,
            names=_CLASSES,
        ),
    )
    on_every_worn_day = True
    full_days = (
        "days that were over when they were fetched, with the ring off for less than 20 hours"
    )
    not_full = "days in progress, and days with the ring off"
    full_columns = ("non_wear_minutes",)
    grows = True
    off_minutes = "non_wear_minutes"

    def is_full(self, row: StoredDay) -> bool | None:
        """Return whether the day was finished when it was fetched, and the ring worn."""
        if self.is_off(row.values):
            return False
        return True if row.fetched_at >= _over_at(row.day) else None

    def is_full_by_source(self, row: StoredDay, source: Source | None) -> bool:
        summary = (source or {}).get("daily_activity")
        if not isinstance(summary, Mapping):
            # A program knows best what it sends of a day that has passed.
            return row.day < row.today
        return _is_over(row, summary.get("timestamp"))

    def is_full_by_wear(self, row: StoredDay, wear: Mapping[str, Any]) -> bool:
        # The classes begin at the document's timestamp.
        return _is_over(row, wear["start"])

    def wear_of(self, source: Source) -> dict[str, Any] | None:
        """Return the time without the ring by the classes of five minutes.

        A day of travel has more or fewer classes, and a day under way those so far.
        """
        document = source.get("daily_activity") if isinstance(source, dict) else None
        if not isinstance(document, dict):
            return None
        classes, start = document.get("class_5_min"), parse_instant(document.get("timestamp"))
        if not isinstance(classes, str) or not classes or start is None:
            return None
        minutes = len(classes) * _MINUTES_PER_CLASS
        if minutes > _MOST_MINUTES:
            return None
        return {"start": start.isoformat(), "minutes": minutes, "off": _ranges_off(classes)}


def _ranges_off(classes: str) -> list[list[int]]:
    """Return the ranges without the ring, in minutes from the first class on."""
    ranges: list[list[int]] = []
    start = classes.find(_NOT_WORN)
    while start >= 0:
        end = len(classes) - len(classes[start:].lstrip(_NOT_WORN))
        ranges.append([_MINUTES_PER_CLASS * start, _MINUTES_PER_CLASS * end])
        start = classes.find(_NOT_WORN, end)
    return ranges


ACTIVITY = Activity()


def _is_over(row: StoredDay, timestamp: Any) -> bool:
    """Return whether the day was over when it was fetched, by its document's timestamp."""
    end = _end_of_day(row.day, timestamp)
    return row.fetched_at >= (end or datetime.combine(row.day + _ONE_DAY, _BEGIN, row.zone))


def _end_of_day(day: date, timestamp: Any) -> datetime | None:
    """Return when the day ends that began at the `timestamp` of its document.

    A day ends at 04:00 local time: a timestamp that can't be that in any time zone is None.
    """
    begin = parse_moment(timestamp)
    earliest, latest = datetime.combine(day - _ONE_DAY, time(), UTC), _over_at(day) - _ONE_DAY
    return begin + _ONE_DAY if begin and earliest < begin <= latest else None


def _over_at(day: date) -> datetime:
    """Return when a day is over everywhere."""
    return datetime.combine(day + _ONE_DAY, _OVER_EVERYWHERE)
