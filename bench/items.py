"""What is measured: requests that all systems get, and the same work by bare psycopg."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import requests

from bench import people
from bench.bare import Job
from bench.load import Request
from bench.people import Person
from bench.systems import Django, System, Yardstick

_FIELDS = ("oura_id", "day", "score", "duration")
# So many different ranges that hardly one comes twice.
_RANGES = 20_000
# Of requests that are sent once, so many are made for each second of the first run.
_FIRST_GUESS = {1: 3000, 1000: 30}


@dataclass(frozen=True)
class Work:
    """What one run sends: `once` if none of it may be sent again."""

    service: str
    requests: Sequence[Request]
    once: bool = False


@dataclass(frozen=True)
class Item:
    """One line of the table.

    `work` returns what a system is sent in a run of so many seconds, None if it can't do that.
    `bare` is the same for bare psycopg. The yardstick's figure for `base` is what this one's is
    compared with, if it has none of its own.
    """

    name: str
    work: Callable[[System, int], Work | None]
    bare: Callable[[Django], Job] | None = None
    unit: int = 1
    base: str = ""
    # Whether it needs many people who have days.
    of_crowd: bool = False


@dataclass
class Expectations:
    """How many requests a run may need at most, by what the last one needed."""

    rates: dict[tuple[str, int], float] = field(default_factory=dict)

    def count(self, system: str, size: int, seconds: int) -> int:
        return int(self.rates.get((system, size), _FIRST_GUESS[size]) * seconds) + 1

    def learn(self, system: str, size: int, per_second: float) -> None:
        self.rates[system, size] = 1.5 * per_second / size


EXPECTED = Expectations()


def _nothing(system: System, seconds: int) -> Work:
    return Work("api", [Request("/health")])


# Reading -----------------------------------------------------------------------------------------


def _token(system: System) -> str:
    match system:
        case Django():
            return system.token()
        case Yardstick():
            return system.access
    return ""


def random_ranges(days: int, held: int, count: int) -> list[tuple[str, str]]:
    """Return different ranges of nearly `days` days anywhere within the last `held` days."""
    last, chance, found = people.today(), random.Random(), []
    for _ in range(count):
        length = chance.randint(max(days * 4 // 5, 1), days)
        end = last - timedelta(days=chance.randint(0, max(held - length, 0)))
        found.append((str(end - timedelta(days=length - 1)), str(end)))
    return list(dict.fromkeys(found))


def last_range(days: int) -> list[tuple[str, str]]:
    last = people.today()
    return [(str(last - timedelta(days=days - 1)), str(last))]


def _sleep_path(start: str, end: str, columns: Sequence[str]) -> str:
    chosen = f"&fields={','.join(columns)}" if columns else ""
    return f"/api/v1/sleep?start={start}&end={end}{chosen}"


def _read_sleep(name: str, days: int, held: int, *, cold: bool, whole: bool = False) -> Item:
    columns = () if whole else _FIELDS

    def ranges() -> list[tuple[str, str]]:
        return random_ranges(days, held, _RANGES) if cold else last_range(days)

    def work(system: System, seconds: int) -> Work | None:
        if system.answers_only or (whole and not isinstance(system, Django)):
            return None
        if cold and isinstance(system, Django):
            # Ranges of an earlier round may come again.
            people.raise_versions(system.database, system.person)
        token = _token(system)
        paths = [_sleep_path(start, end, columns) for start, end in ranges()]
        return Work("api", [Request(path, token=token) for path in paths])

    def bare(system: Django) -> Job:
        named = people.document_columns("sleep") if whole else _FIELDS
        return {
            "kind": "sleep",
            "user": system.person.id,
            "ranges": ranges(),
            "columns": [*named, "updated_at"] if whole else named,
        }

    return Item(name, work, bare)


def _read_sleep_unchanged(name: str, days: int, base: str) -> Item:
    def work(system: System, seconds: int) -> Work | None:
        if not system.has_etags:
            return None
        token, path = _token(system), _sleep_path(*last_range(days)[0], _FIELDS)
        return Work("api", [Request(path, token=token, etag=etag_of(system, path, token))])

    return Item(name, work, base=base)


def etag_of(system: System, path: str, token: str) -> str:
    answer = requests.get(
        system.urls["api"] + path, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    return answer.headers.get("ETag", "")


_DASHBOARD = "/api/v1/dashboard"


def _bare_dashboard(users: Sequence[Person]) -> Job:
    ((start, end),) = last_range(28)
    ids = [each.id for each in users]
    return {"kind": "dashboard", "users": ids, "start": start, "end": end}


def _dashboard_again(system: System, seconds: int) -> Work | None:
    if system.answers_only:
        return None
    return Work("api", [Request(_DASHBOARD, token=_token(system))])


def _dashboard_cold(system: System, seconds: int) -> Work | None:
    """Each person once, all with new tokens, after a change of everybody's days."""
    match system:
        case Yardstick():
            return _dashboard_again(system, seconds)
        case Django():
            people.raise_versions(system.database)
            tokens = [system.tokens.new(person) for person in system.crowd]
            return Work("api", [Request(_DASHBOARD, token=each) for each in tokens], once=True)
    return None


