"""Days that Oura has nothing for."""

from myhealth.days import over_at
from tests.ingest.ledger.facts import (
    DAY,
    HOUR,
    SETTLED,
    TWO_WEEKS,
    FactsBuilder,
    day,
    one_night_missing,
)


def test_day_fetched_when_over_with_later_rows_is_none():
    verdict = one_night_missing().verdict()
    assert (verdict.state, verdict.cause, verdict.asked_at) == ("none", None, SETTLED)
    assert verdict.reason == "Oura has no data that counts, although the ring has synced since."


def test_day_before_first_row_is_none():
    verdict = FactsBuilder().stored(11, 40).fetched().verdict()
    assert (verdict.state, verdict.cause) == ("none", "before")
    assert verdict.reason == "Your data of this kind starts on a later day."


def test_first_row_may_be_older_than_rows_read():
    builder = FactsBuilder().stored(11, 40).fetched()
    builder.facts.first["sleep"] = day(0)
    assert builder.state() == "none"


def test_without_any_row_day_is_none_after_two_weeks():
    assert FactsBuilder().fetched(over_at(DAY) + TWO_WEEKS).state() == "none"


def test_without_any_row_day_waits_two_weeks():
    early = FactsBuilder().fetched(over_at(DAY) + TWO_WEEKS - HOUR)
    assert early.state() == ("not_synced", "waiting")


def test_complete_fetches_in_a_row_are_counted():
    assert FactsBuilder().stored(0, 9).stored(11, 40).fetched(times=2).verdict().times == 2
