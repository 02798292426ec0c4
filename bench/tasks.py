"""What is measured by itself: starts, memory, collecting, statements, and growth."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import requests

from bench import collecting, items, people
from bench.machine import Memory, cpu_seconds, memory_of, tree
from bench.session import Session
from bench.systems import Django, System, await_answer

_MB = 1e6


@dataclass(frozen=True)
class Task:
    """Something that `--only` can name; `by_name` if it is done only then."""

    name: str
    run: Callable[[Session], None]
    by_name: bool = False


def _start(session: Session) -> None:
    """The time from the start of a service to its first answer from the database."""
    for system in session.checkouts:
        paths = {
            "api": ("/api/v1/sleep", system.token()),
            "processor": (
                f"/api/v1/metrics/ledger?user={system.person.name}",
                system.ingest_token,
            ),
        }
        for service, (path, token) in paths.items():
            took, used = [], []
            for _ in range(session.options.rounds):
                system.stop(service)
                process = system.serve(service)
                took.append(await_answer(system.urls[service] + path, process, token))
                used.append(cpu_seconds([process.pid]))
            session.keep(f"start of the {service}, first answer", system, took, "s")
            session.keep(f"start of the {service}, CPU", system, used, "s")


def _memory(session: Session) -> None:
    """What a worker has when it has just started, and after load."""
    for system in session.checkouts:
        system.stop()
        system.start_services()
        time.sleep(1)
        _keep_memory(session, system, "idle")
        held = session.options.days
        names = ("cold", "dashboard, again", "new")
        for item in items.all_items(held):
            if item.name.endswith(names) and not item.of_crowd:
                session.measure(item, system)
        _keep_memory(session, system, "after load")


def _keep_memory(session: Session, system: System, when: str) -> None:
    for service, process in system.processes.items():
        workers = [memory_of(each) for each in workers_of(process.pid)]
        for kind, of in (("RSS", _resident), ("PSS", _share)):
            name = f"memory of a worker of the {service}, {when}, {kind}"
            session.keep(name, system, [of(each) / _MB for each in workers], "MB")


def _resident(memory: Memory) -> float:
    return memory.resident


def _share(memory: Memory) -> float:
    return memory.share


def workers_of(pid: int) -> list[int]:
    """Return the workers of a server: its children, but for Python's own helper."""
    children = [each for each in tree([pid]) if each.pid != pid]
    return [each.pid for each in children if "resource_tracker" not in " ".join(each.cmdline())]


def _statements(session: Session) -> None:
    """How many statements each route runs: of data that are new to it, and again."""
    for system in session.checkouts:
        day = people.today()
        person, program = system.person.name, system.ingest_token
        for name, service, path in (
            ("sleep", "api", "/api/v1/sleep"),
            ("dashboard", "api", "/api/v1/dashboard"),
            ("coverage", "api", "/api/v1/coverage"),
            ("day", "api", f"/api/v1/days/{day}"),
            ("marks", "api", "/api/v1/marks"),
            ("ledger", "processor", f"/api/v1/metrics/ledger?user={person}"),
            ("rows", "processor", f"/api/v1/metrics/sleep?user={person}"),
        ):
            token = system.token() if service == "api" else program
            people.raise_versions(system.database)

            def read(url: str = system.urls[service] + path, token: str = token) -> None:
                headers = {"Authorization": f"Bearer {token}"}
                requests.get(url, headers=headers, timeout=60).raise_for_status()

            _count(session, system, name, read)
        for size in (1, 100):
            (body,) = system.new_documents(size).bodies(1)

            def write(system: Django = system, body: bytes = body) -> None:
                system.ingest(body)

            _count(session, system, f"ingest of {size}", write)


def _count(session: Session, system: System, name: str, ask: Callable[[], None]) -> None:
    for when in ("new", "again"):
        with session.server.logged() as statements:
            ask()
        session.keep(f"statements of {name}, {when}", system, [len(statements)], "")


def _collect(session: Session) -> None:
    for system in session.checkouts:
        collecting.measure_history(session, system)


def _eight(session: Session) -> None:
    for system in session.checkouts:
        collecting.measure_people(session, system, 8, days=session.options.days)


def _everyone(session: Session) -> None:
    for system in session.checkouts:
        collecting.measure_people(session, system, 50, days=365, troubled=True)


TASKS = [
    Task("statements", _statements),
    Task("cold start", _start),
    Task("memory", _memory),
    Task("collect", _collect),
    Task("eight people", _eight),
    Task("everyone", _everyone, by_name=True),
]
GROWTH = "growth"
