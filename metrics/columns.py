"""The columns of a metric type: kind, unit and bounds.

The tables, the documents that the processor accepts, OpenAPI, CSV, the admin and the pages are made
from these declarations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from typing import Any

from metrics.moments import normalize_moment
from metrics.numbers import is_number

# The largest PostgreSQL `integer`.
INT32 = 2**31 - 1


@dataclass(frozen=True)
class Number:
    """A number, not necessarily whole."""

    lowest: float = 0
    highest: float = 1e6
    noun = "number"

    @property
    def range(self) -> str:
        return f"from {self.lowest:.15g} to {self.highest:.15g}"

    @property
    def expected(self) -> str:
        return f"a {self.noun} {self.range}"


@dataclass(frozen=True)
class Integer(Number):
    """A whole number."""

    lowest: int = 0
    highest: int = INT32
    noun = "whole number"


@dataclass(frozen=True)
class Text:
    longest: int = 64

    @property
    def expected(self) -> str:
        return f"a string of up to {self.longest} characters"


@dataclass(frozen=True)
class Moment(Text):
    """A date-time in RFC 3339. A timestamp column would lose Oura's offset."""

    longest: int = 40

    @property
    def expected(self) -> str:
        return "a date-time with an offset, such as 2026-03-01T23:10:00+01:00"


PERCENT = Integer(highest=100)


@dataclass(frozen=True)
class Contributors:
    """An object of contributors, each with a `value` or null.

    `names` are those that Oura is known to send, which are the columns in CSV; the table stores
    any.
    """

    names: tuple[str, ...]
    value: Number = PERCENT

    @property
    def expected(self) -> str:
        return f"an object of {self.value.noun}s {self.value.range} or null"


Kind = Number | Text | Contributors


def held(kind: Kind, value: Any) -> Any:
    """Return a single value as a column of this kind holds it; None if it can't."""
    match kind:
        case Number(lowest, highest):
            if not is_number(value) or not lowest <= value <= highest:
                return None
            if isinstance(kind, Integer):
                # In JSON, 45.0 is a whole number.
                return int(value) if value % 1 == 0 else None
            return float(value)
        case Text(longest) if isinstance(value, str) and "\x00" not in value:
            value = normalize_moment(value) if isinstance(kind, Moment) else value
            return value if value is not None and len(value) <= longest else None
    return None


@dataclass(frozen=True)
class Column:
    """One column.

    `read` returns its value from the day that `MetricType.read_day` returns; `sentinels` are values
    with which Oura means that there is none. `unit` is as people write it (s, min, %, bpm, °C …),
    empty for a count. Pages show the `label`, the number of `decimals` (by default none for whole
    numbers, else one), and a plus sign if the column is `signed`.

    An `added` column is younger than stored rows: without a value of it, a document has the same
    content hash as before there was the column. It must not be unset again.
    """

    name: str
    kind: Kind
    read: Callable[[Any], Any]
    meaning: str
    unit: str = ""
    label: str = ""
    sentinels: tuple[float, ...] = ()
    decimals: int | None = None
    signed: bool = False
    added: bool = False

    @property
    def title(self) -> str:
        """Return the label, or the name in words."""
        return self.label or in_words(self.name)

    @property
    def description(self) -> str:
        return f"{self.meaning} ({self.unit})." if self.unit else f"{self.meaning}."

    @property
    def shown_decimals(self) -> int:
        if self.decimals is not None:
            return self.decimals
        return 0 if isinstance(self.kind, Integer) else 1

    @property
    def is_float(self) -> bool:
        """Whether the values are numbers, not necessarily whole."""
        return isinstance(self.kind, Number) and not isinstance(self.kind, Integer)

    def value(self, day: Any) -> Any:
        """Return the column's value as Oura has it; None for a sentinel."""
        value = self.read(day)
        if self.sentinels and is_number(value) and value in self.sentinels:
            return None
        return value


def in_words(name: str) -> str:
    """Return a name like `sleep_balance` as people write it: `Sleep balance`."""
    return name.replace("_", " ").capitalize().replace("Hrv", "HRV").replace("Rem ", "REM ")


def mean(values: list[float]) -> float | None:
    return round(fsum(values) / len(values), 2) if values else None


def total(values: list[float]) -> float | None:
    return sum(values) if values else None


@dataclass(frozen=True)
class Figure:
    """A figure that is computed from one column's values over a period; nulls are left out.

    Figures with a `label` are shown on the page of today. Those `of_full_days` leave out the days
    that are not full (`MetricType.is_full`).
    """

    name: str
    column: str
    compute: Callable[[list[float]], float | None]
    label: str = ""
    of_full_days: bool = False

    @property
    def is_mean(self) -> bool:
        return self.compute is mean
