"""Numbers in Oura's documents, which nobody has checked yet."""

from typing import Any, TypeGuard

# Beyond what any column holds; sums of many such would not fit into JSON's numbers.
TOO_LARGE = 2**31


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether it is a number that can be computed with."""
    kind = isinstance(value, int | float) and not isinstance(value, bool)
    return kind and abs(value) < TOO_LARGE