def _ledger(system: System, seconds: int) -> Work | None:
    """What the collector asks the processor before each run."""
    if not isinstance(system, Django):
        return None
    path = f"/api/v1/metrics/ledger?user={system.person.name}"
    return Work("processor", [Request(path, token=system.ingest_token)])


# Writing -----------------------------------------------------------------------------------------


def _posts(system: System, bodies: Sequence[bytes]) -> list[Request]:
    token = system.ingest_token if isinstance(system, Django) else ""
    return [Request("/api/v1/ingest", "POST", token, body=body) for body in bodies]


def _ingest_new(size: int) -> Callable[[System, int], Work | None]:
    def work(system: System, seconds: int) -> Work | None:
        if system.answers_only or (size > 1 and not system.takes_lists):
            return None
        count = EXPECTED.count(system.name, size, seconds)
        return Work("processor", _posts(system, system.new_documents(size).bodies(count)), True)

    return work


def _ingest_again(size: int) -> Callable[[System, int], Work | None]:
    def work(system: System, seconds: int) -> Work | None:
        if not isinstance(system, Django):
            return None
        bodies = system.new_documents(size).bodies(16)
        for body in bodies:
            system.ingest(body)
        return Work("processor", _posts(system, bodies))

    return work


def _bare_write(kind: str, size: int) -> Callable[[Django], Job]:
    def job(system: Django) -> Job:
        return {"kind": kind, "unit": size}

    return job


# All ---------------------------------------------------------------------------------------------

ONE_NEW = "ingest 1 new"


def read_items(held: int) -> list[Item]:
    """Return the items that read, for a person with so many days."""
    found = [Item("empty answer", _nothing)]
    lengths = [days for days in (30, 365, 3650) if days <= held]
    for days in lengths:
        found.append(_read_sleep(f"sleep {days} days, cold", days, held, cold=True))
    for days in lengths:
        again = f"sleep {days} days, again"
        found.append(_read_sleep(again, days, held, cold=False))
        found.append(_read_sleep_unchanged(f"sleep {days} days, 304", days, again))
    whole = lengths[min(1, len(lengths) - 1)]
    name = f"sleep {whole} days, all columns"
    found.append(_read_sleep(name, whole, held, cold=True, whole=True))

    def bare_again(system: Django) -> Job:
        return _bare_dashboard([system.person])

    def bare_cold(system: Django) -> Job:
        return _bare_dashboard(system.crowd)

    def bare_ledger(system: Django) -> Job:
        return {"kind": "ledger", "user": system.person.id}

    return [
        *found,
        Item("dashboard, again", _dashboard_again, bare_again),
        Item("ledger", _ledger, bare_ledger),
        Item("dashboard, cold", _dashboard_cold, bare_cold, of_crowd=True),
    ]


def write_items() -> list[Item]:
    return [
        Item(ONE_NEW, _ingest_new(1), _bare_write("write", 1)),
        Item("ingest 1000 new", _ingest_new(1000), _bare_write("write", 1000), 1000, ONE_NEW),
        Item(
            "ingest 1000 again",
            _ingest_again(1000),
            _bare_write("write again", 1000),
            1000,
            ONE_NEW,
        ),
    ]


def all_items(held: int) -> list[Item]:
    return [*read_items(held), *write_items()]


def growing_items(held: int) -> list[Item]:
    """Return the items that are measured again while more and more people are added."""
    first = f"sleep {30 if held >= 30 else held} days, cold"
    wanted = (first, "sleep 365 days, cold", ONE_NEW, "ingest 1000 new")
    return [item for item in all_items(held) if item.name in wanted]
