"""The state of a day: what it can be, why, who can fix it, and the sentences that say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import TextChoices

from metrics import collection_in_words
from myhealth import preferences

# Up to this many failures in a row, the next run tries again.
_ATTEMPTS_WITHOUT_WAIT = 2
# After so many failures alike, over so long a time, a failure lasts.
_LASTING_ATTEMPTS, _LASTING_TIME = 10, timedelta(days=30)


class Fault(TextChoices):
    """Who can fix a missing day."""

    WEARER = "wearer"
    OURA = "oura"
    MYHEALTH = "myhealth"


class State(TextChoices):
    """The state of one day of one type; the label is what people read."""

    HELD = "held", "stored"
    PARTIAL = "partial", "partly stored"
    REJECTED = "rejected", "could not be stored"
    NOT_WORN = "not_worn", "ring not worn"
    NONE = "none", "no data at Oura"
    NO_PERMISSION = "no_permission", "access denied by Oura"
    FAILED = "failed", "could not be fetched"
    NOT_SYNCED = "not_synced", "not synced yet"
    NOT_ASKED = "not_asked", "not fetched yet"

    @property
    def has_row(self) -> bool:
        return self in (State.HELD, State.PARTIAL)

    @property
    def fault(self) -> Fault | None:
        """Who can fix it; None if nothing is missing."""
        return _FAULTS.get(self)


# Days of these states are missing; of partial ones, a part is.
MISSING_STATES = tuple(state.value for state in State if state != State.HELD)
_FAULTS = {
    State.NOT_WORN: Fault.WEARER,
    State.NOT_SYNCED: Fault.WEARER,
    State.NO_PERMISSION: Fault.WEARER,
    State.NONE: Fault.OURA,
    State.PARTIAL: Fault.OURA,
    State.REJECTED: Fault.MYHEALTH,
    State.FAILED: Fault.MYHEALTH,
    State.NOT_ASKED: Fault.MYHEALTH,
}

# The reason of a partial day, for values of `missing_collection` that are no collection's name.
_REASONS_FOR_MISSING = {
    "sleep:rest": "Oura has only sleep periods that are rest or were deleted, and these do not "
    "count.",
}
# The reason of a day with no more particular cause. Reasons are also those of several days.
_REASONS = {
    State.REJECTED: "Oura sent data that can't be stored; administrators can see why.",
    State.NONE: "Oura has no data that counts, although the ring has synced since.",
    State.NOT_ASKED: "myhealth has not asked Oura yet.",
}


class Cause(TextChoices):
    """Why a day has its state, where a state has several causes; the label is its reason."""

    NEWER_REJECTED = "rejected", "A newer version could not be stored."
    NOTHING_AT_ALL = (
        "nothing",
        "Oura has no data of any kind, although later days have arrived: the ring was not worn, "
        "or its battery was empty.",
    )
    BEFORE_FIRST = "before", "Your data of this kind starts on a later day."
    EARLY = "early", "Oura was asked before the day was over, and will be asked again."
    WAITING = (
        "waiting",
        "No later day has reached Oura yet: open the Oura app with the ring nearby.",
    )
    LATE = "late", "Oura will be asked again, because a later day has arrived."
    FUTURE = "future", "The future has no data yet."
    ANCIENT = "ancient", "There were no Oura rings yet."


class FailureKind(TextChoices):
    """Why a fetch failed; the label is what people read."""

    UNAVAILABLE = "unavailable", "no answer from Oura"
    RATE_LIMITED = "rate_limited", "rate limit reached"
    UNAUTHORIZED = "unauthorized", "access token not accepted"
    DISCONNECTED = "disconnected", "not connected"
    FORBIDDEN = "forbidden", "not permitted"
    BAD_ANSWER = "bad_answer", "unexpected answer from Oura"
    PROCESSOR = "processor", "the processor could not store it"
    ERROR = "error", "internal error"
    # Never reported: the processor records it of a day whose only document it can't store.
    REJECTED = "rejected", "document rejected"

    @classmethod
    def _missing_(cls, value: object) -> "FailureKind":
        """Return ERROR for a kind that only a newer version knows."""
        return cls.ERROR

    @property
    def is_refusal(self) -> bool:
        """Whether only the person can help: trying again does not."""
        return self in (self.UNAUTHORIZED, self.FORBIDDEN, self.DISCONNECTED)

    @property
    def state(self) -> State:
        """The state of a day whose last fetch failed like this."""
        if self is FailureKind.REJECTED:
            return State.REJECTED
        return State.NO_PERMISSION if self.is_refusal else State.FAILED


@dataclass(frozen=True)
class Failure:
    """The last of `attempts` failed fetches in a row.

    `collection` is Oura's, `page` counts from 1, `status` is the HTTP status if there was one. The
    last `alike` of the fetches, since the moment `since`, failed for the same reason.
    """

    kind: FailureKind
    status: int | None
    collection: str
    page: int | None
    attempts: int
    at: datetime
    alike: int = 1
    since: datetime | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether it has failed for the same reason so often and so long that it will again."""
        lasted = self.at - (self.since or self.at)
        return self.alike >= _LASTING_ATTEMPTS and lasted >= _LASTING_TIME

    @property
    def next_at(self) -> datetime:
        """When to try again: at the next run at first, later after up to a day."""
        waits = self.attempts - _ATTEMPTS_WITHOUT_WAIT
        if waits <= 0:
            return self.at
        # Ten minutes less, so that an hourly run does not miss its hour by seconds.
        return self.at + timedelta(hours=min(2 ** min(waits, 5), 24)) - timedelta(minutes=10)

    @property
    def reason(self) -> str:
        if self.kind.is_refusal:
            return f"{self._refusal} {self._tried}."
        page = f" on page {self.page}" if self.page else ""
        return f"Fetching {self._what} failed{page}: {self._problem}. {self._tried}{self._next}."

    @property
    def reason_of_stored(self) -> str:
        """The reason of a day that is stored as an earlier fetch brought it."""
        start = "Stored, but the last attempt to fetch it again failed"
        if self.kind.is_refusal:
            return f"{start}: {self._refusal} {self._tried}."
        page = f", page {self.page}" if self.page else ""
        return f"{start} ({self._what}{page}): {self._problem}. {self._tried}{self._next}."

    @property
    def _what(self) -> str:
        return collection_in_words(self.collection) if self.collection else "the data"

    @property
    def _status(self) -> str:
        return f" (HTTP status {self.status})" if self.status else ""

    @property
    def _problem(self) -> str:
        return f"{self.kind.label}{self._status}"

    @property
    def _refusal(self) -> str:
        return (
            f"Oura denied access to {self._what}{self._status}: the connection has ended, a scope "
            "was not granted, or the Oura membership has expired."
        )

    @property
    def _tried(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"Tried {times}{',' if self.attempts == 1 else ', last'} on {_minute(self.at)}"

    @property
    def _next(self) -> str:
        return f"; next attempt on {_minute(self.next_at)}"


_NIGHT = time(20), time(10)


class OffSpan(TextChoices):
    """The time in which the ring was off; the label is the end of a sentence about it."""

    NIGHT = "night", "during the night ({} to {})"
    DAY = "day", "of the day"
    DAY_BEFORE = "day_before", "of the day before"
    BOTH_DAYS = "both_days", "of the day and the day before"


class RingOff(NamedTuple):
    """For how many minutes of some time the ring was off."""

    minutes: int
    span: OffSpan

    @property
    def reason(self) -> str:
        hours, minutes = divmod(self.minutes, 60)
        span = self.span.label.format(*map(preferences.clock, _NIGHT))
        return f"The ring was off for {hours} h {minutes:02} min {span}."


class Verdict(NamedTuple):
    """The state of a day, and all that its reason is made from.

    `missing_collection` is the one of Oura's that a partial day lacks; `off` how long the ring was
    off; `asked_at` when the last complete fetch asked Oura, and `times` how many of them
    in a row did; `rejected` the primary key of the rejected document.
    """

    state: State
    cause: Cause | None = None
    missing_collection: str = ""
    off: RingOff | None = None
    asked_at: datetime | None = None
    failure: Failure | None = None
    rejected: int | None = None
    times: int = 0

    @property
    def reason(self) -> str | None:
        """Sentences for people; None where there is nothing to explain."""
        if self.state.has_row:
            # Most days have none.
            is_plain = not (self.missing_collection or self.off or self.cause or self.failure)
            return None if is_plain else " ".join(self._reasons_of_stored)
        if self.cause:
            return self.cause.label
        if self.off:
            return self.off.reason
        if self.state in _REASONS:
            return _REASONS[self.state]
        return self.failure.reason if self.failure else None

    @property
    def _reasons_of_stored(self) -> Iterator[str]:
        if lacks := self.missing_collection:
            named = f"Oura has not sent {collection_in_words(lacks)}."
            yield _REASONS_FOR_MISSING.get(lacks, named)
        if self.off:
            yield self.off.reason
        if self.cause:
            yield self.cause.label
        elif self.failure:
            yield self.failure.reason_of_stored


def _minute(moment: datetime) -> str:
    zone = preferences.active().zone
    if zone is None:
        return f"{moment.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y} at {preferences.clock(local)}"
