"""The time zones that people can choose: the same on all machines."""

import functools
from importlib import resources


@functools.cache
def names() -> frozenset[str]:
    """Return the names in the pinned IANA database.

    A system's own has others, such as `localtime`, which mean nothing on the next machine.
    """
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    # It is for machines whose zone nobody has chosen.
    return frozenset(listed) - {"Factory"}
