"""Days with a row: held or partial; and days with only a rejected document."""

import pytest

from myhealth.days import Days
from tests.ingest.ledger.facts import HOUR, SETTLED, FactsBuilder, day, one_night_missing


def test_day_with_row_is_held():
    assert one_night_missing().state(when=day(9)) == "held"


def test_held_needs_no_reason():
    assert one_night_missing().verdict(when=day(9)).reason is None


def test_later_failure_leaves_day_held():
    assert one_night_missing().failed(SETTLED + HOUR).state(when=day(9)) == "held"


def test_held_day_says_that_newer_fetch_failed():
    verdict = one_night_missing().failed(SETTLED + HOUR, attempts=3).verdict(when=day(9))
    assert verdict.reason == verdict.failure.reason_of_stored
    assert verdict.failure.next_at > SETTLED + HOUR


def test_partial_day_says_that_newer_fetch_failed():
    builder = FactsBuilder().stored(10, 10, missing="sleep").fetched().failed(SETTLED + HOUR)
    verdict = builder.verdict()
    assert verdict.state == "partial"
    assert verdict.reason.startswith("Oura has not sent the details of the night. Stored, but ")


@pytest.mark.parametrize("hours", [-1, 0])
def test_failure_before_last_complete_fetch_is_settled(hours):
    verdict = one_night_missing().failed(SETTLED + hours * HOUR).verdict(when=day(9))
    assert (verdict.failure, verdict.reason) == (None, None)


def test_failure_before_day_was_stored_is_settled():
    builder = FactsBuilder().stored(0, 9).failed(SETTLED, 0, 20)
    builder.facts.renewed["sleep"] = [Days(day(3), day(9))]
    assert [builder.verdict(day(n)).failure is None for n in (2, 3, 9, 10)] == [
        False,
        True,
        True,
        False,
    ]


def test_held_day_whose_newer_document_was_rejected_says_so():
    verdict = one_night_missing().failed(SETTLED + HOUR, kind="rejected").verdict(when=day(9))
    assert (verdict.state, verdict.cause, verdict.rejected) == ("held", "rejected", None)
    assert verdict.failure.kind == "rejected"


def test_held_has_time_of_last_complete_fetch():
    assert one_night_missing().verdict(when=day(9)).asked_at == SETTLED


def test_row_without_known_fetch_is_held():
    verdict = FactsBuilder().stored(0, 9).verdict(when=day(9))
    assert (verdict.state, verdict.asked_at) == ("held", None)


def test_row_with_missing_collection_is_partial():
    verdict = FactsBuilder().stored(10, 10, missing="sleep").fetched().verdict()
    assert (verdict.state, verdict.missing_collection) == ("partial", "sleep")
    assert verdict.reason == "Oura has not sent the details of the night."


def test_day_with_only_rejected_document_is_rejected():
    verdict = one_night_missing().rejected(10).verdict()
    assert (verdict.state, verdict.rejected) == ("rejected", 7)
    assert "can't be stored" in verdict.reason


def test_rejected_document_of_other_type_changes_nothing():
    assert one_night_missing().rejected(10, "activity").state() == "none"


def test_held_day_names_newer_rejected_version():
    verdict = one_night_missing().rejected(9).verdict(when=day(9))
    assert (verdict.state, verdict.cause, verdict.rejected) == ("held", "rejected", 7)
    assert verdict.reason == "A newer version could not be stored."
