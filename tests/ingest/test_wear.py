"""Whether the ring was off in a night, by the two activity days that the night belongs to."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wear import ActivityDay, night_off
from metrics import ACTIVITY
from myhealth.days import ONE_DAY

DAY = date(2026, 3, 11)
LATER = datetime(2026, 3, 20, tzinfo=UTC)
ALL_DAY = 288


def activity(day, classes, *, offset="+01:00", minutes=0, fetched_at=LATER, hour=4):
    document = {"class_5_min": classes, "timestamp": f"{day}T{hour:02d}:00:00{offset}"}
    return ActivityDay(minutes, ACTIVITY.wear_of({"daily_activity": document}), fetched_at)


def off_in(before, same, **more):
    """Return for how long the ring was off in the night, by the classes of its two days."""
    days = activity(DAY - ONE_DAY, before, **more), activity(DAY, same, **more)
    found = night_off(DAY, *days)
    return found and (found.minutes, found.span)


def worn_until(count):
    """Classes with the ring on at first, and off from then on."""
    return "2" * count + "0" * (ALL_DAY - count)


def off_until(count):
    return "0" * count + "2" * (ALL_DAY - count)


def by_minutes(before, same):
    days = (ActivityDay(minutes, None, LATER) for minutes in (before, same))
    found = night_off(DAY, *days)
    return found and (found.minutes, found.span)


# Classes of five minutes --------------------------------------------------------------------------


def test_ring_off_over_both_days_of_night():
    # From 22:00 to 05:30.
    assert off_in(worn_until(216), off_until(18)) == (450, "night")


@pytest.mark.parametrize(("count", "found"), [(47, None), (48, (240, "night"))])
def test_four_hours_off_are_a_night_without_ring(count, found):
    assert off_in(worn_until(ALL_DAY - count), off_until(0)) == found


def test_hours_before_eight_in_the_evening_are_no_night():
    # From 12:00 to 20:00.
    assert off_in("2" * 96 + "0" * 96 + "2" * 96, off_until(0)) is None


def test_hours_after_ten_in_the_morning_are_no_night():
    assert off_in(worn_until(ALL_DAY), "2" * 72 + "0" * 216) is None


def test_shifts_of_day_sleepers_are_not_judged():
    # Awake with the ring at night; it is off while they sleep, from 10:00 to 18:00.
    by_day = "2" * 72 + "0" * 96 + "2" * 120
    assert off_in(by_day, by_day) is None


def test_classes_that_say_worn_outweigh_minutes():
    assert off_in(worn_until(ALL_DAY), off_until(0), minutes=700) is None


def test_classes_that_say_off_need_no_minutes():
    assert off_in(worn_until(192), off_until(72), minutes=None) == (840, "night")


def test_times_of_day_are_those_of_own_document():
    # 20:00 at -08:00 is 05:00 at +01:00 of the next day, when the other day is over.
    before = activity(DAY - ONE_DAY, "0" * 192 + "2" * 204, offset="+01:00")
    same = activity(DAY, off_until(60), offset="-08:00")
    assert night_off(DAY, before, same).minutes == 300


def test_days_of_different_offsets_are_compared_as_instants():
    # Having flown west, the night's first hours are known twice, and the ring was on.
    before = activity(DAY - ONE_DAY, "2" * 276 + "0" * 24, offset="-05:00")
    same = activity(DAY, off_until(24), offset="-04:00")
    assert night_off(DAY, before, same) is None


def test_where_days_contradict_each_other_the_ring_was_on():
    before = activity(DAY - ONE_DAY, "2" * 192 + "0" * 96)
    same = activity(DAY, "2" * 96 + "2" * 288, hour=0)
    assert night_off(DAY, before, same).minutes == 240


@pytest.mark.parametrize("minutes", [(170, 200), (None, None)])
@pytest.mark.parametrize(
    ("before", "same"),
    [
        (worn_until(192)[:-1], off_until(72)),
        (worn_until(192), "0" * 71),
        (None, off_until(72)),
        (worn_until(192), None),
        ("", ""),
    ],
    ids=["first short", "second short", "first missing", "second missing", "none"],
)
def test_night_known_in_part_is_judged_by_minutes(before, same, minutes):
    days = [
        activity(DAY - ONE_DAY, before, minutes=minutes[0]),
        activity(DAY, same, minutes=minutes[1]),
    ]
    found = night_off(DAY, *days)
    assert (found and found.span) == ("both_days" if minutes[0] else None)


def test_classes_after_the_fetch_are_not_known():
    # Fetched at 08:00 local: what follows was still to come.
    at = datetime(2026, 3, 11, 7, tzinfo=UTC)
    assert off_in(worn_until(192), off_until(72), fetched_at=at) is None
    assert off_in(worn_until(192), off_until(72), fetched_at=at + timedelta(hours=2))


def test_classes_after_the_fetch_are_not_worn():
    # Fetched at 22:00 local; from 20:00 on, the other day has the ring off.
    before = activity(
        DAY - ONE_DAY, worn_until(ALL_DAY), fetched_at=datetime(2026, 3, 10, 21, tzinfo=UTC)
    )
    same = activity(DAY - ONE_DAY, off_until(ALL_DAY), hour=20)
    assert night_off(DAY, before, same).minutes == 720


@pytest.mark.parametrize("moment", ["0002-01-01", "9998-12-31"])
def test_documents_of_another_time_decide_nothing(moment):
    days = [activity(moment, "0" * ALL_DAY) for _ in range(2)]
    assert night_off(DAY, *days) is None


classes = st.text("0123", max_size=320)
hours = st.sampled_from(["+00:00", "+05:45", "-11:00", "+14:00"])


@given(classes, classes, hours, hours)
def test_any_classes_are_off_for_at_most_the_night(before, same, first, second):
    found = night_off(
        DAY,
        activity(DAY - ONE_DAY, before, offset=first, minutes=None),
        activity(DAY, same, offset=second, minutes=None),
    )
    assert found is None or 240 <= found.minutes <= 840


# Minutes alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "same", "found"),
    [
        (170, 200, (370, "both_days")),
        (100, 200, (300, "both_days")),
        (99, 700, None),
        (700, 99, None),
        (100, 199, None),
        (None, 700, None),
        (700, None, None),
        (0, 1199, None),
        (0, 1200, (1200, "day")),
        (1440, None, (1440, "day_before")),
        (1440, 1440, (2880, "both_days")),
    ],
)
def test_minutes_of_both_days_or_of_a_whole_one(before, same, found):
    assert by_minutes(before, same) == found
