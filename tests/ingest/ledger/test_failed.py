"""Days whose last fetch failed."""

import pytest

from myhealth.days import over_at
from tests.ingest.ledger.facts import DAY, HOUR, SETTLED, FactsBuilder, one_night_missing


def test_day_of_failed_fetch_is_failed():
    verdict = FactsBuilder().failed().verdict()
    assert (verdict.state, verdict.failure.attempts) == ("failed", 1)
    assert verdict.reason == verdict.failure.reason


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "disconnected"])
def test_day_that_oura_refuses_is_no_permission(kind):
    assert FactsBuilder().failed(kind=kind).state() == "no_permission"


def test_day_whose_document_was_rejected_stays_rejected():
    assert FactsBuilder().failed(kind="rejected").state() == "rejected"


def test_failure_after_early_fetch_makes_day_failed():
    builder = FactsBuilder().stored(0, 9).fetched(over_at(DAY) - HOUR)
    assert builder.failed(SETTLED).state() == "failed"


def test_complete_fetch_replaces_earlier_failure():
    builder = FactsBuilder().stored(0, 9).failed(SETTLED - HOUR).fetched()
    assert builder.state() == ("not_synced", "waiting")


def test_failure_leaves_settled_day_settled():
    assert one_night_missing().failed(SETTLED + HOUR).state() == "none"


def test_failure_of_other_days_changes_nothing():
    assert FactsBuilder().failed(SETTLED, 11, 40).state() == "not_asked"
