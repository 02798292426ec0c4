"""When the next regular collection starts, where that is known: COLLECT_SCHEDULE says it."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from myhealth import time_zones

_ZONE = re.compile(r"(?:CRON_TZ|TZ)=(\S+)\s+")
# A list of numbers and ranges, or all numbers, each with a step or without.
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_DAYS_AHEAD = 2
# Without a schedule, collections are hourly. One that isn't simple may be hourly or weekly.
_HOURLY, _UNKNOWN = timedelta(hours=3), timedelta(days=1)


def next_run(schedule: str, now: datetime) -> datetime | None:
    """Return when a schedule as in crontab starts its next run; None if that isn't simple to say.

    Simple ones are the same each day: minutes and hours, after CRON_TZ= if they are not in UTC.
    """
    return _search(schedule, now.astimezone(UTC).replace(second=0, microsecond=0))


@lru_cache(64)
def _search(schedule: str, minute: datetime) -> datetime | None:
    """Return the first moment after a minute that the schedule names; pages ask several times."""
    zone = _ZONE.match(schedule)
    fields = schedule[zone.end() if zone else 0 :].split()
    name = zone[1] if zone else "UTC"
    if len(fields) != 5 or fields[2:] != ["*"] * 3 or name not in time_zones.names():
        return None
    minutes, hours = _numbers(fields[0], 60), _numbers(fields[1], 24)
    for later in range(1, _DAYS_AHEAD * 24 * 60):
        # Counted in UTC, because clocks may be changed meanwhile.
        moment = (minute + timedelta(minutes=later)).astimezone(ZoneInfo(name))
        if moment.minute in minutes and moment.hour in hours:
            return moment
    return None


def due_by(schedule: str, last: datetime) -> datetime:
    """Return by when a run should have followed the last one, even if one was missed."""
    if not schedule:
        return last + _HOURLY
    first = next_run(schedule, last)
    second = first and next_run(schedule, first)
    return second + timedelta(hours=1) if second else last + _UNKNOWN


def _numbers(field: str, count: int) -> set[int]:
    """Return the numbers below `count` that a field of a crontab names; none if it is not valid."""
    found: set[int] = set()
    for text in field.split(","):
        part = _PART.fullmatch(text)
        if part is None:
            return set()
        start, end, step = (int(each) if each else None for each in part.groups())
        if start is None:
            start, end = 0, count
        elif end is None:
            end = count if step else start
        found.update(range(start, min(end or 0, count - 1) + 1, step or 1))
    return found
