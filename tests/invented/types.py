"""Two types that Oura does not have, which prove that a new type changes no other."""

from metrics.base import SCORE, MetricType, contributors_field, field
from metrics.columns import Figure, Integer, Moment, Number, Text, total


class Caffeine(MetricType):
    """A type of the day, without score and contributors."""

    name = "caffeine"
    collections = ("daily_caffeine",)
    columns = (
        field("milligrams", Integer(), "Caffeine", "mg", label="Caffeine"),
        field("balance", Integer(-100, 100), "How much is too much", source="body.balance"),
        field("last_cup", Moment(), "When the last cup was drunk, with Oura's offset"),
        field("summary", Text(16), "Oura's word for the day", label="In a word"),
    )
    figures = (Figure("total_caffeine", "milligrams", total, "Total caffeine"),)
    card = ("milligrams", "summary")


class Snoring(MetricType):
    """A type of the night, with a separate scope."""

    name = "snoring"
    collections = ("daily_snoring",)
    scope = "spo2"
    columns = (
        SCORE,
        field("start", Moment(), "When it began, with Oura's offset"),
        field("loudness", Number(0, 200), "Loudness", "dB", label="Loudness", decimals=1),
        contributors_field("back", "side", value=Number(0, 100)),
    )
    card = ("loudness",)
    of_night = True


CAFFEINE, SNORING = Caffeine(), Snoring()
INVENTED = {each.name: each for each in (CAFFEINE, SNORING)}
