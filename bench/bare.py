"""The reference beside every figure: bare psycopg with prepared statements, without a server.

Each process does one thing for some seconds: it reads a job from its input, a line of JSON, says
that it is ready, waits for a second line, and answers with what it measured.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

from bench import load, people
from bench.database import Database
from bench.load import Clock, Figures
from bench.systems import ROOT, environment

_RANGE = "FROM {}_metrics WHERE user_id = %s AND day BETWEEN %s AND %s ORDER BY day DESC"
_WRITTEN = "bare_sleep"
_DEFAULTS = {
    "timestamp with time zone": "now()",
    "integer": "0",
    "bigint": "0",
    "jsonb": "'{}'",
    "character varying": "''",
    "text": "''",
    "bytea": "''",
}

Connection = psycopg.Connection[Any]
Job = dict[str, Any]
# What does one request's work, given the number of the request.
Work = Callable[[int], object]


def measure(database: Database, job: Job, pid: int, *, processes: int, seconds: int) -> Figures:
    """Return what some processes of bare psycopg do together in some seconds."""
    if job["kind"].startswith("write"):
        _create_table(database)
    running = []
    try:
        for part in range(processes):
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "bench.bare"],
                    cwd=ROOT,
                    env=environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            own = {**job, "dsn": database.dsn, "part": part, "of": processes, "seconds": seconds}
            _say(running[-1], own)
        for process in running:
            _hear(process)
        clock = Clock([process.pid for process in running], pid)
        for process in running:
            _say(process, {})
        answers = [_hear(process) for process in running]
        services, used = clock.read()
    finally:
        for process in running:
            process.kill()
            process.communicate()
    took = [each for answer in answers for each in answer["took"]]
    cuts = quantiles(took, n=100) if len(took) > 1 else took * 99
    counts = {
        "requests": len(took),
        "seconds": max(answer["seconds"] for answer in answers),
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
        "bad": 0,
    }
    return load.figures(counts, services, used, job.get("unit", 1))


def _create_table(database: Database) -> None:
    database.run(
        f"DROP TABLE IF EXISTS {_WRITTEN}",
        f"CREATE TABLE {_WRITTEN} (LIKE sleep_metrics INCLUDING ALL)",
    )
    # What the processor fills in, such as the time.
    for name, type_ in database.rows(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL "
        "AND is_identity = 'NO'",
        _WRITTEN,
    ):
        if default := _DEFAULTS.get(type_):
            database.run(f"ALTER TABLE {_WRITTEN} ALTER {name} SET DEFAULT {default}")


def _say(process: "subprocess.Popen[bytes]", message: Job) -> None:
    assert process.stdin
    process.stdin.write(orjson.dumps(message) + b"\n")
    process.stdin.flush()


def _hear(process: "subprocess.Popen[bytes]") -> Job:
    assert process.stdout
    if not (line := process.stdout.readline()):
        raise RuntimeError("bare psycopg failed: see above.")
    answer: Job = orjson.loads(line)
    return answer


# In the process ----------------------------------------------------------------------------------


def _sleep(connection: Connection, job: Job) -> Work:
    """Read ranges of sleep, with these columns."""
    columns = [f"{name}::text" if name == "contributors" else name for name in job["columns"]]
    query = f"SELECT {', '.join(columns)} {_RANGE.format('sleep')}"
    cursor = connection.cursor(row_factory=dict_row)
    ranges: Sequence[Sequence[str]] = job["ranges"]

    def work(number: int) -> bytes:
        parameters = (job["user"], *ranges[number % len(ranges)])
        rows = cursor.execute(query.encode(), parameters, prepare=True).fetchall()
        for row in rows:
            if "contributors" in row:
                row["contributors"] = orjson.Fragment(row["contributors"])
        return orjson.dumps(rows)

    return work


def _dashboard(connection: Connection, job: Job) -> Work:
    """Read the last weeks of all types, of one person after the other."""
    cursor = connection.cursor(row_factory=dict_row)
    columns = "day, score, contributors::text AS contributors"
    queries = [f"SELECT {columns} {_RANGE.format(type_)}".encode() for type_ in people.TYPES]
    users: list[int] = job["users"]

    def work(number: int) -> bytes:
        parameters = (users[number % len(users)], job["start"], job["end"])
        found = [cursor.execute(each, parameters, prepare=True).fetchall() for each in queries]
        return orjson.dumps(found)

    return work


def _ledger(connection: Connection, job: Job) -> Work:
    """Read which days are stored, of all types."""
    query = "SELECT day, missing_collection, created_at FROM {}_metrics WHERE user_id = %s"
    queries = [query.format(type_).encode() for type_ in people.TYPES]

    def work(number: int) -> bytes:
        found = [connection.execute(each, (job["user"],), prepare=True) for each in queries]
        return orjson.dumps([each.fetchall() for each in found])

    return work


def _write(connection: Connection, job: Job, *, again: bool = False) -> Work:
    """Write a request's documents in a transaction, all columns, as new rows or as held ones."""
    names = ("user_id", "content_hash", *people.document_columns("sleep"))
    columns = ", ".join(names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "user_id")
    held = ", ".join(f"{_WRITTEN}.{name}" for name in names)
    new = ", ".join(f"excluded.{name}" for name in names)
    upsert = f"ON CONFLICT (user_id, day) DO UPDATE SET {changes} WHERE ({held}) <> ({new})"
    connection.execute(f"CREATE TEMP TABLE part AS SELECT {columns} FROM {_WRITTEN}".encode())
    insert = f"INSERT INTO {_WRITTEN} ({columns})"
    one = f"{insert} VALUES ({', '.join(['%s'] * len(names))}) {upsert}".encode()
    many = f"{insert} SELECT {columns} FROM part {upsert}".encode()
    copy = f"COPY part ({columns}) FROM STDIN".encode()
    size: int = job["unit"]
    # Made before the clock starts.
    rest = [_rest(day) for day in range(people.SPAN)]

    def rows(number: int) -> list[tuple[Any, ...]]:
        # Each process writes people of its own.
        first = ((0 if again else number) * job["of"] + job["part"]) * size
        return [_row(first + each, rest) for each in range(size)]

    def work(number: int) -> None:
        with connection.transaction():
            if size == 1:
                connection.execute(one, rows(number)[0], prepare=True)
                return
            with connection.cursor() as cursor:
                with cursor.copy(copy) as writer:
                    for row in rows(number):
                        writer.write_row(row)
                cursor.execute(many)
                cursor.execute("TRUNCATE part")

    return work


