"""Errors of Oura's API and of the processor: one class for each way in which callers react.

OuraError
├── OuraUnavailable      no answer, 5xx, or no valid JSON: a retry may succeed
│   └── OuraRateLimited  429: a retry may succeed after `retry_after` seconds
├── OuraUnauthorized     401: only a new token helps
│   └── Disconnected     only a new consent of the person helps
├── OuraForbidden        403, 426: only the person can fix it, at Oura
├── OuraBadAnswer        an answer that would be the same next time
└── UnexpectedError      a bug in myhealth
"""

from myhealth.states import FailureKind


class OuraError(Exception):
    """The base class. The text is a sentence for people: what happened, and what to do.

    `status` is the HTTP status, `collection` Oura's collection, and `page` its page, from 1; each
    as far as it is known.
    """

    kind: str = FailureKind.ERROR
    status: int | None = None
    collection = ""
    page: int | None = None


class OuraUnavailable(OuraError):
    kind = FailureKind.UNAVAILABLE


class OuraRateLimited(OuraUnavailable):
    kind = FailureKind.RATE_LIMITED

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class OuraUnauthorized(OuraError):
    kind = FailureKind.UNAUTHORIZED


class Disconnected(OuraUnauthorized):
    kind = FailureKind.DISCONNECTED


class OuraForbidden(OuraError):
    kind = FailureKind.FORBIDDEN


class OuraBadAnswer(OuraError):
    kind = FailureKind.BAD_ANSWER


class UnexpectedError(OuraError):
    """Stands for an error that no code expects, in reports; the log has its traceback."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"Unexpected {type(error).__name__}; the log has the traceback.")


class ProcessorError(Exception):
    """A request to the processor failed; the text says what to do."""

    kind: str = FailureKind.PROCESSOR
    status: int | None = None


class ProcessorUnavailable(ProcessorError):
    """No answer, or one that says to try again later."""

    kind = "processor_unavailable"

    def __init__(self, sentence: str, retry_after: float = 0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
