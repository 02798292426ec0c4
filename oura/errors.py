"""What can go wrong with somebody else's API, one class for each thing a caller does differently.

OuraError
├── OuraUnavailable      no answer, 5xx, or garbage: worth another try
│   └── OuraRateLimited  429: worth another try after `retry_after` seconds
├── OuraUnauthorized     401: only a new token helps
│   └── Disconnected     only a new consent of the person's does
├── OuraForbidden        403, 426: only the person can help, at Oura
└── OuraBadAnswer        an answer that will be the same next time
"""


class OuraError(Exception):
    """Its text is a sentence for people: what happened, and what to do.

    As far as they are known: the HTTP status, Oura's collection, and its page, from 1.
    """

    kind = "error"
    status: int | None = None
    collection = ""
    page: int | None = None


class OuraUnavailable(OuraError):
    kind = "unavailable"


class OuraRateLimited(OuraUnavailable):
    kind = "rate_limited"

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class OuraUnauthorized(OuraError):
    kind = "unauthorized"


class Disconnected(OuraUnauthorized):
    kind = "disconnected"


class OuraForbidden(OuraError):
    kind = "forbidden"


class OuraBadAnswer(OuraError):
    kind = "bad_answer"


class ProcessorError(Exception):
    """The processor did not take documents; the text says what to do."""

    kind = "processor"
    status: int | None = None


class ProcessorUnavailable(ProcessorError):
    """No answer, or one that says to come again."""

    kind = "processor_unavailable"

    def __init__(self, sentence: str, retry_after: float = 0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
