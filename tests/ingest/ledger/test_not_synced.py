"""Days that have not reached Oura yet, as far as anyone can tell; and days never fetched."""

from datetime import timedelta

from myhealth.days import over_at
from tests.ingest.ledger.facts import DAY, HOUR, SETTLED, TWO_WEEKS, FactsBuilder

ONE_RUN = timedelta(minutes=15)


def test_day_fetched_before_it_was_over_is_not_synced():
    builder = FactsBuilder().stored(0, 9).fetched(over_at(DAY) - timedelta(seconds=1))
    assert builder.state() == ("not_synced", "early")
    assert builder.verdict().reason.startswith("Oura was asked before the day was over")


def test_day_fetched_the_moment_it_was_over_waits():
    assert FactsBuilder().stored(0, 9).fetched(over_at(DAY)).state() == ("not_synced", "waiting")


def test_newest_day_waits_for_sync():
    builder = FactsBuilder().stored(0, 9).fetched()
    assert builder.state() == ("not_synced", "waiting")
    assert "open the Oura app with the ring nearby" in builder.verdict().reason


def test_newest_day_waits_for_sync_for_ever():
    builder = FactsBuilder().stored(0, 9).fetched(SETTLED + 10 * TWO_WEEKS)
    assert builder.state() == ("not_synced", "waiting")


def test_later_day_stored_since_asks_for_another_fetch():
    builder = FactsBuilder().stored(0, 9).fetched()
    builder.stored(11, 40, created_at=SETTLED + ONE_RUN + HOUR)
    assert builder.state() == ("not_synced", "late")
    expected = "Oura will be asked again, because a later day has arrived."
    assert builder.verdict().reason == expected


def test_later_day_stored_by_same_run_settles_day():
    builder = FactsBuilder().stored(0, 9).stored(11, 40, created_at=SETTLED + ONE_RUN).fetched()
    assert builder.state() == "none"


def test_later_day_of_other_type_settles_nothing():
    builder = FactsBuilder().stored(0, 9).stored(11, 40, "activity").fetched()
    assert builder.state() == ("not_synced", "waiting")


def test_day_never_fetched_is_not_asked():
    verdict = FactsBuilder().stored(0, 9).verdict()
    assert (verdict.state, verdict.asked_at) == ("not_asked", None)
    assert verdict.reason == "myhealth has not asked Oura yet."
