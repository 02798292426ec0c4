"""The time zones that people can choose: the same on all machines."""

import difflib
import functools
import unicodedata
from importlib import resources

_DATA = resources.files("tzdata")
# Of names that are like a text, so many are offered; and how like it they must be.
_MOST_OFFERED, _ALIKE = 3, 0.7
# Shorter texts are in too many names.
_LEAST_CHARACTERS = 3


@functools.cache
def names() -> frozenset[str]:
    """Return the names in the pinned IANA database.

    A system's own has others, such as `localtime`, which mean nothing on the next machine.
    """
    listed = _DATA.joinpath("zones").read_text(encoding="utf-8").split()
    # It is for machines whose zone nobody has chosen.
    return frozenset(listed) - {"Factory"}


@functools.cache
def titles() -> list[str]:
    """Return all names as people write them, in order."""
    return sorted(map(title, names()))


def title(name: str) -> str:
    """Return a name as people write it: `America/New York`."""
    return name.replace("_", " ")


def find(text: str) -> list[str]:
    """Return the zones whose name or city this is; case, accents and underscores don't matter."""
    wanted = _folded(text)
    by_name = [name for folded, name in _by_folded_name().items() if folded == wanted]
    by_city = [name for folded, name in _by_folded_name().items() if _city(folded) == wanted]
    if len({_rules(name) for name in by_city}) == 1:
        # Several names of one zone, of which the short one is the older.
        by_city = [max(by_city, key=len)]
    return by_name or sorted(by_city)


def near(text: str) -> list[str]:
    """Return a few zones whose name or city is like this."""
    wanted, by_name = _folded(text), _by_folded_name()
    by_city = {_city(folded): name for folded, name in by_name.items()}
    found = [
        name
        for folded, name in by_city.items()
        if len(wanted) >= _LEAST_CHARACTERS and wanted in folded
    ]
    for known in (by_city, by_name):
        alike = difflib.get_close_matches(wanted, known, _MOST_OFFERED, _ALIKE)
        found += [known[folded] for folded in alike]
    return list(dict.fromkeys(found))[:_MOST_OFFERED]


@functools.cache
def _by_folded_name() -> dict[str, str]:
    return {_folded(name): name for name in sorted(names())}


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return "_".join(plain.replace("_", " ").replace("-", " ").split())


def _city(name: str) -> str:
    return name.rpartition("/")[2]


@functools.cache
def _rules(name: str) -> bytes:
    return _DATA.joinpath("zoneinfo", *name.split("/")).read_bytes()
