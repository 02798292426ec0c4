"""How often, and how long, we try again. The server's own word on waiting wins."""

import time
from collections.abc import Callable

import tenacity
import urllib3

ATTEMPTS = 5
# Longer than this we don't hold a run: the next one comes anyway.
LONGEST_WAIT = 330.0

backoff = tenacity.wait_exponential_jitter(multiplier=0.5, max=20, jitter=0.5)


class Waiting:
    """What a run may still wait between tries, in seconds, whomever it waits for."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, seconds: float = LONGEST_WAIT
    ) -> None:
        self.sleep = sleep
        self.left = seconds

    def retrying(self, worth_it: type[Exception]) -> tenacity.Retrying:
        """Retry on `worth_it`, ATTEMPTS times or while the wait is left; raise the last error."""
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(worth_it),
            wait=_wait,
            stop=self._given_up,
            sleep=self._spend,
            reraise=True,
        )

    def _given_up(self, state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= ATTEMPTS or state.upcoming_sleep > self.left

    def _spend(self, seconds: float) -> None:
        self.left -= seconds
        self.sleep(seconds)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return float(getattr(error, "retry_after", 0)) or backoff(state)


def retry_after(header: str | None) -> float:
    """Seconds that a `Retry-After` header asks for, in either of its forms.

    0 without one, for one that can't be read, and for a time that has passed.
    """
    try:
        return urllib3.Retry().parse_retry_after(header) if header else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0
