"""`make bench`: measure myhealth beside references that are measured in the same run.

    make bench                           everything: a quarter of an hour
    make bench ARGS="--quick"            the same in small: two minutes
    make bench ARGS="--only 'sleep|dashboard, again'"
    make bench ARGS="--only everyone"    fifty connected people in one run, three with errors
    make bench ARGS="--beside ../other"  another checkout of myhealth in the same rounds
    make bench ARGS="--profile 'dashboard, again'"

The references are the yardstick (a small program in Go), bare psycopg, and servers that do nothing.
Quote ratios out of one run, since machines differ and are shared. CPU times vary less than rates.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import items, machine, report, tasks
from bench.database import Server, running_server
from bench.session import Options, Session
from bench.systems import ROOT, CannotRun, Django, Empty, System, Yardstick, build_yardstick

# The embedded PostgreSQL allows 150 connections, and a worker of each service may keep 8.
_CONNECTIONS, _OF_WORKERS = 110, 2 * 8


_BEGAN = time.monotonic()


def _say(line: str) -> None:
    sys.stderr.write(f"# {time.monotonic() - _BEGAN:4.0f} s: {line}\n")
    sys.stderr.flush()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="measure only items whose name matches"
    )
    parser.add_argument(
        "--rounds", type=int, help="how many times to measure each item (default: 3)"
    )
    parser.add_argument("--seconds", type=int, help="seconds for each measurement (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="measure once, for one second, with few people"
    )
    parser.add_argument(
        "--days", type=int, help="days of data of the person (default: 3653, ten years)"
    )
    parser.add_argument(
        "--workers", type=int, help="processes of each service (default: one for each core)"
    )
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="also measure another checkout"
    )
    parser.add_argument("--no-go", action="store_true", help="skip the reference program in Go")
    parser.add_argument("--profile", metavar="ITEM", help="show where an item spends its time")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the JSON here (default: var/bench/<time>.json)",
    )
    parser.add_argument("--list", action="store_true", help="list the names of the items")
    return parser


def _options(given: argparse.Namespace) -> Options:
    quick = {"rounds": 1, "seconds": 1, "crowd": (30, 365), "multitude": (300, 30)}
    most_workers = _CONNECTIONS // (_OF_WORKERS * (2 if given.beside else 1))
    chosen = Options(workers=min(os.cpu_count() or 1, most_workers), only=given.only)
    names = ("rounds", "seconds", "days", "workers")
    wanted = {name: value for name in names if (value := getattr(given, name)) is not None}
    for name, value in {**(quick if given.quick else {}), **wanted}.items():
        setattr(chosen, name, value)
    return chosen


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    options = _options(given)
    named = [item.name for item in items.all_items(options.days)]
    others = [*(task.name for task in tasks.TASKS), tasks.GROWTH]
    if given.list:
        _print("\n".join([*named, *others]))
        return 0
    if not any(re.search(options.only, name) for name in [*named, *others]):
        return _fail(f"No item matches '{options.only}'; --list names them.")
    if not shutil.which("wrk"):
        return _fail("Install wrk, which sends the requests (Debian: apt install wrk).")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    described = machine.describe()
    try:
        with running_server() as server, contextlib.ExitStack() as stack:
            described["postgresql"] = server.version
            session = Session(options, server, _start(stack, server, options, given), _say)
            if given.profile:
                _print(session.profile(given.profile))
                return 0
            _measure(session)
    except KeyboardInterrupt:
        return _fail("Interrupted: everything was stopped and deleted.")
    except CannotRun as error:
        return _fail(str(error))
    _report(session, described, given.out)
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


def _start(
    stack: contextlib.ExitStack, server: Server, options: Options, given: argparse.Namespace
) -> list[System]:
    """Start the systems, which the stack stops."""
    systems: list[System] = []

    def keep(system: System) -> None:
        stack.callback(system.stop)
        systems.append(system)

    folder, workers = server.folder.parent, options.workers
    roots = {"myhealth": ROOT, **({"beside": given.beside.resolve()} if given.beside else {})}
    for name, root in roots.items():
        _say(f"starting {name} with {workers} workers, and storing {options.days:,} days …")
        system = Django(name, root, server, workers=workers, days=options.days)
        stack.callback(system.stop)
        systems.append(system.start())
    if given.profile:
        return systems
    compared = any(options.wants(item.name) for item in items.all_items(options.days))
    if compared and not given.no_go:
        try:
            _say("starting the yardstick in Go (a build installs what is missing, if it may) …")
            built = build_yardstick(_var() / "bench" / "yardstick")
            keep(Yardstick(built, server, options.days))
        except CannotRun as error:
            _say(f"{error} The other references are measured.")
    if options.wants("empty answer"):
        keep(Empty("empty Django", "bench.empty_django:application", folder, workers))
        keep(Empty("empty WSGI", "bench.empty:application", folder, workers))
    return systems


def _var() -> Path:
    return Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute()


def _measure(session: Session) -> None:
    options = session.options
    chosen = [item for item in items.all_items(options.days) if options.wants(item.name)]
    growing = items.growing_items(options.days) if options.wants(tasks.GROWTH) else []
    session.grow(growing, "one person")
    session.rounds([item for item in chosen if not item.of_crowd])
    for task in tasks.TASKS:
        if options.wants(task.name) and (options.only or not task.by_name):
            _say(f"{task.name} …")
            task.run(session)
    of_crowd = [item for item in chosen if item.of_crowd]
    if of_crowd or growing:
        added = session.add_people(*options.crowd)
        session.rounds(of_crowd)
        session.grow(growing, added)
    if growing:
        session.grow(growing, session.add_people(*options.multitude))


def _report(session: Session, described: dict[str, object], out: Path | None) -> None:
    every = items.all_items(session.options.days)
    parts = [
        report.table(session, every),
        report.growth_table(session),
        report.values(session),
        report.EXPLANATION,
    ]
    _print("\n\n".join(part for part in parts if part))
    path = out or _var() / "bench" / time.strftime("%Y%m%d-%H%M%S.json")
    report.write(path, report.to_json(session, described))
    _print(f"\nAll figures are in {path}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
