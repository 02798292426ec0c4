"""What every declaration of a metric type can do."""

import pytest

from metrics.base import MetricType, contributors, field
from metrics.columns import Contributors, Integer, Moment, Number, Text


class Mood(MetricType):
    name = "bad_mood"
    collections = ("daily_mood", "mood_swing")
    columns = (
        field("level", Integer(), "Level", sentinels=(0,)),
        field("depth", Number(), "Depth", "m", source="inner.depth"),
    )


MOOD = Mood()


def mapped(**summary):
    return MOOD.map("2026-03-01", {"daily_mood": [{"id": "m", **summary}]})


def test_sentinel_is_null():
    assert [mapped(level=level)["level"] for level in (0, 1, None)] == [None, 1, None]


@pytest.mark.parametrize(
    ("inner", "depth"), [({"depth": 7}, 7), ({}, None), (None, None), ("x", ["x"]), ([], [[]])]
)
def test_nested_field_is_read_by_its_path_or_passed_on(inner, depth):
    assert mapped(inner=inner)["depth"] == depth


def test_last_summary_of_a_day_counts():
    documents = {"daily_mood": [{"id": "a", "level": 1}, {"id": "b", "level": 2}]}
    assert MOOD.map("2026-03-01", documents)["id"] == "b"


def test_source_has_every_declared_collection():
    found = MOOD.map("2026-03-01", {"daily_mood": [{"id": "m"}], "mood_swing": [{"id": "s"}]})
    assert found["source"] == {"daily_mood": {"id": "m"}, "mood_swing": [{"id": "s"}]}


def test_day_without_a_summary_is_no_row():
    assert MOOD.map("2026-03-01", {"daily_mood": [], "mood_swing": [{"id": "s"}]}) is None


def test_names_are_made_of_the_types_name():
    assert (MOOD.title, MOOD.class_name) == ("Bad mood", "BadMood")


def test_description_has_meaning_and_unit():
    assert [column.description for column in MOOD.columns] == ["Level.", "Depth (m)."]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Integer(-5, 5), "a whole number from -5 to 5"),
        (Number(0, 1.5e3), "a number from 0 to 1500"),
        (Number(-0.5), "a number from -0.5 to 1000000"),
        (Text(16), "a text of up to 16 characters"),
        (Moment(), "a date-time with an offset, such as 2026-03-01T23:10:00+01:00"),
        (Contributors(()), "an object of whole numbers from 0 to 100 or null"),
        (Contributors((), Number(0, 9)), "an object of numbers from 0 to 9 or null"),
    ],
)
def test_kind_says_what_it_expects(kind, expected):
    assert kind.expected == expected


def test_zero_contributors_are_null():
    made = contributors("a").value(MOOD.read({"daily_mood": [{"contributors": {"a": 0, "b": 7}}]}))
    assert made == {"a": None, "b": 7}
