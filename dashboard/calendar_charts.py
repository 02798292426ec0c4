"""Days as signs in calendars: each by its value, or by its state.

A day is a square of ten units, with one unit between two days. Its shape says whether it is stored,
or why not, so that colours are not needed to see what is missing.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from statistics import median, quantiles
from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from dashboard.comparisons import range_text, shown
from dashboard.period_tables import Missing
from dashboard.templatetags.figures import with_unit
from ingest.coverage import count_missing, describe_counts, is_missing
from ingest.ledger import Range
from metrics.measures import Measure
from myhealth.days import ONE_DAY, Days
from myhealth.states import State

# From the upper left corner of the day's square, of nine units.
_SQUARE = "h9v9h-9z"
_RING = "m1 4.5a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0"
_SHAPES = {
    State.HELD: _SQUARE,
    State.PARTIAL: "v9h9z",
    State.REJECTED: "m1.5 1.5l6 6m0-6l-6 6",
    State.NOT_WORN: _RING,
    State.NONE: "m1.5 4.5h6",
    State.NO_PERMISSION: f"{_RING}h7",
    State.FAILED: "m4.5 1v4.5m0 2.5h0",
    State.NOT_SYNCED: "m1.5 4.5h0m3 0h0m3 0h0",
    State.NOT_ASKED: "m4.5 1.5v6m-3-3h6",
}
# Of stored days without a value.
_OUTLINES = {State.HELD: "m1 1h7v7h-7z", State.PARTIAL: "m1 2v6h6z"}
_WITHOUT = "no value"
# How each kind of sign is drawn without the style sheet.
_STROKE = 'fill="none" stroke-width="1.3" stroke-linecap="round" stroke-linejoin="round"'
_ATTRIBUTES = {
    "quarter1": 'opacity="0.28"',
    "quarter2": 'opacity="0.5"',
    "quarter3": 'opacity="0.75"',
    "quarter4": "",
    "stored": 'opacity="0.5"',
    "without": f'{_STROKE} stroke="currentColor"',
    "sign": f'{_STROKE} stroke="#171d27"',
}
# So many days are one piece of the strip of a year.
_WEEK = 7


class Sign(NamedTuple):
    """How a day is drawn: its kind, which is a class of the style sheet, and its shape."""

    kind: str
    shape: str

    @property
    def svg(self) -> SafeString:
        return paths([(self, 0, 0)])


class Entry(NamedTuple):
    """An entry of the key of a calendar."""

    sign: Sign
    label: str


def paths(placed: Iterable[tuple[Sign, int, int]]) -> SafeString:
    """Return the signs at their places, as one path for each kind."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for sign, x, y in placed:
        by_kind[sign.kind].append(f"M{x} {y}{sign.shape}")
    return mark_safe(
        "".join(
            f'<path class="{kind}" {_ATTRIBUTES[kind]} d="{"".join(drawn)}"/>'
            for kind, drawn in sorted(by_kind.items())
        )
    )


class Quarters:
    """A person's values of a measure in four parts with about as many days in each.

    Values are compared as they are shown: nobody sees 78 in one part, and 78 in the next.
    """

    def __init__(self, measure: Measure, values: Sequence[float]) -> None:
        self._measure = measure
        self._shown = {value: shown(measure, value) for value in set(values)}
        ordered = [self._shown[value] for value in values]
        self._bounds = quantiles(ordered, method="inclusive") if len(ordered) > 1 else ordered

    def number(self, value: float) -> int:
        """Return in which of the parts a value is, from 1 up."""
        known = self._shown.get(value)
        return (
            bisect_left(self._bounds, shown(self._measure, value) if known is None else known) + 1
        )

    @property
    def ranges(self) -> dict[int, str]:
        """Return the values of each part that has any, in words."""
        parts: dict[int, list[float]] = defaultdict(list)
        for value in self._shown:
            parts[self.number(value)].append(value)
        return {
            number: range_text(self._measure, min(values), max(values))
            for number, values in sorted(parts.items())
        }


