"""One run: the systems, the rounds over all items, and what is measured once."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import requests

from bench import bare, items, load, people
from bench.database import Server
from bench.items import EXPECTED, Item
from bench.load import Clock, Figures
from bench.systems import Django, System

BARE = "bare psycopg"
_PROFILE_PATH = "/_bench/profile"


@dataclass
class Options:
    rounds: int = 3
    seconds: int = 3
    workers: int = 1
    only: str = ""
    # How many people there are in the two larger worlds, and how many days each of them has.
    crowd: tuple[int, int] = (300, people.TEN_YEARS)
    multitude: tuple[int, int] = (10_000, 30)
    days: int = people.TEN_YEARS

    def wants(self, name: str) -> bool:
        return bool(re.search(self.only, name))


@dataclass(frozen=True)
class Value:
    """A single figure, as the median of its rounds."""

    name: str
    system: str
    value: float
    unit: str


@dataclass
class Session:
    """The systems of a run, of which the first is this checkout, and what was measured."""

    options: Options
    server: Server
    systems: list[System]
    say: Callable[[str], None]
    measured: dict[tuple[str, str], list[Figures]] = field(default_factory=dict)
    # The same by item, system, and who is in the database.
    grown: dict[tuple[str, str, str], list[Figures]] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)

    @property
    def checkouts(self) -> list[Django]:
        return [system for system in self.systems if isinstance(system, Django)]

    def rounds(self, chosen: Sequence[Item]) -> None:
        """Measure each item on every system before the next one, several times."""
        for number in range(self.options.rounds if chosen else 0):
            for item in chosen:
                # In turns, since what comes first may have it easier.
                for system in self.systems[:: -1 if number % 2 else 1]:
                    if figures := self.measure(item, system):
                        self.measured.setdefault((item.name, system.name), []).append(figures)
                if figures := self._measure_bare(item):
                    self.measured.setdefault((item.name, BARE), []).append(figures)
            self.say(f"round {number + 1} of {self.options.rounds} is over")

    def grow(self, chosen: Sequence[Item], world: str) -> None:
        """Measure the items, and a dashboard after changes, with these people in the database."""
        for _ in range(self.options.rounds if chosen else 0):
            for system in self.checkouts:
                for item in chosen:
                    if figures := self.measure(item, system):
                        key = (item.name, system.name, world)
                        self.grown.setdefault(key, []).append(figures)
                key = ("dashboard, after a change", system.name, world)
                self.grown.setdefault(key, []).append(self._changed_dashboard(system))

    def _changed_dashboard(self, system: Django, count: int = 40) -> Figures:
        """Return what one person's dashboard costs after each change of their days."""
        url = f"{system.urls['api']}/api/v1/dashboard"
        clock = Clock(system.pids(), self.server.pid)
        took = []
        for _ in range(count):
            people.raise_versions(system.database, system.person)
            headers = {"Authorization": f"Bearer {system.token()}"}
            began = time.perf_counter()
            requests.get(url, headers=headers, timeout=60).raise_for_status()
            took.append(time.perf_counter() - began)
        cuts = [1000 * each for each in sorted(took)]
        counts = {"requests": count, "seconds": sum(took), "bad": 0}
        counts |= {"p50_ms": cuts[count // 2], "p99_ms": cuts[-1]}
        return load.figures(counts, *clock.read())

    def measure(self, item: Item, system: System) -> Figures | None:
        """Return the figures of one run, None if the system can't do that."""
        seconds = self.options.seconds
        # A pass over all people can be short, and each has new tokens.
        passes = seconds if item.of_crowd and isinstance(system, Django) else 1
        parts = []
        for _ in range(passes):
            work = item.work(system, seconds)
            if work is None:
                return None
            parts.append(
                load.run(
                    system.urls[work.service],
                    work.requests,
                    Clock(system.pids(), self.server.pid),
                    seconds=seconds // passes,
                    once=work.once,
                    unit=item.unit,
                )
            )
            if item.name.startswith("ingest") and work.once:
                EXPECTED.learn(system.name, item.unit, parts[-1].per_second)
        return load.together(parts) if passes > 1 else parts[0]

    def _measure_bare(self, item: Item) -> Figures | None:
        if item.bare is None:
            return None
        system = self.checkouts[0]
        return bare.measure(
            system.database,
            item.bare(system),
            self.server.pid,
            # Single rows wait for the disk, most of the time.
            processes=load.CONNECTIONS if item.name == items.ONE_NEW else self.options.workers,
            seconds=self.options.seconds,
        )

    def keep(self, name: str, system: System, rounds: Sequence[float], unit: str) -> None:
        """Keep the median of a single figure."""
        middle = sorted(rounds)[(len(rounds) - 1) // 2]
        self.values.append(Value(name, system.name, middle, unit))

    def add_people(self, count: int, days: int) -> str:
        """Add people to the checkouts' databases, and return a description of them."""
        added = f"and {count:,} x {days:,} days"
        self.say(f"adding {count:,} people with {days:,} days each …")
        for system in self.checkouts:
            system.add_crowd(count, days)
            if not _is_outdated(system):
                self.say(f"{system.name} may keep dashboards ready: none was outdated")
        return added

    def profile(self, name: str) -> str:
        """Return where the time of an item's requests goes, by Python's profiler."""
        system = self.checkouts[0]
        found = [item for item in items.all_items(self.options.days) if name in item.name]
        if not found:
            raise ValueError(f"There is no item like '{name}'.")
        if found[0].of_crowd:
            self.add_people(*self.options.crowd)
        system.stop()
        system.start_services(workers=1, application="bench.profiled:application")
        if (work := found[0].work(system, self.options.seconds)) is None:
            raise ValueError(f"{system.name} has nothing like '{name}'.")
        url = system.urls[work.service]
        # What came before does not count.
        requests.get(url + _PROFILE_PATH, timeout=60).raise_for_status()
        clock = Clock(system.pids(), self.server.pid)
        load.run(url, work.requests, clock, seconds=self.options.seconds, once=work.once)
        return requests.get(url + _PROFILE_PATH, timeout=60).text


def _is_outdated(system: Django) -> bool:
    """Return whether raising the versions outdates an answer, as cold items need it."""
    tags = []
    for _ in range(2):
        tags.append(items.etag_of(system, "/api/v1/dashboard", system.token()))
        people.raise_versions(system.database, system.person)
    return tags[0] != tags[1]
