"""Oddities of `daily_activity`: the ring off, and days of another length."""

from collections import Counter

from sandbox.days import Document, OddDay

_OFF = "0"
_MINUTES_PER_CLASS = 5
_SECONDS_PER_CLASS = 60 * _MINUTES_PER_CLASS
_TIMES = {
    _OFF: "non_wear_time",
    "1": "resting_time",
    "2": "sedentary_time",
    "3": "low_activity_time",
    "4": "medium_activity_time",
    "5": "high_activity_time",
}
_MET_WHEN_OFF = 0.1
# Places in class_5_min, which begins at 04:00.
_FROM_22_00 = slice(216, None)
_UNTIL_05_30 = slice(18)
_AFTER_17_HOURS = slice(204, None)


def off_all_day(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [_without_ring(document) for document in documents]


def _without_ring(document: Document) -> Document:
    counts = [name for name in document if name.endswith(("_time", "_met_minutes"))]
    met = document["met"]
    return (
        document
        | dict.fromkeys(counts, 0)
        | {
            "active_calories": 0,
            "average_met_minutes": _MET_WHEN_OFF,
            "class_5_min": _OFF * 288,
            "contributors": dict.fromkeys(document["contributors"]),
            "equivalent_walking_distance": 0,
            "inactivity_alerts": 0,
            "met": met | {"items": [_MET_WHEN_OFF] * len(met["items"])},
            "meters_to_target": document["target_meters"],
            "non_wear_time": 86_400,
            "score": None,
            "steps": 0,
            "total_calories": document["total_calories"] - document["active_calories"],
        }
    )


def off_in_night(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with the ring off from 22:00 to their end at 04:00."""
    return [_with_ring_off(document, _FROM_22_00) for document in documents]


def off_in_morning(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents with the ring off from their start at 04:00 to 05:30."""
    return [_with_ring_off(document, _UNTIL_05_30) for document in documents]


def _with_ring_off(document: Document, place: slice) -> Document:
    classes, items = list(document["class_5_min"]), list(document["met"]["items"])
    withdrawn = "".join(classes[place])
    classes[place] = _OFF * len(withdrawn)
    minutes = _minutes(place)
    items[minutes] = [_MET_WHEN_OFF] * len(items[minutes])
    times = _without_times(document, withdrawn)
    times["non_wear_time"] += _SECONDS_PER_CLASS * len(withdrawn)
    return document | times | _samples(document, "".join(classes), items)


def short_day(odd: OddDay, documents: list[Document]) -> list[Document]:
    """Return the documents as days of 17 hours, as when travelling east."""
    return [_shortened(document, _AFTER_17_HOURS) for document in documents]


def _shortened(document: Document, place: slice) -> Document:
    classes, items = list(document["class_5_min"]), list(document["met"]["items"])
    times = _without_times(document, "".join(classes[place]))
    del classes[place], items[_minutes(place)]
    return document | times | _samples(document, "".join(classes), items)


def no_classes(odd: OddDay, documents: list[Document]) -> list[Document]:
    return [document | {"class_5_min": None} for document in documents]


def _minutes(place: slice) -> slice:
    start, stop = (
        None if at is None else _MINUTES_PER_CLASS * at for at in (place.start, place.stop)
    )
    return slice(start, stop)


def _samples(document: Document, classes: str, items: list[float]) -> Document:
    return {"class_5_min": classes, "met": document["met"] | {"items": items}}


def _without_times(document: Document, classes: str) -> dict[str, int]:
    """Return the times of the day without those of some classes, exactly as long as these."""
    times: dict[str, int] = {name: document[name] for name in _TIMES.values()}
    left = _SECONDS_PER_CLASS * len(classes)
    for kind, count in Counter(classes).items():
        taken = min(times[_TIMES[kind]], _SECONDS_PER_CLASS * count)
        times[_TIMES[kind]] -= taken
        left -= taken
    # Classes show one minute of five, so a time may be shorter than its classes are.
    for name in sorted(times, key=lambda name: times[name], reverse=True):
        taken = min(times[name], left)
        times[name] -= taken
        left -= taken
    return times
