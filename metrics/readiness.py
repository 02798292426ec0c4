"""Readiness: Oura's `daily_readiness`, computed after the night that ends on the day."""

from types import MappingProxyType

from metrics.base import SCORE, MetricType, contributors_field, field
from metrics.columns import Column, Figure, Number, mean


def _deviation(name: str, meaning: str, label: str) -> Column:
    kind = Number(-100, 100)
    return field(name, kind, meaning, "°C", label=label, decimals=2, signed=True)


class Readiness(MetricType):
    name = "readiness"
    collections = ("daily_readiness",)
    collection_words = MappingProxyType({"daily_readiness": "the day's readiness"})
    columns = (
        SCORE,
        _deviation("temperature_deviation", "Temperature deviation from normal", "Temperature"),
        _deviation(
            "temperature_trend_deviation",
            "Temperature deviation from normal, over several days",
            "Temperature trend",
        ),
        contributors_field(
            "activity_balance",
            "body_temperature",
            "hrv_balance",
            "previous_day_activity",
            "previous_night",
            "recovery_index",
            "resting_heart_rate",
            "sleep_balance",
            "sleep_regularity",
        ),
    )
    figures = (
        Figure("avg_readiness_score", "score", mean, "Readiness score"),
        Figure("avg_temperature_deviation", "temperature_deviation", mean),
    )
    card = ("temperature_deviation",)
    of_night = True
    shows_wear = True
    on_every_worn_day = True


READINESS = Readiness()
