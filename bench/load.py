"""Load by wrk: requests that are made before the clock starts, over some connections at once."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import orjson

from bench.machine import cpu_seconds

CONNECTIONS = 8
_SCRIPT = Path(__file__).with_name("requests.lua")
_REPORT = "bench "


@dataclass(frozen=True)
class Request:
    path: str
    method: str = "GET"
    token: str = ""
    etag: str = ""
    body: bytes = b""

    def line(self) -> bytes:
        """Return it as a line of the file that the script reads."""
        parts = (self.method, self.path, self.token, self.etag)
        return b"\t".join([*(part.encode() for part in parts), self.body])


@dataclass(frozen=True)
class Figures:
    """What one run measured. `cpu_ms` and `db_ms` are per request, or per document of one."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    bad: int
    cpu_ms: float
    db_ms: float

    def to_dict(self) -> dict[str, Any]:
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


class Clock:
    """The CPU time of some processes, and of PostgreSQL, from now on."""

    def __init__(self, services: Iterable[int], database: int) -> None:
        self.services, self.database = list(services), database
        self.before = self._read()

    def _read(self) -> tuple[float, float]:
        return cpu_seconds(self.services), cpu_seconds([self.database])

    def read(self) -> tuple[float, float]:
        """Return the seconds of the services and of PostgreSQL since the start."""
        services, database = self._read()
        return services - self.before[0], database - self.before[1]


def run(
    url: str, requests: Sequence[Request], clock: Clock, *, seconds: int, once: bool, unit: int = 1
) -> Figures:
    """Send the requests for some seconds. `unit` is the number of documents in each of them."""
    with tempfile.NamedTemporaryFile(prefix="myhealth-bench-") as file:
        file.write(b"\n".join(request.line() for request in requests) + b"\n")
        file.flush()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
            + ["-s", str(_SCRIPT), url],
            env={**os.environ, "REQUESTS": file.name, "ONCE": str(int(once))},
            capture_output=True,
            text=True,
        )
    services, database = clock.read()
    counts = parse(done.stdout)
    if counts is None:
        raise RuntimeError(f"wrk measured nothing at {url}: {done.stdout}{done.stderr}")
    return figures(counts, services, database, unit)


def parse(output: str) -> dict[str, Any] | None:
    """Return what the script reports at the end, None if it did not come that far."""
    for line in output.splitlines():
        if line.startswith(_REPORT):
            report: dict[str, Any] = orjson.loads(line.removeprefix(_REPORT))
            return report
    return None


def figures(counts: dict[str, Any], services: float, database: float, unit: int = 1) -> Figures:
    """Return the figures of `requests` in `seconds`, for which CPU seconds were used."""
    units = max(counts["requests"] * unit, 1)
    return Figures(
        requests=counts["requests"],
        per_second=counts["requests"] * unit / max(counts["seconds"], 1e-6),
        p50_ms=counts["p50_ms"],
        p99_ms=counts["p99_ms"],
        bad=counts["bad"],
        cpu_ms=1000 * services / units,
        db_ms=1000 * database / units,
    )


def together(parts: Sequence[Figures]) -> Figures:
    """Return several runs as one: sums and rates over all, and the medians of their latencies."""
    count = max(sum(part.requests for part in parts), 1)

    def mean(name: str) -> float:
        total: float = sum(getattr(part, name) * part.requests for part in parts)
        return total / count

    seconds = sum(part.requests / part.per_second for part in parts if part.per_second)
    return Figures(
        requests=sum(part.requests for part in parts),
        per_second=count / max(seconds, 1e-6),
        p50_ms=median_low(part.p50_ms for part in parts),
        p99_ms=max(part.p99_ms for part in parts),
        bad=sum(part.bad for part in parts),
        cpu_ms=mean("cpu_ms"),
        db_ms=mean("db_ms"),
    )


def middle(rounds: Sequence[Figures]) -> Figures:
    """Return the round with the median rate."""
    rate = median_low(each.per_second for each in rounds)
    return next(each for each in rounds if each.per_second == rate)
