"""Checks that the routes of several services share."""

from collections.abc import Iterable, Sequence
from datetime import date

from myhealth.days import Days
from myhealth.errors import Invalid

_MOST_NAMED = 20


def unknown_name_errors(
    names: Iterable[str], allowed: Sequence[str], noun: str
) -> dict[str, list[str]]:
    """Return an error for names that are not allowed; `noun` is what the names are of.

    A stranger may have sent thousands: only some of them are named.
    """
    unknown = sorted(set(names) - set(allowed))[:_MOST_NAMED]
    message = f"Unknown {noun}; expected one of {', '.join(allowed)}."
    return {name[:64]: [message] for name in unknown}


def date_range(start: date, end: date) -> Days:
    """Return the days from start to end. Raise Invalid if start is after end."""
    if start > end:
        raise Invalid({"start": [f"start ({start}) must not be after end ({end})."]})
    return Days(start, end)
