"""How often, and after how long, requests are retried."""

from datetime import UTC, datetime

import pytest
import time_machine

from oura.errors import OuraRateLimited, OuraUnavailable
from oura.retries import LONGEST_WAIT, MAX_ATTEMPTS, RetryTime, retry_after

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        ("-3", 0),
        ("nan", 0),
        ("inf", 0),
        ("9" * 400, 21_600),
        ("soon", 0),
        ("Wed, 21 Oct 2026 07:28:09 GMT", 9),
        ("Wed, 21 Oct 2026 07:28:09 -0000", 9),
        ("Wed, 21 Oct 2026 07:28:09", 9),
        ("Wed, 21 Oct 2026 09:28:09 +0200", 9),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("Wed, 31 Feb 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2026 07:28:00 +9999999999999", 0),
    ],
)
def test_retry_after_is_parsed_in_every_form(header, seconds):
    with time_machine.travel(NOW, tick=False):
        assert retry_after(header) == seconds


class Failing:
    """Raises an error each time, and counts how often it was called."""

    def __init__(self, error):
        self.error, self.calls = error, 0

    def __call__(self):
        self.calls += 1
        raise self.error


def fail(waiting, error):
    failing = Failing(error)
    with pytest.raises(type(error)):
        waiting.retrying(OuraUnavailable)(failing)
    return failing.calls


def test_lasting_failure_is_retried_a_limited_number_of_times():
    assert fail(RetryTime(lambda _: None), OuraUnavailable("away")) == MAX_ATTEMPTS


def test_pauses_grow_with_each_attempt():
    pauses = []
    fail(RetryTime(pauses.append), OuraUnavailable("away"))
    assert pauses == sorted(pauses)
    assert pauses[-1] > 2 * pauses[0] > 0


def test_retry_after_takes_precedence():
    pauses = []
    fail(RetryTime(pauses.append), OuraRateLimited("slow down", 7))
    assert pauses == [7.0] * (MAX_ATTEMPTS - 1)


def test_wait_above_the_limit_is_not_started():
    pauses = []
    assert fail(RetryTime(pauses.append), OuraRateLimited("slow down", LONGEST_WAIT + 1)) == 1
    assert pauses == []


def test_infinite_wait_is_not_started():
    assert fail(RetryTime(lambda _: None), OuraRateLimited("slow down", float("inf"))) == 1


def test_waits_of_a_run_are_limited_in_total():
    pauses = []
    waiting = RetryTime(pauses.append)
    for _ in range(9):
        fail(waiting, OuraRateLimited("slow down", 100))
    assert pauses == [100.0, 100.0, 100.0]