def _rest(day: int) -> tuple[Any, ...]:
    """Return the values of a day's columns, but for those that identify the row."""
    document = people.written("sleep", "", day)
    document["contributors"] = orjson.dumps(document["contributors"]).decode()
    return tuple(value for name, value in document.items() if name != "id")


def _row(number: int, rest: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    person, day = divmod(number, people.SPAN)
    return (person, b"sixteen bytes ok", f"{person}-{day}", *rest[day])


def _write_again(connection: Connection, job: Job) -> Work:
    return _write(connection, job, again=True)


_KINDS = {
    "sleep": _sleep,
    "dashboard": _dashboard,
    "ledger": _ledger,
    "write": _write,
    "write again": _write_again,
}


def _serve() -> None:
    # The process that started it ends it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    job: Job = orjson.loads(sys.stdin.buffer.readline())
    with psycopg.connect(job["dsn"], autocommit=True) as connection:
        work = _KINDS[job["kind"]](connection, job)
        # Prepared, and in the caches.
        warm = 8
        for number in range(warm):
            work(number)
        _answer({"ready": True})
        sys.stdin.buffer.readline()
        took: list[float] = []
        began = now = time.perf_counter()
        while now - began < job["seconds"]:
            work(warm + len(took))
            before, now = now, time.perf_counter()
            took.append(1000 * (now - before))
        _answer({"seconds": now - began, "took": took})


def _answer(message: Job) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