@dataclass(frozen=True)
class Calendar:
    """The days of a type from the first that is expected to today.

    `ranges` are those of the ledger. `values` are those of a measure by ordinal, and `quarters` is
    made from them; without it, days are drawn by their state.
    """

    ranges: Sequence[Range]
    measure: Measure | None
    values: Mapping[int, float]
    quarters: Quarters | None

    @cached_property
    def by_day(self) -> dict[date, State]:
        """Return the states of the days that are stored or missing."""
        return {
            day: each.state
            for each in self.ranges
            if each.state == State.HELD or is_missing(each)
            for day in each
        }

    def sign(self, day: date) -> Sign | None:
        """Return how a day is drawn; None for a day that is neither stored nor missing."""
        state = self.by_day.get(day)
        if state is None:
            return None
        if not state.has_row:
            return Sign("sign", _SHAPES[state])
        if self.quarters is None:
            return Sign("stored", _SHAPES[state])
        value = self.values.get(day.toordinal())
        if value is None:
            return Sign("without", _OUTLINES[state])
        return Sign(f"quarter{self.quarters.number(value)}", _SHAPES[state])

    def text(self, day: date) -> str:
        """Return what a day's sign says, in words."""
        state = self.by_day[day]
        if self.quarters is None or self.measure is None or not state.has_row:
            return state.label
        value = self.values.get(day.toordinal())
        return _WITHOUT if value is None else with_unit(value, self.measure)

    def clamped(self, days: Days) -> "Calendar":
        """Return the same of some days only; values keep their quarters."""
        parts = [part for each in self.ranges if (part := each.clamped(days.start, days.end))]
        return Calendar(parts, self.measure, self.values, self.quarters)

    @cached_property
    def by_state(self) -> Counter[str]:
        """Return the number of missing days by state."""
        return count_missing(self.ranges)

    @property
    def missing(self) -> Missing:
        return Missing.of(self.by_state)

    @property
    def missing_by_state(self) -> str:
        """Return how many days have no row, by state, in words."""
        without_row = {of: n for of, n in self.by_state.items() if of != State.PARTIAL}
        return describe_counts(without_row)

    @cached_property
    def stored(self) -> int:
        """Return how many days have a row; partly stored ones have one."""
        return sum(len(each) for each in self.ranges if each.state.has_row)

    @property
    def total(self) -> int:
        return self.stored + self.missing.days

    @property
    def median(self) -> str:
        """Return the value in the middle of those of the days; empty without any."""
        values = self._values_of(self.by_day)
        return with_unit(median(values), self.measure) if self.measure and values else ""

    def _values_of(self, days: Iterable[date]) -> list[float]:
        found = (self.values.get(day.toordinal()) for day in days)
        return [value for value in found if value is not None]

    @property
    def quarter_key(self) -> list[Entry]:
        """Return what the shades mean."""
        ranges = self.quarters.ranges if self.quarters else {}
        return [Entry(Sign(f"quarter{at}", _SQUARE), text) for at, text in ranges.items()]

    @property
    def key(self) -> list[Entry]:
        """Return what the other signs mean, and how many days have them."""
        counts = Counter(filter(None, map(self._entry, self.by_day)))
        return [
            Entry(sign, f"{label}: {days}")
            for state in State
            for (of, sign, label), days in counts.items()
            if of == state
        ]

    def _entry(self, day: date) -> tuple[State, Sign, str] | None:
        state, sign = self.by_day[day], self.sign(day)
        assert sign is not None
        if sign.kind == "without":
            label = _WITHOUT if state == State.HELD else f"{state.label}, {_WITHOUT}"
            return state, sign, label
        if not sign.kind.startswith("quarter"):
            return state, sign, state.label
        return None if state == State.HELD else (state, Sign("stored", sign.shape), state.label)

    # Months and years -----------------------------------------------------------------------------

    def month(self, first_weekday: int, page: str, today: date) -> SafeString:
        """Return the days as links, in columns that begin with a weekday (as in ISO 8601).

        They are all of one month. `page` is the address of a day, with {} for it. The links are for
        mice alone: others choose the month.
        """
        placed, links = [], []
        for day in self.by_day:
            x, y = _place(day, first_weekday)
            sign = self.sign(day)
            assert sign is not None
            placed.append((sign, x, y))
            text = f"{day:%a} {day.day} {day:%b %Y}: {self.text(day)}"
            links.append(
                f'<a href="{page.format(day)}" tabindex="-1"><rect x="{x}" y="{y}" width="9" '
                f'height="9"/><title>{escape(text)}</title></a>'
            )
        marked = ""
        if today in self.by_day:
            x, y = _place(today, first_weekday)
            marked = f'<path class="today" fill="none" stroke="#171d27" d="M{x} {y}{_SQUARE}"/>'
        return mark_safe(f"{paths(placed)}{marked}{''.join(links)}")

    def strip(self, year: int) -> SafeString:
        """Return a year as pieces of a strip with one unit for each day; its days are given."""
        first = date(year, 1, 1)
        pieces: dict[str, list[str]] = defaultdict(list)
        for kind, days in self._pieces():
            pieces[kind].append(f"M{(days.start - first).days} 0h{len(days)}v1h-{len(days)}z")
        gaps = [each for each in self.ranges if not each.state.has_row and is_missing(each)]
        dots = "".join(f"M{(each.start - first).days + len(each) / 2:g} 0v1" for each in gaps)
        drawn = [
            f'<path class="{kind}" {_ATTRIBUTES[kind]} d="{"".join(parts)}"/>'
            for kind, parts in sorted(pieces.items())
        ]
        if dots:
            # In a year, a day is too short to be seen.
            drawn.append(f'<path class="gaps-of-year" stroke="#171d27" d="{dots}"/>')
        return mark_safe("".join(drawn))

    def _pieces(self) -> Iterator[tuple[str, Days]]:
        """Yield the stored days of a year: runs, or weeks by the median of their values."""
        for each in self.ranges:
            if not each.state.has_row:
                continue
            if self.quarters is None:
                yield "stored", each
                continue
            start = each.start
            while start <= each.end:
                end = min(start + (_WEEK - 1) * ONE_DAY, each.end)
                days = Days(start, end)
                if values := self._values_of(days):
                    yield f"quarter{self.quarters.number(median(values))}", days
                start = end + ONE_DAY


def _place(day: date, first_weekday: int) -> tuple[int, int]:
    """Return where the day's square is in its month."""
    column = (day.isoweekday() - first_weekday) % 7
    before = (day.replace(day=1).isoweekday() - first_weekday) % 7
    return 10 * column, 10 * ((before + day.day - 1) // 7)
