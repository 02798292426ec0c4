"""Numbers in Oura's documents, which are not validated yet."""

from typing import Any, TypeGuard

# More than any column can store. Sums of larger numbers might not fit into JSON.
_TOO_LARGE = 2**31


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a number that is safe to compute with."""
    # JSON has no other types of numbers; a bool is an int as well.
    return type(value) in (int, float) and -_TOO_LARGE < value < _TOO_LARGE
