"""Whether the ring was off in a night, by the two activity days that the night belongs to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from metrics.base import DAY_OFF_MINUTES
from myhealth.days import ONE_DAY
from myhealth.states import OffSpan, RingOff

# Off for that many minutes between these hours, by the local time of the day on which the night
# ends, the ring was not worn in the night.
NIGHT_OFF_MINUTES = 240
_EVENING, _MORNING = time(20), time(10)
# Where it isn't known when the ring was off: for longer than charging takes on each of the two
# days, and for five hours in all.
_CHARGING_MINUTES, _BOTH_DAYS_MINUTES = 100, 300
_ONE_MINUTE = timedelta(minutes=1)

_Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class ActivityDay:
    """What an activity day tells about the ring.

    `minutes_off` is None if unknown, or if the day was not over when it was fetched; `wear` is what
    `MetricType.wear_of` returned.
    """

    minutes_off: int | None
    wear: dict[str, Any] | None
    fetched_at: datetime


def night_off(day: date, before: ActivityDay, same: ActivityDay) -> RingOff | None:
    """Return how long the ring was off, if it was not worn in the night that ends on the day.

    `same` is the activity day of that date, and `before` that of the day before.
    """
    minutes = _minutes_of_night(day, before, same)
    if minutes is None:
        return _by_minutes(before.minutes_off, same.minutes_off)
    return RingOff(minutes, OffSpan.NIGHT) if minutes >= NIGHT_OFF_MINUTES else None


def _minutes_of_night(day: date, before: ActivityDay, same: ActivityDay) -> int | None:
    """Return for how long the ring was off in the night; None if that isn't known of all of it."""
    if not before.wear or not same.wear:
        return None
    zone = datetime.fromisoformat(same.wear["start"]).tzinfo
    night = (
        datetime.combine(day - ONE_DAY, _EVENING, zone),
        datetime.combine(day, _MORNING, zone),
    )
    first = before.wear, before.fetched_at
    second = same.wear, same.fetched_at
    known = _known(*first), _known(*second)
    length = night[1] - night[0]
    if _length(known, night) < length:
        return None
    # Where the two overlap and differ, the ring was on.
    return (length - _length((*_worn(*first), *_worn(*second)), night)) // _ONE_MINUTE


def _by_minutes(before: int | None, same: int | None) -> RingOff | None:
    """Judge by the minutes of both days; one of them alone may be about another night.

    Only a day without the ring leaves no time to wear it in either of its nights.
    """
    both = (before or 0, same or 0)
    if min(both) >= _CHARGING_MINUTES and sum(both) >= _BOTH_DAYS_MINUTES:
        return RingOff(sum(both), OffSpan.BOTH_DAYS)
    if both[1] >= DAY_OFF_MINUTES:
        return RingOff(both[1], OffSpan.DAY)
    return RingOff(both[0], OffSpan.DAY_BEFORE) if both[0] >= DAY_OFF_MINUTES else None


def _known(wear: dict[str, Any], fetched_at: datetime) -> _Span:
    """Return the time that the classes cover, up to the fetch at the latest."""
    start = datetime.fromisoformat(wear["start"])
    return start, min(start + wear["minutes"] * _ONE_MINUTE, fetched_at)


def _worn(wear: dict[str, Any], fetched_at: datetime) -> Iterable[_Span]:
    """Return the spans of time with the ring on, as far as is known."""
    start, end = _known(wear, fetched_at)
    reached = 0
    for off, on in (*wear["off"], (wear["minutes"], 0)):
        yield start + reached * _ONE_MINUTE, min(start + off * _ONE_MINUTE, end)
        reached = on


def _length(spans: Iterable[_Span], within: _Span) -> timedelta:
    """Return for how long there is any of the spans."""
    total, reached = timedelta(0), within[0]
    for start, end in sorted(spans):
        start, end = max(start, reached), min(end, within[1])
        if start < end:
            total += end - start
            reached = end
    return total
