"""Moments as Oura writes them, and RFC 3339, in which they are stored."""

import re
from datetime import MAXYEAR, MINYEAR, datetime
from functools import lru_cache
from typing import Any

# A date, a time and an offset, with or without the separators that RFC 3339 asks for. Week dates,
# offsets with seconds, hour 24, and moments without an offset don't match.
_MOMENT = re.compile(
    r"(?P<year>[0-9]{4})-?(?P<month>[0-9]{2})-?(?P<day>[0-9]{2})[Tt ]"
    r"(?P<hour>[01][0-9]|2[0-3]):?(?P<minute>[0-9]{2})"
    r"(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r" ?(?:[Zz]|(?P<hours>[+-][0-9]{2})(?::?(?P<minutes>[0-5][0-9]))?)"
)
# What stays as it is. Nearly all moments do, and the pattern above takes several times as long.
_VALID = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-5][0-9])"
)
_MICROSECONDS = 6
# Longer than any with a meaning: texts that are read are kept in memory.
_LONGEST = 64


def normalize_moment(text: str) -> str | None:
    """Return a date-time with an offset as RFC 3339, with its own offset; None for other texts.

    What is valid, with at most microseconds, stays as it is; more digits are cut off.
    """
    read = _read(text) if len(text) <= _LONGEST else None
    return read[0] if read else None


def parse_moment(value: Any) -> datetime | None:
    """Return the instant that any value of a document names; None if it names none."""
    read = _read(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    return read[1] if read else None


def parse_instant(value: Any) -> datetime | None:
    """Return the instant that a value names; None if it names none, or none to calculate with."""
    moment = parse_moment(value)
    return moment if moment and MINYEAR < moment.year < MAXYEAR else None


# Bedtimes are needed several times: for the columns, for what overlaps, for what changed.
@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[str, datetime] | None:
    moment = text if _VALID.fullmatch(text) else _rewritten(text)
    try:
        return (moment, datetime.fromisoformat(moment)) if moment else None
    except ValueError:
        return None


def _rewritten(text: str) -> str | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    fraction = f".{match['fraction'][:_MICROSECONDS]}" if match["fraction"] else ""
    offset = f"{match['hours']}:{match['minutes'] or '00'}" if match["hours"] else "Z"
    day = f"{match['year']}-{match['month']}-{match['day']}"
    time = f"{match['hour']}:{match['minute']}:{match['second'] or '00'}"
    return f"{day}T{time}{fraction}{offset}"
