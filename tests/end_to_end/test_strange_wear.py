"""Days without the ring, and two rings in turn: what the ledger, the means and the marks say."""

import re

import pytest

from metrics import TYPES
from tests.end_to_end.strange import COLLECTIONS
from tests.scale import full_only

OF_NIGHT = ("sleep", "daily_sleep", "daily_readiness")


def remove_night(strange, day):
    for collection in OF_NIGHT:
        strange.remove(collection, day)


def mean_steps(strange, days):
    steps = [strange.truth.one("daily_activity", day)["steps"] for day in days]
    return sum(steps) / len(steps)


# The ring off all day -----------------------------------------------------------------------------


@full_only
def test_day_without_ring_is_in_no_mean(strange):
    days = strange.plain_days(2)
    [off, worn] = days
    strange.make_odd("daily_activity", off, "off_all_day")
    run = strange.collect_days(days, "activity")
    week = strange.week_ending(off)
    assert run.code == 0
    assert strange.shown("activity")[off]["non_wear_minutes"] == 1440
    same_week = week["start"] <= worn <= week["end"]
    expected = mean_steps(strange, [worn]) if same_week else None
    assert (week["avg_steps"], week["activity_days"]) == (expected, 1 + same_week)


@full_only
def test_day_without_ring_is_held_with_reason(strange):
    [day] = strange.plain_days(1)
    strange.make_odd("daily_activity", day, "off_all_day")
    strange.collect_days([day], "activity")
    state, reason = strange.state(day, "activity")
    assert (state, reason) == ("held", "The ring was off for 24 h 00 min of the day.")


@full_only
def test_day_without_ring_has_no_score_and_zero_steps(strange):
    [day] = strange.plain_days(1)
    strange.make_odd("daily_activity", day, "off_all_day")
    strange.collect_days([day], "activity")
    row = strange.shown("activity")[day]
    assert (row["score"], row["steps"], row["active_calories"]) == (None, 0, 0)


@full_only
def test_unfinished_day_is_in_no_mean(strange):
    day = strange.day_after(strange.ago(0), -1)
    strange.collect("--days", "2", "--type", "activity")
    rows = strange.shown("activity")
    week = strange.week_ending(strange.ago(0))
    assert (week["total_steps"] or 0) == sum(row["steps"] for row in rows.values())
    # Yesterday may be unfinished too: its day ends at 04:00.
    assert week["avg_steps"] in (None, rows[day]["steps"] if day in rows else None)


# The ring off in the night ------------------------------------------------------------------------


def plain_night(strange):
    """Return the days before and after a night, of which both are plain, as is the one after."""
    [before] = strange.plain_days(1, from_ago=4, in_a_row=3)
    return before, strange.day_after(before)


def states_of_night(strange, day):
    return [strange.state(day, type_)[0] for type_ in ("sleep", "readiness")]


def test_ring_off_in_night_is_the_wearers(strange):
    before, day = plain_night(strange)
    strange.make_odd("daily_activity", before, "off_in_night")
    strange.make_odd("daily_activity", day, "off_in_morning")
    remove_night(strange, day)
    run = strange.collect("--days", "20")
    assert (run.code, states_of_night(strange, day)) == (0, ["not_worn"] * 2)
    # The ring may have been off for a while anyway.
    assert re.match("The ring was off for [78] h [0-9]+ min ", strange.state(day)[1])
    missing = strange.week_ending(day)["coverage"]["sleep"]
    assert missing["missing"]["not_worn"] == missing["fault"]["wearer"] >= 1


def test_day_of_travel_alone_is_not_the_wearers(strange):
    before, day = plain_night(strange)
    strange.make_odd("daily_activity", before, "short_day")
    remove_night(strange, day)
    run = strange.collect("--days", "20")
    assert (run.code, states_of_night(strange, day)) == (0, ["none"] * 2)


@full_only
def test_night_without_classes_is_not_the_wearers(strange):
    before, day = plain_night(strange)
    for each in (before, day):
        strange.make_odd("daily_activity", each, "no_classes")
    remove_night(strange, day)
    run = strange.collect("--days", "20")
    assert (run.code, states_of_night(strange, day)) == (0, ["none"] * 2)
    assert strange.state(day, "activity") == ("held", None)


@full_only
@pytest.mark.parametrize("oddity", ["off_in_night", "off_in_morning"])
def test_night_with_sleep_stays_held(strange, oddity):
    before, day = plain_night(strange)
    strange.make_odd("daily_activity", before if oddity == "off_in_night" else day, oddity)
    strange.collect("--days", "20")
    assert states_of_night(strange, day) == ["held"] * 2


@full_only
def test_ring_off_until_day_changed_is_the_wearers(strange):
    before, day = plain_night(strange)
    strange.make_odd("daily_activity", before, "off_in_night")
    remove_night(strange, day)
    strange.collect("--days", "20")
    assert states_of_night(strange, day) == ["not_worn"] * 2


@full_only
def test_ring_off_in_morning_alone_is_not_the_wearers(strange):
    [day] = strange.plain_days(1, from_ago=4, in_a_row=2)
    strange.make_odd("daily_activity", day, "off_in_morning")
    remove_night(strange, day)
    strange.collect("--days", "20")
    assert states_of_night(strange, day) == ["none"] * 2


@full_only
def test_day_without_ring_and_nothing_else_is_not_worn(strange):
    [day] = strange.plain_days(1, from_ago=4)
    strange.make_odd("daily_activity", day, "off_all_day")
    remove_night(strange, day)
    strange.collect("--days", "20")
    assert states_of_night(strange, day) == ["not_worn"] * 2


@full_only
def test_day_without_any_document_is_not_worn(strange):
    [day] = strange.plain_days(1, from_ago=4)
    for collection in COLLECTIONS:
        strange.remove(collection, day)
    strange.collect("--days", "20")
    assert [strange.state(day, type_)[0] for type_ in TYPES] == ["not_worn"] * 3


# Two rings in turn --------------------------------------------------------------------------------


def ring_marks(strange):
    marks = strange.get("marks", start=strange.ago(60), end=strange.ago(0))
    return [mark["day"] for mark in marks if mark["mark"] == "ring"]


@full_only
def test_two_rings_in_turn_are_one_mark(strange):
    nights = [strange.ago(each) for each in range(3, 33)]
    for day in nights[::2]:
        if strange.truth.of("sleep", day):
            strange.make_odd("sleep", day, "other_ring")
    strange.collect("--days", "45", "--type", "sleep")
    assert len(ring_marks(strange)) <= 1


@full_only
def test_single_night_with_other_ring_is_one_mark(strange):
    [day] = strange.plain_days(1, from_ago=10)
    strange.make_odd("sleep", day, "other_ring")
    strange.collect("--days", "45", "--type", "sleep")
    assert ring_marks(strange) == [day]


@full_only
def test_fragment_is_no_night_in_mean(strange):
    days = strange.plain_days(3)
    [fragment, *nights] = days
    strange.make_odd("sleep", fragment, "fragment")
    strange.collect_days([fragment], "sleep")
    for day in nights:
        strange.collect_days([day], "sleep")
    week = strange.week_ending(fragment)
    durations = [
        strange.truth.one("sleep", day)["total_sleep_duration"]
        for day in nights
        if week["start"] <= day <= week["end"]
    ]
    expected = round(sum(durations) / len(durations)) if durations else None
    assert strange.shown("sleep")[fragment]["duration"] <= 600
    assert week["avg_sleep_duration"] == pytest.approx(expected, abs=1)
