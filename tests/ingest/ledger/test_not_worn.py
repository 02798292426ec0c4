"""Nights and days on which the ring was not worn."""

import pytest

from metrics import TYPES
from myhealth.days import over_at
from tests.ingest.ledger.facts import (
    DAY,
    HOUR,
    SETTLED,
    TWO_WEEKS,
    FactsBuilder,
    day,
    one_day_missing_everywhere,
    one_night_missing,
)


def night_missing_with_activity():
    return one_night_missing().stored(0, 40, "activity")


def test_ring_off_on_both_days_explains_night():
    verdict = night_missing_with_activity().ring_off({9: 170, 10: 200}).verdict()
    assert (verdict.state, verdict.off.minutes) == ("not_worn", 370)
    expected = "The ring was off for 6 h 10 min of the day and the day before."
    assert verdict.reason == expected


@pytest.mark.parametrize("minutes", [{10: 700}, {9: 700}], ids=["that day", "the day before"])
def test_ring_off_on_one_day_explains_nothing(minutes):
    assert night_missing_with_activity().ring_off(minutes).state() == "none"


@pytest.mark.parametrize(("minutes", "state"), [(149, "none"), (150, "not_worn")])
def test_ring_off_explains_night_from_five_hours_on(minutes, state):
    assert night_missing_with_activity().ring_off({9: 150, 10: minutes}).state() == state


def test_ring_off_two_days_before_explains_nothing():
    assert night_missing_with_activity().ring_off({8: 700, 9: 700}).state() == "none"


def test_readiness_of_night_outweighs_ring_off():
    builder = night_missing_with_activity().stored(10, 10, "readiness")
    assert builder.ring_off({9: 300, 10: 300}).state() == "none"


def test_ring_off_explains_missing_readiness():
    builder = FactsBuilder().stored(0, 9, "readiness").stored(11, 40, "readiness")
    builder.stored(0, 40, "activity").fetched(SETTLED, 0, 40, *TYPES).ring_off({9: 300, 10: 300})
    assert builder.state(type="readiness") == "not_worn"


def test_ring_off_does_not_explain_missing_activity():
    builder = FactsBuilder().stored(0, 9, "activity").stored(11, 40, "activity")
    builder.fetched(SETTLED, 0, 40, "activity").ring_off({9: 300, 10: 300})
    assert builder.state(type="activity") == "none"


@pytest.mark.parametrize(
    ("wait", "state"),
    [(TWO_WEEKS - HOUR, ("not_synced", "waiting")), (TWO_WEEKS, "not_worn")],
    ids=["before", "after"],
)
def test_ring_off_explains_newest_night_after_two_weeks(wait, state):
    builder = FactsBuilder().stored(0, 9).stored(0, 40, "activity").ring_off({9: 300, 10: 300})
    assert builder.fetched(over_at(DAY) + wait).state() == state


def test_nothing_of_any_type_means_not_worn():
    verdict = one_day_missing_everywhere().verdict()
    assert (verdict.state, verdict.cause) == ("not_worn", "nothing")
    assert "its battery was empty" in verdict.reason


def test_row_of_other_type_means_none():
    builder = one_day_missing_everywhere()
    builder.facts.stored["readiness"] = []
    assert builder.stored(0, 40, "readiness").state() == "none"


def test_rejected_document_of_other_type_means_none():
    assert one_day_missing_everywhere().rejected(10, "activity").state() == "none"


def test_other_type_never_fetched_means_none():
    assert one_day_missing_everywhere(not_fetched=["activity"]).state() == "none"


def test_other_type_fetched_too_early_means_none():
    builder = one_day_missing_everywhere(not_fetched=["activity"])
    assert builder.fetched(over_at(DAY) - HOUR, 0, 40, "activity").state() == "none"


def only_that_ring_was_off(minutes=1440):
    """Of one day Oura has nothing but an activity day without the ring."""
    builder = one_day_missing_everywhere()
    builder.facts.stored["activity"] = []
    builder.stored(0, 9, "activity").stored(10, 10, "activity", off=minutes)
    return builder.stored(11, 40, "activity")


def test_day_without_ring_is_held_and_says_so():
    verdict = only_that_ring_was_off().verdict(type="activity")
    assert verdict.state == "held"
    assert verdict.reason == "The ring was off for 24 h 00 min of the day."


def test_days_around_day_without_ring_need_no_reason():
    builder = only_that_ring_was_off()
    reasons = [builder.verdict(day(n), "activity").reason for n in (9, 11)]
    assert reasons == [None, None]


@pytest.mark.parametrize("type_", ["sleep", "readiness"])
def test_row_of_day_without_ring_shows_no_wear(type_):
    verdict = only_that_ring_was_off().verdict(type=type_)
    assert (verdict.state, verdict.off) == ("not_worn", (1440, "day"))


def test_row_of_day_with_ring_shows_wear():
    assert only_that_ring_was_off(minutes=None).state() == "none"


@pytest.mark.parametrize("number", [10, 11])
def test_night_before_or_after_day_without_ring_was_not_worn(number):
    builder = FactsBuilder().stored(0, number - 1).stored(number + 1, 40).stored(0, 40, "activity")
    builder.fetched(over_at(day(number)) + HOUR).ring_off({9: 0, 10: 1440, 11: 0})
    assert builder.state(when=day(number)) == "not_worn"
