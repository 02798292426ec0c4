"""Days with a row: held or partial; and days with only a rejected document."""

from tests.ingest.ledger.facts import HOUR, SETTLED, FactsBuilder, day, one_night_missing


def test_day_with_row_is_held():
    assert one_night_missing().state(when=day(9)) == "held"


def test_held_needs_no_reason():
    assert one_night_missing().verdict(when=day(9)).reason is None


def test_later_failure_leaves_day_held():
    assert one_night_missing().failed(SETTLED + HOUR).state(when=day(9)) == "held"


def test_held_has_time_of_last_complete_fetch():
    assert one_night_missing().verdict(when=day(9)).asked_at == SETTLED


def test_row_without_known_fetch_is_held():
    verdict = FactsBuilder().stored(0, 9).verdict(when=day(9))
    assert (verdict.state, verdict.asked_at) == ("held", None)


def test_row_with_missing_collection_is_partial():
    verdict = FactsBuilder().stored(10, 10, missing="sleep").fetched().verdict()
    assert (verdict.state, verdict.missing_collection) == ("partial", "sleep")
    assert verdict.reason == "Oura has no sleep document for this day."


def test_day_with_only_rejected_document_is_rejected():
    verdict = one_night_missing().rejected(10).verdict()
    assert (verdict.state, verdict.rejected) == ("rejected", 7)
    assert "can't be stored" in verdict.reason


def test_rejected_document_of_other_type_changes_nothing():
    assert one_night_missing().rejected(10, "activity").state() == "none"


def test_held_day_names_newer_rejected_version():
    verdict = one_night_missing().rejected(9).verdict(when=day(9))
    assert (verdict.state, verdict.cause, verdict.rejected) == ("held", "rejected", 7)
    assert verdict.reason == "A newer version of this day could not be stored."
