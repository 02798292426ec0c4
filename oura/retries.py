"""How often requests are retried, and after how long. A server's Retry-After takes precedence."""

import time
from collections.abc import Callable

import tenacity
import urllib3

MAX_ATTEMPTS = 5
# A run waits no longer than this in all, in seconds: the next run comes anyway.
LONGEST_WAIT = 330.0

_backoff = tenacity.wait_exponential_jitter(multiplier=0.5, max=20, jitter=0.5)


class RetryTime:
    """The seconds that a run may still wait before retries, for all servers together."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, seconds: float = LONGEST_WAIT
    ) -> None:
        self.sleep = sleep
        self.remaining = seconds

    def retrying(self, *errors: type[Exception]) -> tenacity.Retrying:
        """Retry on these errors until MAX_ATTEMPTS or the time is used up; raise the last one."""
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(errors),
            wait=_wait,
            stop=self._should_stop,
            sleep=self._sleep,
            reraise=True,
        )

    def _should_stop(self, state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= MAX_ATTEMPTS or state.upcoming_sleep > self.remaining

    def _sleep(self, seconds: float) -> None:
        self.remaining -= seconds
        self.sleep(seconds)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return float(getattr(error, "retry_after", 0)) or _backoff(state)


def retry_after(header: str | None) -> float:
    """Return the seconds that a `Retry-After` header of either form asks to wait.

    0 without a header, for one that can't be parsed, and for a time that has passed.
    """
    try:
        return urllib3.Retry().parse_retry_after(header) if header else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0
