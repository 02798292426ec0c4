"""Activity: Oura's `daily_activity`, for a day from 04:00 to 04:00."""

from typing import Any

from metrics.base import SCORE, MetricType, OuraDay, contributors_field, field
from metrics.columns import Column, Figure, Integer, mean, total
from metrics.numbers import is_number


def _minutes(name: str, source: str, meaning: str, label: str = "") -> Column:
    """Return a column in minutes of a field in seconds, rounded to the nearest, halves up."""

    def read(day: OuraDay) -> Any:
        seconds = day.summary.get(source)
        return int((seconds + 30) // 60) if is_number(seconds) else seconds

    return Column(name, Integer(), read, meaning, "min", label)


class Activity(MetricType):
    name = "activity"
    collections = ("daily_activity",)
    columns = (
        SCORE,
        field(
            "active_calories", Integer(), "Energy used by activity", "kcal", label="Active calories"
        ),
        field("total_calories", Integer(), "Energy used in the whole day", "kcal"),
        field("steps", Integer(), "Steps", label="Steps"),
        field(
            "equivalent_walking_distance",
            Integer(),
            "Walking distance that would use the same amount of energy as the day's activity",
            "m",
            label="Walking equivalent",
        ),
        _minutes("high_activity_minutes", "high_activity_time", "High activity"),
        _minutes("medium_activity_minutes", "medium_activity_time", "Medium activity"),
        _minutes("low_activity_minutes", "low_activity_time", "Low activity"),
        _minutes("sedentary_minutes", "sedentary_time", "Sedentary time", "Sedentary"),
        _minutes("resting_minutes", "resting_time", "Rest"),
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
        Figure("total_steps", "steps", total, "Total steps"),
        Figure("avg_steps", "steps", mean),
        Figure("total_active_calories", "active_calories", total),
    )
    card = ("steps", "active_calories", "equivalent_walking_distance", "sedentary_minutes")
    on_every_worn_day = True
    worn_minutes = (
        "high_activity_minutes",
        "medium_activity_minutes",
        "low_activity_minutes",
        "sedentary_minutes",
        "resting_minutes",
    )


ACTIVITY = Activity()
