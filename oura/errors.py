"""Errors of Oura's API and of the processor: one class for each way in which callers react.

OuraError
├── OuraUnavailable      no answer, 5xx, or no valid JSON: a retry may succeed
│   ├── OuraUnreachable  no connection at all
│   └── OuraRateLimited  429: a retry may succeed after `retry_after` seconds
├── CollectionDown       neither recent nor older days of a collection are answered
│   └── OuraDown         and another collection isn't, either
├── KnownFailure         an earlier run's failure of a day next to this one
├── OuraUnauthorized     401: only a new token helps
│   └── Disconnected     only a new consent of the person helps
├── OuraForbidden        403, 426: only the person can fix it, at Oura
├── OuraBadAnswer        an answer that would be the same next time
│   └── OuraNotFound     404
├── OtherOwner           the data are another Oura account's
└── UnexpectedError      the database fails, or a bug in myhealth

RunEnded is no failure: the person has ended the run.
"""

from typing import Self

import structlog

from myhealth.states import FailureKind

log = structlog.get_logger("oura.errors")


class OuraError(Exception):
    """The base class. The text is a sentence for people: what happened, and what to do.

    `status` is the HTTP status, `collection` Oura's collection, and `page` its page, from 1; each
    as far as it is known. `is_divisible`: Oura may answer if it is asked for fewer days at once.
    """

    kind: str = FailureKind.ERROR
    is_divisible = False
    status: int | None = None
    collection = ""
    page: int | None = None


class OuraUnavailable(OuraError):
    kind = FailureKind.UNAVAILABLE
    is_divisible = True


class OuraUnreachable(OuraUnavailable):
    is_divisible = False


class OuraRateLimited(OuraUnavailable):
    kind = FailureKind.RATE_LIMITED
    is_divisible = False

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class CollectionDown(OuraError):
    """Stands for the error with which Oura answers for days far apart."""

    kind = FailureKind.UNAVAILABLE
    sentence = "Oura does not answer this request at all. The last problem: {}"

    @classmethod
    def by(cls, error: OuraError) -> Self:
        down = cls(cls.sentence.format(error))
        down.status, down.collection, down.page = error.status, error.collection, error.page
        return down


class OuraDown(CollectionDown):
    sentence = "Oura did not answer any of several requests. The last problem: {}"


class KnownFailure(OuraError):
    """It names no collection, since no collection has failed for the day itself."""

    def __init__(self, kind: str, status: int | None) -> None:
        super().__init__(
            "Oura fails to answer for a day next to this one, and lists nothing for this one."
        )
        self.kind, self.status = kind, status


class OuraUnauthorized(OuraError):
    kind = FailureKind.UNAUTHORIZED


class Disconnected(OuraUnauthorized):
    kind = FailureKind.DISCONNECTED


class OuraForbidden(OuraError):
    kind = FailureKind.FORBIDDEN


class OuraBadAnswer(OuraError):
    kind = FailureKind.BAD_ANSWER
    is_divisible = True


class OuraNotFound(OuraBadAnswer):
    is_divisible = False


class OtherOwner(OuraError):
    kind = "other_owner"


class UnexpectedError(OuraError):
    """Stands for an error that no code expects, in reports."""


def log_unexpected(error: Exception, **fields: str) -> UnexpectedError:
    """Log an error that no code expects, and return what to report.

    The log has its traceback, unless the database is the reason.
    """
    # A collector without a database does not have to load what knows its errors.
    from myhealth.postgresql.errors import trouble

    if found := trouble(error):
        log.error("database unavailable", reason=found.advice, **fields)
        return UnexpectedError(found.advice)
    name = type(error).__name__
    log.exception("unexpected error", error_type=name, **fields)
    return UnexpectedError(f"Unexpected {name}; the log has the traceback.")


class RunEnded(Exception):
    """The person's data, account or connection were deleted, so nothing more is collected."""


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
