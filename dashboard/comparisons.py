"""Comparisons of a day's values with what is usual for the person, in words.

The words are neutral: more is not always better. Colour adds nothing to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.templatetags.figures import hours_and_minutes, number, number_in, with_unit
from dashboard.units import shown_unit
from dashboard.usual import USUAL_NEEDS, Usual, usual_of
from metrics.measures import Measure
from metrics.numbers import round_half_up


@dataclass(frozen=True)
class Comparison:
    """One value of a measure beside the person's usual range.

    `value` is None if there is none; `days_known` have a value among the 90 days before.
    """

    measure: Measure
    value: float | None
    usual: Usual | None
    days_known: int

    @property
    def text(self) -> str:
        """Return the value with its unit; a dash without a value."""
        return with_unit(self.value, self.measure)

    @property
    def place(self) -> str:
        """Return `below`, `within` or `above` the usual range; empty if either is unknown.

        Values are compared as they are shown, so that nobody sees 78 below 78.
        """
        if self.value is None or self.usual is None:
            return ""
        value, low, high = (
            shown(self.measure, each) for each in (self.value, self.usual.q1, self.usual.q3)
        )
        return "below" if value < low else "above" if value > high else "within"

    @property
    def words(self) -> str:
        """Return how the value compares, or how much is missing until that is known."""
        if self.usual is None:
            days = "nights" if self.measure.metric_type.of_night else "days"
            return f"{self.days_known} of the {USUAL_NEEDS} {days} needed for your usual range"
        match self.place:
            case "within":
                return "your usual"
            case "below":
                return "earlier than your usual" if self.measure.is_clock else "below your usual"
            case "above":
                return "later than your usual" if self.measure.is_clock else "above your usual"
        return "your usual"

    @property
    def range(self) -> str:
        """Return the usual range, such as `7 h 05–7 h 48`; empty if it is unknown."""
        if self.usual is None:
            return ""
        return range_text(self.measure, self.usual.q1, self.usual.q3)


def compare(measure: Measure, value: Any, known: Sequence[float]) -> Comparison:
    """Return the comparison of a value with those known of the days before."""
    return Comparison(measure, value, usual_of(known), len(known))


def difference(measure: Measure, value: float, before: float) -> str:
    """Return how a value differs from one before, in words, such as `12 min more`.

    They are compared as they are shown: nobody sees 81 and 81, and reads that one is more.
    """
    if with_unit(value, measure) == with_unit(before, measure):
        return "the same"
    less, more = ("earlier", "later") if measure.is_clock else ("less", "more")
    amount = abs(shown(measure, value) - shown(measure, before))
    if measure.unit in ("s", "min"):
        text = hours_and_minutes(amount)
    else:
        unit = shown_unit(measure)
        number_text, name = number_in(unit, amount), unit.name
        if name == "%":
            # Two percent of 85 % would be 1.7 of them.
            name = "point" if number_text == "1" else "points"
        text = f"{number_text} {name}".strip()
    return f"{text} {more if value > before else less}"


def shown(measure: Measure, value: float) -> float:
    """Return a value in the unit and as precisely as it is shown: times in whole minutes."""
    if measure.is_clock:
        # A clock shows a minute until it is over.
        return value // 60
    if measure.unit == "s":
        return round_half_up(value / 60)
    unit = shown_unit(measure)
    return round_half_up(unit.shown(value), 0 if measure.unit == "min" else unit.decimals)


def range_text(measure: Measure, low: float, high: float) -> str:
    """Return two values of a measure as a range, with a unit where the value has none beside it."""
    first, last = with_unit(low, measure), with_unit(high, measure)
    if measure.unit not in ("s", "min"):
        first, last = number(low, measure), number(high, measure)
    elif first == last:
        return first
    elif " h " in first and " h " in last:
        first, last = first.removesuffix(" min"), last.removesuffix(" min")
    elif " h " not in last:
        first = first.removesuffix(" min")
    # A dash beside a minus sign would be hard to read.
    dash = " to " if not measure.is_clock and shown(measure, low) < 0 else "–"
    return first if first == last else f"{first}{dash}{last}"
