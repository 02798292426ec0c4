"""Mistakes in a declaration are found before the first request."""

import pytest

from ingest.checks import check_metric_types
from metrics import TYPES
from metrics.base import MetricType, contributors_field, field
from metrics.columns import Column, Contributors, Figure, Integer, Text, mean
from tests.ingest.ledger.test_types import declaring, registered
from tests.invented.types import CAFFEINE

NAMES_OF_FACTS = ("rejected", "has_marks", "revisions")
STEPS = field("steps", Integer(), "Steps")


class Mood(MetricType):
    name = "mood"
    collections = ("daily_mood",)
    columns = (STEPS, field("word", Text(), "A word"))


def errors(metric_type):
    with registered(metric_type):
        return [each.msg for each in check_metric_types(None)]


def test_our_declarations_have_no_mistake():
    assert check_metric_types(None) == []


def test_type_without_model_is_found():
    ours = ", ".join(TYPES)
    assert errors(Mood()) == [
        f"The models store {ours}; expected {ours}, mood, in the order of metrics.TYPES."
    ]


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"card": ("mood",)}, "mood can't be on the card; expected one or more of steps, word."),
        ({"columns": (contributors_field(),), "card": ("contributors",)}, "can't be on the card"),
        ({"collections": ()}, "mood: it has no collection."),
        ({"columns": (field("source", Text(), "Source"),)}, "source can't be the name of a column"),
        ({"columns": (field("x", Integer(0, 2**40), "X"),)}, "x: the table has whole numbers"),
        ({"off_minutes": "steps"}, "so it must be on_every_worn_day."),
        ({"figures": (Figure("mood_days", "steps", mean),)}, "mood_days is declared 2 times"),
        ({"off_minutes": "word"}, "word is not a number; expected one or more of steps."),
        (
            {"figures": (Figure("avg_word", "word", mean),)},
            "mood: word is not a number; expected one or more of steps.",
        ),
        (
            {"figures": (Figure("avg_steps", "steps", mean),)},
            "avg_steps is declared 2 times; each needs a different name.",
        ),
        (
            {"provenance": {"ring": "the ring changed"}},
            "ring is declared 2 times; each needs a different name.",
        ),
        (
            {"off_minutes": "steps"},
            "Several types declare off_minutes; expected at most one.",
        ),
        ({"name": "a mood"}, "a mood: its name must be an identifier of up to 32 characters."),
        *(({"name": each}, "its name has another meaning") for each in NAMES_OF_FACTS),
        ({"name": "m" * 33}, "its name must be an identifier of up to 32 characters."),
        ({"columns": (STEPS, STEPS)}, "mood: it has two columns of the same name."),
        (
            {"columns": (Column("parts", Contributors(()), str, "Parts"),)},
            "mood: parts: the column of contributors, and no other, must be named contributors.",
        ),
    ],
)
def test_mistake_is_named(changed, mistake):
    assert any(mistake in each for each in errors(declaring(Mood(), **changed)))


@pytest.mark.parametrize(
    "metric_type", [CAFFEINE, declaring(Mood(), columns=(contributors_field(),))]
)
def test_declaration_without_mistake_lacks_only_a_model(metric_type):
    assert len(errors(metric_type)) == 1
