"""The columns of a metric type: what each holds, in which unit, within which bounds.

The table, the documents that the processor takes, OpenAPI, CSV, the admin and the pages are made
from these declarations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

# The highest number that a PostgreSQL `integer` holds.
INT32 = 2**31 - 1


@dataclass(frozen=True)
class Whole:
    """A whole number from `lowest`, which is 0 or more, to `highest`."""

    lowest: int = 0
    highest: int = INT32

    @property
    def expected(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"


@dataclass(frozen=True)
class Number:
    """A number, whole or not."""

    lowest: float = 0
    highest: float = 1e6

    @property
    def expected(self) -> str:
        return f"a number from {self.lowest:.0f} to {self.highest:.0f}"


@dataclass(frozen=True)
class Text:
    longest: int = 64

    @property
    def expected(self) -> str:
        return f"a text of up to {self.longest} characters"


@dataclass(frozen=True)
class Moment(Text):
    """A date-time as Oura writes it: a timestamp column would forget Oura's offset."""

    longest: int = 40

    @property
    def expected(self) -> str:
        return "a date-time with an offset, such as 2026-03-01T23:10:00+01:00"


@dataclass(frozen=True)
class Contributors:
    """An object of Oura's names, each with a whole number from 0 to 100 or null.

    `names` are those that Oura is known to send, and so the columns of a CSV; the table takes any.
    """

    names: tuple[str, ...]

    @property
    def expected(self) -> str:
        return "an object of whole numbers from 0 to 100 or null"


Kind = Whole | Number | Text | Contributors
PERCENT = Whole(highest=100)
# How a column's value is taken from the day that `MetricType.read` returns.
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Column:
    """`unit` as people write it (s, min, %, bpm, °C …), empty for a count; `label` names it on a
    page.
    """

    name: str
    kind: Kind
    read: Read
    meaning: str
    unit: str = ""
    label: str = ""


def mean(values: list[float]) -> float | None:
    return round(fmean(values), 2) if values else None


def total(values: list[float]) -> float | None:
    return sum(values) if values else None


@dataclass(frozen=True)
class Figure:
    """A figure of a period, computed from one column's known values; None without any.

    Those with a `label` are shown on the page of today.
    """

    name: str
    column: str
    compute: Callable[[list[float]], float | None]
    label: str = ""
