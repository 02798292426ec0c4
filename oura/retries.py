"""How often, and how long, we try again. The server's own word on waiting wins."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity

ATTEMPTS = 5
# Longer than this we don't hold a run: the next one comes anyway.
LONGEST_WAIT = 330.0

backoff = tenacity.wait_exponential_jitter(initial=0.5, max=20, jitter=0.5)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wanted = float(getattr(error, "retry_after", 0) or 0)
    return max(wanted, 0.0) or backoff(state)


def _given_up(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    wanted = float(getattr(error, "retry_after", 0) or 0)
    return state.attempt_number >= ATTEMPTS or wanted > LONGEST_WAIT


def retrying(
    worth_it: type[Exception], sleep: Callable[[float], None] = time.sleep
) -> tenacity.Retrying:
    """Retry on `worth_it`, at most ATTEMPTS times, then raise the last error itself."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(worth_it),
        wait=_wait,
        stop=_given_up,
        sleep=sleep,
        reraise=True,
    )


def retry_after(header: str | None, now: datetime | None = None) -> float:
    """Seconds that a `Retry-After` header asks for, in either of its forms; 0 without one."""
    if not header:
        return 0.0
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max((then - (now or datetime.now(UTC))).total_seconds(), 0.0)
