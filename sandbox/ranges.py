"""Ranges of days and instants, parsed from a query as leniently as Oura does."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from myhealth.days import parse_day, shift
from sandbox.registry import Collection, EndRule
from sandbox.responses import ApiError

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt _]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?([Zz]|[+-]\d{2}:?\d{2})?\Z"
)
_NUMBER = re.compile(r"[+-]?\d{1,18}\Z")
# Larger numbers are milliseconds.
_MAX_SECONDS = 20_000_000_000


@dataclass(frozen=True, slots=True)
class QueryTime:
    """A date or an instant in local time, with the UTC offset if one was given."""

    at: datetime
    date_only: bool

    @property
    def naive(self) -> datetime:
        return self.at.replace(tzinfo=None)

    @property
    def utc(self) -> datetime:
        return self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)


def _parse_time(text: str) -> QueryTime | None:
    """Parse a date, an ISO 8601 instant, or seconds since 1970, as pydantic does."""
    try:
        if day := parse_day(text):
            return QueryTime(datetime.combine(day, time.min), True)
        if _INSTANT.match(text):
            text = text.replace("_", "T").replace("z", "Z").upper()
            return QueryTime(
                datetime.fromisoformat(re.sub(r"\s(?=Z|[+-]\d{2}:?\d{2}\Z)", "", text)), False
            )
        if _NUMBER.match(text):
            seconds = int(text)
            seconds = seconds // 1000 if abs(seconds) > _MAX_SECONDS else seconds
            return QueryTime(datetime(1970, 1, 1) + timedelta(seconds=seconds), False)
    except (ValueError, OverflowError):
        return None
    return None


def parse_query_time(name: str, text: str) -> QueryTime:
    """Parse a query parameter. Raise ApiError (422, in FastAPI's words) if it is invalid."""
    parsed = _parse_time(text)
    if parsed is None:
        raise ApiError(422, _parsing_errors(name, text))
    return parsed


def _parsing_errors(name: str, text: str) -> list[dict[str, object]]:
    reason = "input is too short" if len(text) < 10 else "invalid character in year"
    return [
        {
            "type": f"{kind}_from_{other}_parsing",
            "loc": ["query", name, kind],
            "msg": f"Input should be a valid {kind} or {other}, {reason}",
            "input": text,
            "ctx": {"error": reason},
        }
        for kind, other in (("datetime", "date"), ("date", "datetime"))
    ]


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from first to last, inclusive. `includes` may exclude documents by their start."""

    first: date
    last: date
    includes: Callable[[datetime], bool] | None = None


def parse_day_range(collection: Collection, start: str, end: str) -> DayRange:
    """Return the days of a list. Raise ApiError: 422 for bad dates, 400 for a reversed range."""
    begin, until = parse_query_time("start_date", start), parse_query_time("end_date", end)
    _check_order(begin, until)
    if collection.end is EndRule.UTC:
        low, high = begin.utc, until.utc
        # The local date may differ by a day from the UTC date.
        return DayRange(
            shift(low.date(), -1),
            shift(high.date(), 1),
            lambda at: low <= at < high,
        )
    last = until.naive.date()
    day_begins = datetime.combine(last, time.min) + collection.day_starts
    if collection.end is EndRule.EXCLUSIVE and until.naive <= day_begins:
        last = shift(last, -1)
    return DayRange(begin.naive.date(), last)


def parse_instant_range(start: str, end: str) -> tuple[datetime, datetime]:
    """Return the range of a time series in UTC. Raise ApiError as `parse_day_range` does."""
    begin, until = parse_query_time("start_datetime", start), parse_query_time("end_datetime", end)
    _check_order(begin, until)
    return begin.utc, until.utc


def _check_order(begin: QueryTime, until: QueryTime) -> None:
    if begin.utc > until.utc:
        raise ApiError(400, "Start time is greater than end time")
