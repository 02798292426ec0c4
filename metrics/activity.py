"""Activity: Oura's `daily_activity`, of a day from 04:00 to 04:00."""

from typing import Any

from metrics.base import SCORE, MetricType, OuraDay, contributors, field
from metrics.columns import Column, Figure, Whole, mean, total
from metrics.numbers import is_number


def _minutes(name: str, oura_name: str, label: str = "") -> Column:
    """A column with a time that Oura has in seconds: the nearest whole minute, halves up."""

    def read(day: OuraDay) -> Any:
        seconds = day.summary.get(oura_name)
        return int((seconds + 30) // 60) if is_number(seconds) else seconds

    return Column(name, Whole(), read, "Minutes.", "min", label)


class Activity(MetricType):
    name = "activity"
    collections = ("daily_activity",)
    columns = (
        SCORE,
        field("active_calories", Whole(), "Kilocalories.", "kcal", "Active calories"),
        field("total_calories", Whole(), "Kilocalories.", "kcal"),
        field("steps", Whole(), "Steps.", label="Steps"),
        field("equivalent_walking_distance", Whole(), "Metres.", "m", "Walking equivalent"),
        _minutes("high_activity_minutes", "high_activity_time"),
        _minutes("medium_activity_minutes", "medium_activity_time"),
        _minutes("low_activity_minutes", "low_activity_time"),
        _minutes("sedentary_minutes", "sedentary_time", "Sedentary"),
        _minutes("resting_minutes", "resting_time"),
        contributors(
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
        Figure("total_steps", "steps", total, "Steps in all"),
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
