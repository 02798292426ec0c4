"""Activity: minutes, and when the ring was off."""

import pytest

from metrics import ACTIVITY
from metrics.base import DAY_OFF_MINUTES

MORNING = "2026-03-01T04:00:00+01:00"


def wear(classes, timestamp=MORNING):
    return ACTIVITY.wear_of({"daily_activity": {"class_5_min": classes, "timestamp": timestamp}})


def test_minutes_without_ring_come_from_seconds():
    document = {"id": "a", "non_wear_time": 5430}
    assert ACTIVITY.map("2026-03-01", {"daily_activity": [document]})["non_wear_minutes"] == 91


@pytest.mark.parametrize(("seconds", "minutes"), [(71_969, 1199), (71_970, 1200)])
def test_half_a_minute_short_of_twenty_hours_is_twenty(seconds, minutes):
    document = {"id": "a", "non_wear_time": seconds}
    row = ACTIVITY.map("2026-03-01", {"daily_activity": [document]})
    assert row["non_wear_minutes"] == minutes
    assert DAY_OFF_MINUTES == 1200


def test_minutes_without_ring_follow_those_of_rest():
    names = ACTIVITY.column_names
    assert names[names.index("resting_minutes") + 1] == "non_wear_minutes"


def test_minutes_of_any_class_end_at_3000():
    minutes = [each for each in ACTIVITY.columns if each.unit == "min"]
    assert {(each.kind.lowest, each.kind.highest) for each in minutes} == {(0, 3000)}
    assert len(minutes) == 6


def test_each_class_is_five_minutes_and_zero_is_off():
    assert wear("0012200003") == {
        "start": MORNING,
        "minutes": 50,
        "off": [[0, 10], [25, 45]],
    }


def test_ring_on_all_day_has_no_range_off():
    assert wear("2" * 288)["off"] == []


@pytest.mark.parametrize("count", [1, 100, 288, 330, 600])
def test_length_of_classes_decides_how_long_they_last(count):
    found = wear("0" * count)
    assert (found["minutes"], found["off"]) == (5 * count, [[0, 5 * count]])


def test_more_classes_than_any_day_has_tell_nothing():
    assert wear("0" * 601) is None


@pytest.mark.parametrize("classes", [None, "", 5, ["0"], {"0": 1}])
def test_no_classes_tell_nothing(classes):
    assert wear(classes) is None


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        "",
        "soon",
        17,
        "2026-03-01",
        "2026-03-01T04:00:00",
        "2026-W10-1T04:00:00+01:00",
        "0001-01-01T04:00:00+14:00",
        "9999-12-31T04:00:00-12:00",
    ],
)
def test_start_that_is_no_instant_tells_nothing(timestamp):
    assert wear("0" * 288, timestamp) is None


def test_start_may_be_written_as_oura_does():
    assert wear("0", "2026-03-01 04:00:00.000+0100")["start"] == MORNING


@pytest.mark.parametrize("source", [{}, {"daily_activity": None}, {"daily_activity": [1]}, None])
def test_source_without_document_tells_nothing(source):
    assert ACTIVITY.wear_of(source) is None
