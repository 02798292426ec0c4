"""The words and sentences about a day's state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from myhealth.states import Failure, FailureKind, State

AT = datetime(2026, 3, 14, 6, 30, tzinfo=UTC)
FAILURE = Failure(FailureKind.BAD_ANSWER, 502, "daily_sleep", 3, 4, AT)


def test_failure_names_what_failed_and_next_attempt():
    assert FAILURE.reason == (
        "Fetching daily_sleep failed on page 3: unexpected answer from Oura (HTTP status 502). "
        "Tried 4 times, last on 2026-03-14 at 06:30 UTC; next attempt on 2026-03-14 at 10:20 UTC."
    )


def test_failure_leaves_out_what_is_unknown():
    failure = replace(FAILURE, collection="", page=None, status=None, attempts=1)
    assert failure.reason == (
        "Fetching the data failed: unexpected answer from Oura. "
        "Tried once, last on 2026-03-14 at 06:30 UTC; next attempt on 2026-03-14 at 06:30 UTC."
    )


def test_refusal_names_what_is_missing():
    failure = replace(FAILURE, kind=FailureKind.FORBIDDEN, status=403)
    assert failure.reason == (
        "Oura denied access to daily_sleep (HTTP status 403): the connection has ended, a scope "
        "was not granted, or the Oura membership has expired. "
        "Tried 4 times, last on 2026-03-14 at 06:30 UTC."
    )


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
