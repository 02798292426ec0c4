"""The words and sentences about a day's state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from myhealth.states import Cause, Failure, FailureKind, OffSpan, RingOff, State, Verdict

AT = datetime(2026, 3, 14, 6, 30, tzinfo=UTC)
FAILURE = Failure(FailureKind.BAD_ANSWER, 502, "daily_sleep", 3, 4, AT)


def test_failure_names_what_failed_and_next_attempt():
    assert FAILURE.reason == (
        "Fetching the sleep score failed on page 3: unexpected answer from Oura (HTTP status 502). "
        "Tried 4 times, last on 2026-03-14 at 06:30 UTC; next attempt on 2026-03-14 at 10:20 UTC."
    )


def test_failure_leaves_out_what_is_unknown():
    failure = replace(FAILURE, collection="", page=None, status=None, attempts=1)
    assert failure.reason == (
        "Fetching the data failed: unexpected answer from Oura. "
        "Tried once, on 2026-03-14 at 06:30 UTC; next attempt on 2026-03-14 at 06:30 UTC."
    )


def test_refusal_names_what_is_missing():
    failure = replace(FAILURE, kind=FailureKind.FORBIDDEN, status=403)
    assert failure.reason == (
        "Oura denied access to the sleep score (HTTP status 403): the connection has ended, a "
        "scope was not granted, or the Oura membership has expired. "
        "Tried 4 times, last on 2026-03-14 at 06:30 UTC."
    )


def test_failure_to_fetch_stored_day_again_says_so():
    assert FAILURE.reason_of_stored == (
        "Stored, but the last attempt to fetch it again failed (the sleep score, page 3): "
        "unexpected answer from Oura (HTTP status 502). Tried 4 times, last on 2026-03-14 at 06:30 "
        "UTC; next attempt on 2026-03-14 at 10:20 UTC."
    )


def test_refusal_to_fetch_stored_day_again_names_what_is_missing():
    failure = replace(FAILURE, kind=FailureKind.DISCONNECTED, status=None, attempts=1)
    assert failure.reason_of_stored == (
        "Stored, but the last attempt to fetch it again failed: Oura denied access to the sleep "
        "score: the connection has ended, a scope was not granted, or the Oura membership has "
        "expired. Tried once, on 2026-03-14 at 06:30 UTC."
    )


@pytest.mark.parametrize(
    ("alike", "days", "lasts"),
    [(10, 30, True), (9, 30, False), (10, 29.99, False), (200, 400, True)],
)
def test_failure_lasts_after_ten_alike_over_thirty_days(alike, days, lasts):
    failure = replace(FAILURE, attempts=300, alike=alike, since=AT - timedelta(days=days))
    assert failure.is_lasting == lasts


def test_failure_since_nobody_knows_when_does_not_last():
    assert not replace(FAILURE, attempts=300, alike=300, since=None).is_lasting


OFF = RingOff(1440, OffSpan.DAY)


def test_reasons_are_also_those_of_several_days():
    off = [RingOff(370, span) for span in OffSpan]
    reasons = [*Cause.labels, *(each.reason for each in off)]
    reasons += [Verdict(state).reason or "" for state in State]
    assert not [each for each in reasons if "this day" in each.lower()]


@pytest.mark.parametrize(
    ("off", "reason"),
    [
        (OFF, "The ring was off for 24 h 00 min of the day."),
        (RingOff(1205, OffSpan.DAY_BEFORE), "The ring was off for 20 h 05 min of the day before."),
        (
            RingOff(450, OffSpan.NIGHT),
            "The ring was off for 7 h 30 min during the night (20:00 to 10:00).",
        ),
        (
            RingOff(370, OffSpan.BOTH_DAYS),
            "The ring was off for 6 h 10 min of the day and the day before.",
        ),
    ],
)
def test_ring_off_says_how_long_and_when(off, reason):
    assert Verdict(State.NOT_WORN, off=off).reason == reason


def test_stored_day_has_every_reason_that_applies():
    verdict = Verdict(State.HELD, off=OFF, failure=FAILURE)
    assert verdict.reason == f"{OFF.reason} {FAILURE.reason_of_stored}"


def test_stored_day_without_anything_to_say_has_no_reason():
    assert Verdict(State.HELD).reason is None


@pytest.mark.parametrize(
    ("collection", "words"),
    [
        ("daily_sleep", "the sleep score"),
        ("sleep", "the details of the night"),
        ("daily_of_a_newer_version", "the daily of a newer version"),
    ],
)
def test_reasons_name_collections_as_people_do(collection, words):
    lacking = Verdict(State.PARTIAL, missing_collection=collection)
    assert lacking.reason == f"Oura has not sent {words}."
    assert f"Fetching {words} failed" in replace(FAILURE, collection=collection).reason


def test_day_with_only_rest_says_that_none_counts():
    assert Verdict(State.PARTIAL, missing_collection="sleep:rest").reason == (
        "Oura has only sleep periods that are rest or were deleted, and these do not count."
    )


def test_day_without_ring_is_the_wearers():
    assert State.NOT_WORN.fault == "wearer"


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 0), (2, 0), (3, 110), (4, 230), (5, 470), (6, 950), (7, 1430), (50, 1430)],
)
def test_next_attempt_waits_longer_up_to_a_day(attempts, minutes):
    assert replace(FAILURE, attempts=attempts).next_at == AT + timedelta(minutes=minutes)


@pytest.mark.parametrize("state", [state for state in State if state != State.HELD])
def test_every_state_but_held_has_a_fault(state):
    assert state.fault


def test_held_has_no_fault():
    assert State.HELD.fault is None


def test_unknown_kind_of_failure_is_an_error():
    assert FailureKind("of_a_newer_version") is FailureKind.ERROR
