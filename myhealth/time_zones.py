"""The time zones that people can choose: the same on all machines."""

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable
from importlib import resources

_DATA = resources.files("tzdata")
# Of names that are like a text, so many are offered; and how like it they must be.
_MOST_OFFERED, _ALIKE = 3, 0.7
# Shorter texts are in too many names.
_LEAST_CHARACTERS = 3
# Names of cities are below these; `Etc/GMT-5` is no city, and its sign is not the usual one.
_CONTINENTS = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Arctic/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)
# Old names there that are no cities, or mean another place to most people.
_NO_CITIES = {
    "Australia/ACT",
    "Australia/LHI",
    "Australia/NSW",
    "Australia/North",
    "Australia/South",
    "Australia/Victoria",
    "Australia/West",
    "Pacific/Samoa",
}
# As people write them; the database has others.
_OTHER_COUNTRIES = {
    "UK": "GB",
    "United Kingdom": "GB",
    "Great Britain": "GB",
    "England": "GB",
    "Scotland": "GB",
    "Wales": "GB",
    "Northern Ireland": "GB",
    "US": "US",
    "USA": "US",
    "United States of America": "US",
    "South Korea": "KR",
    "North Korea": "KP",
    "Czechia": "CZ",
    "The Netherlands": "NL",
    "Holland": "NL",
    "Türkiye": "TR",
    "Burma": "MM",
    "Samoa": "WS",
    "American Samoa": "AS",
}


@functools.cache
def names() -> frozenset[str]:
    """Return the names in the pinned IANA database.

    A system's own has others, such as `localtime`, which mean nothing on the next machine.
    """
    listed = _DATA.joinpath("zones").read_text(encoding="utf-8").split()
    # It is for machines whose zone nobody has chosen.
    return frozenset(listed) - {"Factory"}


@functools.cache
def choices() -> list[tuple[str, str]]:
    """Return the names to choose from, in order, as people write them, with city and country."""
    countries = _countries()
    listed = {
        name: f"{title(_city(name))} ({countries[code]})"
        for code, zones in _by_code().items()
        for name in zones
    }
    return [(title(name), label) for name, label in sorted({**listed, "UTC": "UTC"}.items())]


def title(name: str) -> str:
    """Return a name as people write it: `America/New York`."""
    return name.replace("_", " ")


def is_in(name: str, code: str) -> bool:
    """Return whether a zone is in the country with this code, also by an older name."""
    zones = _by_code()[code]
    if any(name in listed for listed in _by_code().values()):
        return name in zones
    return _rules(name) in map(_rules, zones)


def find(text: str) -> list[str]:
    """Return the zones of a name, a city, a country, or a city and its country.

    Case, accents and underscores don't matter. Zones of a country that agree from now on are one.
    """
    wanted = _folded(text)
    if wanted in _by_folded_name():
        return [_by_folded_name()[wanted]]
    if found := _by_city().get(wanted) or _distinct(_by_country().get(wanted, ())):
        return found
    city, _, country = text.removesuffix(")").partition("," if "," in text else "(")
    in_country = _by_country().get(_folded(country), [])
    in_both = [name for name in _by_city().get(_folded(city), []) if name in in_country]
    return in_both or _distinct(in_country)


def near(text: str) -> list[str]:
    """Return a few zones whose name, city or country is like this."""
    wanted, found = _folded(text.partition(",")[0]), list[str]()
    if len(wanted) >= _LEAST_CHARACTERS:
        for known in (_by_city(), _by_country()):
            found += [name for each, zones in known.items() if wanted in each for name in zones]
    by_name = {folded: [name] for folded, name in _by_folded_name().items() if _has_city(name)}
    for known in (_by_city(), by_name, _by_country()):
        for folded in difflib.get_close_matches(wanted, known, _MOST_OFFERED, _ALIKE):
            found += _distinct(known[folded])
    return list(dict.fromkeys(found))[:_MOST_OFFERED]


def _has_city(name: str) -> bool:
    return name.startswith(_CONTINENTS) and name not in _NO_CITIES


@functools.cache
def _by_folded_name() -> dict[str, str]:
    return {_folded(name): name for name in sorted(names())}


@functools.cache
def _by_city() -> dict[str, list[str]]:
    """Return the zones of each city; of several names of one zone, the longest, newest one."""
    found: dict[str, list[str]] = {}
    for name in sorted(filter(_has_city, names()), key=len, reverse=True):
        others = found.setdefault(_folded(_city(name)), [])
        if _rules(name) not in map(_rules, others):
            others.append(name)
    return {city: sorted(zones) for city, zones in found.items()}


@functools.cache
def _countries() -> dict[str, str]:
    """Return the names of the countries by their codes."""
    return {code: country for code, country, *_ in _table("iso3166.tab")}


@functools.cache
def _by_code() -> dict[str, list[str]]:
    """Return the zones of each country, the most important first."""
    found: dict[str, list[str]] = {}
    for code, _, name, *_ in _table("zone.tab"):
        found.setdefault(code, []).append(name)
    return found


@functools.cache
def _by_country() -> dict[str, list[str]]:
    by_name = {country: code for code, country in _countries().items()}
    zones = _by_code()
    return {
        _folded(country): zones[code]
        for country, code in {**by_name, **_OTHER_COUNTRIES}.items()
        if code in zones
    }


def _table(file: str) -> Iterable[list[str]]:
    lines = _DATA.joinpath("zoneinfo", file).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def _distinct(zones: Iterable[str]) -> list[str]:
    """Return one of the zones that agree from now on, of each kind."""
    zones, found = list(zones), dict[bytes, str]()
    # The names that stand for such a kind in the database come first.
    for name in sorted(zones, key=lambda name: name not in _present()):
        # The last line of a zone's file is its rule for the time to come.
        found.setdefault(_rules(name).splitlines()[-1], name)
    return sorted(found.values(), key=zones.index)


@functools.cache
def _present() -> frozenset[str]:
    return frozenset(name for _, _, name, *_ in _table("zonenow.tab"))


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    # A hyphen before a digit is a sign.
    return re.sub(r"(?:[\s_]|-(?!\d))+", "_", plain.replace("’", "'")).strip("_")


def _city(name: str) -> str:
    return name.rpartition("/")[2]


@functools.cache
def _rules(name: str) -> bytes:
    return _DATA.joinpath("zoneinfo", *name.split("/")).read_bytes()
