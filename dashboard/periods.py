"""Calendar weeks and months as ranges of days. No database."""

import calendar
from collections.abc import Iterator
from datetime import date

from myhealth.days import Days, shift

WEEK, MONTH = "week", "month"
BY = (WEEK, MONTH)
_DAYS_OF_WEEK = 7


def period_of(day: date, by: str, first_weekday: int) -> Days:
    """Return the week or month that has a day. Weeks begin on a weekday by its number in ISO 8601.

    The first and the last week that a calendar has may be shorter.
    """
    if by == MONTH:
        length = calendar.monthrange(day.year, day.month)[1]
        return Days(day.replace(day=1), day.replace(day=length))
    passed = (day.isoweekday() - first_weekday) % _DAYS_OF_WEEK
    return Days(shift(day, -passed), shift(day, _DAYS_OF_WEEK - 1 - passed))


def periods_until(day: date, by: str, first_weekday: int) -> Iterator[Days]:
    """Yield the week or month that has a day, then each one before."""
    period = period_of(day, by, first_weekday)
    yield period
    while period.start > date.min:
        period = period_of(shift(period.start, -1), by, first_weekday)
        yield period


def last_weeks(today: date, weeks: int) -> list[Days]:
    """Return the last seven days, and the seven before each, newest first."""
    ends = (shift(today, -_DAYS_OF_WEEK * week) for week in range(weeks))
    return [Days(shift(end, 1 - _DAYS_OF_WEEK), end) for end in ends]
