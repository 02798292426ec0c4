"""Numbers in Oura's documents, which are not validated yet."""

from typing import Any, TypeGuard

# More than any column can store. Sums of larger numbers might not fit into JSON.
_TOO_LARGE = 2**31


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a number that is safe to compute with."""
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and abs(value) < _TOO_LARGE
