"""What all metric types share."""

import pytest

from metrics.base import MetricType, contributors_field, field
from metrics.columns import Contributors, Integer, Moment, Number, Text


class Mood(MetricType):
    name = "bad_mood"
    collections = ("daily_mood", "mood_swing")
    columns = (
        field("level", Integer(), "Level", sentinels=(0,)),
        field("depth", Number(), "Depth", "m", source="inner.depth"),
    )


MOOD = Mood()


def map_summary(**summary):
    return MOOD.map("2026-03-01", {"daily_mood": [{"id": "m", **summary}]})


def test_sentinel_is_null():
    assert [map_summary(level=level)["level"] for level in (0, 1, None)] == [None, 1, None]


@pytest.mark.parametrize(
    ("inner", "depth"), [({"depth": 7}, 7), ({}, None), (None, None), ("x", ["x"]), ([], [[]])]
)
def test_nested_field_is_read_by_path_or_passed_on(inner, depth):
    assert map_summary(inner=inner)["depth"] == depth


def test_last_summary_of_day_is_used():
    documents = {"daily_mood": [{"id": "a", "level": 1}, {"id": "b", "level": 2}]}
    assert MOOD.map("2026-03-01", documents)["id"] == "b"


def test_source_has_every_declared_collection():
    row = MOOD.map("2026-03-01", {"daily_mood": [{"id": "m"}], "mood_swing": [{"id": "s"}]})
    assert row["source"] == {"daily_mood": {"id": "m"}, "mood_swing": [{"id": "s"}]}


def test_day_without_summary_makes_no_row():
    assert MOOD.map("2026-03-01", {"daily_mood": [], "mood_swing": [{"id": "s"}]}) is None


def test_title_and_class_name_are_derived():
    assert (MOOD.title, MOOD.class_name) == ("Bad mood", "BadMood")


def test_description_has_meaning_and_unit():
    assert [column.description for column in MOOD.columns] == ["Level.", "Depth (m)."]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Integer(-5, 5), "a whole number from -5 to 5"),
        (Number(0, 1.5e3), "a number from 0 to 1500"),
        (Number(-0.5), "a number from -0.5 to 1000000"),
        (Text(16), "a string of up to 16 characters"),
        (Moment(), "a date-time with an offset, such as 2026-03-01T23:10:00+01:00"),
        (Contributors(()), "an object of whole numbers from 0 to 100 or null"),
        (Contributors((), Number(0, 9)), "an object of numbers from 0 to 9 or null"),
    ],
)
def test_kind_describes_expected_value(kind, expected):
    assert kind.expected == expected


def test_zero_contributors_are_null():
    day = MOOD.read_day({"daily_mood": [{"contributors": {"a": 0, "b": 7}}]})
    assert contributors_field("a").value(day) == {"a": None, "b": 7}
