"""Ranges of days and instants as Oura reads them from a query, leniencies included."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from myhealth.days import parse_day, shift
from sandbox.answers import Refused
from sandbox.registry import Collection, End

MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt _]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?([Zz]|[+-]\d{2}:?\d{2})?\Z"
)
NUMBER = re.compile(r"[+-]?\d{1,18}\Z")
# Numbers beyond it are taken as milliseconds.
MOST_SECONDS = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or an instant; the clock's reading, with its offset where one was given."""

    at: datetime
    date_only: bool

    @property
    def naive(self) -> datetime:
        return self.at.replace(tzinfo=None)

    @property
    def utc(self) -> datetime:
        return self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)


def parsed(text: str) -> Moment | None:
    """Read a date, an ISO 8601 instant, or seconds since 1970, as pydantic does."""
    try:
        if day := parse_day(text):
            return Moment(datetime.combine(day, time.min), True)
        if MOMENT.match(text):
            text = text.replace("_", "T").replace("z", "Z").upper()
            return Moment(
                datetime.fromisoformat(re.sub(r"\s(?=Z|[+-]\d{2}:?\d{2}\Z)", "", text)), False
            )
        if NUMBER.match(text):
            seconds = int(text)
            seconds = seconds // 1000 if abs(seconds) > MOST_SECONDS else seconds
            return Moment(datetime(1970, 1, 1) + timedelta(seconds=seconds), False)
    except (ValueError, OverflowError):
        return None
    return None


def moment(name: str, text: str) -> Moment:
    """Raises Refused (422, worded as by FastAPI) for what is neither date nor instant."""
    found = parsed(text)
    if found is None:
        raise Refused(422, unreadable(name, text))
    return found


def unreadable(name: str, text: str) -> list[dict[str, object]]:
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
class Range:
    """Days from first to last, both included, of which `keeps` may drop single documents."""

    first: date
    last: date
    keeps: Callable[[datetime], bool] | None = None


def of_days(collection: Collection, start: str, end: str) -> Range:
    """The days that a list answers for. Raises Refused: 422 for bad dates, 400 for an inversion."""
    begin, until = moment("start_date", start), moment("end_date", end)
    refuse_inversion(begin, until)
    if collection.end is End.UTC:
        low, high = begin.utc, until.utc
        # A local day may lie a day off the UTC one.
        return Range(
            shift(low.date(), -1),
            shift(high.date(), 1),
            lambda at: low <= at < high,
        )
    last = until.naive.date()
    day_begins = datetime.combine(last, time.min) + collection.hour
    if collection.end is End.EXCLUSIVE and until.naive <= day_begins:
        last = shift(last, -1)
    return Range(begin.naive.date(), last)


def of_instants(start: str, end: str) -> tuple[datetime, datetime]:
    """The instants that a time series answers for, in UTC. Raises Refused, like `of_days`."""
    begin, until = moment("start_datetime", start), moment("end_datetime", end)
    refuse_inversion(begin, until)
    return begin.utc, until.utc


def refuse_inversion(begin: Moment, until: Moment) -> None:
    if begin.utc > until.utc:
        raise Refused(400, "Start time is greater than end time")
