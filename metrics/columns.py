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
class Number:
    """A number, whole or not."""

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
        return f"a text of up to {self.longest} characters"


@dataclass(frozen=True)
class Moment(Text):
    """A date-time as Oura writes it: a timestamp column would forget Oura's offset."""

    longest: int = 40

    @property
    def expected(self) -> str:
        return "a date-time with an offset, such as 2026-03-01T23:10:00+01:00"


PERCENT = Integer(highest=100)


@dataclass(frozen=True)
class Contributors:
    """An object of Oura's names, each with a `value` or null.

    `names` are those that Oura is known to send, and so the columns of a CSV; the table takes any.
    """

    names: tuple[str, ...]
    value: Number = PERCENT

    @property
    def expected(self) -> str:
        return f"an object of {self.value.noun}s {self.value.range} or null"


Kind = Number | Text | Contributors


@dataclass(frozen=True)
class Column:
    """One column.

    `read` takes its value from the day that `MetricType.read` returns; `sentinels` are values that
    stand for none at Oura. `unit` is as people write it (s, min, %, bpm, °C …), empty for a count.
    A page names it by its `label` and shows so many `decimals` (without a word on it, one of a
    number that need not be whole), and a sign if it is `signed`.
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

    @property
    def description(self) -> str:
        return f"{self.meaning} ({self.unit})." if self.unit else f"{self.meaning}."

    @property
    def shown_decimals(self) -> int:
        whole = isinstance(self.kind, Integer)
        return self.decimals if self.decimals is not None else 0 if whole else 1

    def value(self, day: Any) -> Any:
        """Return the column's value of a day, as Oura has it; null for a sentinel."""
        found = self.read(day)
        return None if found in self.sentinels else found


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
