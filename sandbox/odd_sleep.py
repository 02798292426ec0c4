"""Oddities of `sleep`: one night in several documents, types, fragments, another ring."""

from datetime import datetime, timedelta

from myhealth.days import ONE_DAY
from sandbox.days import Document, OddDay, utc_offset
from sandbox.nights import AWAKE, EPOCH, LIGHT
from sandbox.others import ring_configurations
from sandbox.sleep import SleepPeriod, period_document, with_type

_NO_HEART_RATE = 255
_SESSIONS = 9


def _night(documents: list[Document]) -> Document:
    return max(documents, key=lambda document: document["time_in_bed"])


def _with_night(documents: list[Document], *nights: Document) -> list[Document]:
    """Return the documents with the given ones in place of the night."""
    night = _night(documents)
    at = documents.index(night)
    return [*documents[:at], *nights, *documents[at + 1 :]]


def _with_sessions(documents: list[Document], *sessions: Document) -> list[Document]:
    return sorted([*documents, *sessions], key=_start)


def _start(document: Document) -> datetime:
    """Return the start in local time."""
    return datetime.fromisoformat(document["bedtime_start"]).replace(tzinfo=None)


def _session(
    odd: OddDay, documents: list[Document], number: int, first: int, last: int
) -> Document:
    """Return a `sleep` session between two epochs of the night, awake where the night is not."""
    night = _night(documents)
    phases = night["sleep_phase_30_sec"]
    inside = phases[max(0, first) : max(0, last)]
    period = SleepPeriod(
        _start(night) + timedelta(seconds=EPOCH * first),
        AWAKE * max(0, -first) + inside + AWAKE * max(0, last - len(phases)),
        "sleep",
    )
    shift, place = utc_offset(odd.person, odd.day), len(documents) + number
    return period_document(odd.person, odd.day, shift, period, place, odd.make_id(number))


def with_less_sleep(document: Document, epochs: int) -> Document:
    """Return a period with up to that many epochs of light sleep awake instead."""
    phases: str = document["sleep_phase_30_sec"]
    epochs = min(epochs, phases.count(LIGHT))
    for _ in range(epochs):
        at = phases.rindex(LIGHT)
        phases = phases[:at] + AWAKE + phases[at + 1 :]
    asleep = document["total_sleep_duration"] - EPOCH * epochs
    return document | {
        "awake_time": document["awake_time"] + EPOCH * epochs,
        "efficiency": round(100 * asleep / document["time_in_bed"]),
        "light_sleep_duration": document["light_sleep_duration"] - EPOCH * epochs,
        "sleep_phase_30_sec": phases,
        "sleep_phase_5_min": phases[::10],
        "total_sleep_duration": asleep,
    }


# One night in several documents -----------------------------------------------------------------


def twin(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the night again with another id, a little less sleep and no heart values."""
    night = _night(documents)
    other = with_less_sleep(night, 3) | {
        "id": odd.make_id(0),
        "average_hrv": None,
        "hrv": None,
        "lowest_heart_rate": _NO_HEART_RATE,
        "period": len(documents),
    }
    return _with_night(documents, night, other)


def nested(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return a short session inside the night, too."""
    length = len(_night(documents)["sleep_phase_30_sec"])
    first = min(12, length // 4)
    last = first + min(156, length // 3)
    return _with_sessions(documents, _session(odd, documents, 0, first, last))


def overlapping(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return nine sessions that overlap with the night and each other, too.

    The first begins before the night and the last ends after it, awake: nobody slept longer.
    """
    length = len(_night(documents)["sleep_phase_30_sec"])
    firsts = [number * length // 8 - length // 6 for number in range(_SESSIONS)]
    sessions = [
        _session(odd, documents, number, first, first + length // 3)
        for number, first in enumerate(firsts)
    ]
    return _with_sessions(documents, *sessions)


def as_deleted_copy(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the night, and its id again as deleted."""
    night = _night(documents)
    return _with_night(documents, night, with_type(night, "deleted"))


def under_next_day(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the same seconds under the next day with another id."""
    next_day = (odd.day + ONE_DAY).isoformat()
    return [_night(documents) | {"id": odd.make_id(0), "day": next_day}] if documents else []


# Types ------------------------------------------------------------------------------------------


def null_type(odd: OddDay, documents: list[Document]) -> list[Document]:
    return _with_night(documents, _night(documents) | {"type": None})


def absent_type(odd: OddDay, documents: list[Document]) -> list[Document]:
    night = _night(documents)
    return _with_night(documents, {name: night[name] for name in night if name != "type"})


def new_type(odd: OddDay, documents: list[Document]) -> list[Document]:
    return _with_night(documents, _night(documents) | {"type": "segmented_sleep"})


def all_rest(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [with_type(document, "rest") for document in documents]


def all_deleted(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [with_type(document, "deleted") for document in documents]


# Rings ------------------------------------------------------------------------------------------


def fragment(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return ten minutes of the night, which is all that a ring has that was worn only then."""
    phases: str = _night(documents)["sleep_phase_30_sec"]
    asleep = len(phases) - len(phases.lstrip(AWAKE))
    return [_session(odd, documents, 0, asleep, asleep + 20) | {"period": 0}]


def other_ring(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents as recorded by the person's other ring."""
    rings = [ring["id"] for ring in ring_configurations(odd.person)]
    others = [ring for ring in rings if ring not in {item["ring_id"] for item in documents}]
    return [document | {"ring_id": others[0]} for document in documents]
