"""Numbers in Oura's documents, which are not validated yet."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeGuard

# More than any column can store. Sums of larger numbers might not fit into JSON.
_TOO_LARGE = 2**31
# JSON has no other types of numbers; a bool is an int as well.
_NUMBERS = {int, float}


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a number that is safe to compute with."""
    return type(value) in _NUMBERS and -_TOO_LARGE < value < _TOO_LARGE


def numbers_within(values: list[Any], lowest: float, highest: float) -> list[float | None]:
    """Return the values, None in place of each that is no number from lowest to highest."""
    # There are millions in some years. Mostly all are right, which is seen at once.
    known = [value for value in values if value is not None]
    if {*map(type, known)} <= _NUMBERS and known and lowest <= min(known) <= max(known) <= highest:
        return values
    return [value if is_number(value) and lowest <= value <= highest else None for value in values]


def percentages(values: Sequence[float]) -> list[int]:
    """Return the shares of values, not all 0, in whole percent, which add up to 100.

    Those that lose most by being cut off get one more.
    """
    total = sum(values)
    exact = [100 * value / total for value in values]
    shares = [int(share) for share in exact]
    most_lost = sorted(range(len(exact)), key=lambda at: shares[at] - exact[at])
    for at in most_lost[: 100 - sum(shares)]:
        shares[at] += 1
    return shares


def round_half_up(value: float, decimals: int = 0) -> float:
    """Return the number rounded as people do: 80.5 to 81, and -0.5 to -1."""
    step = Decimal(1).scaleb(-decimals)
    return float(Decimal(str(value)).quantize(step, ROUND_HALF_UP))
