"""The machine: what it is, and what its processes use of it."""

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("Django", "granian", "psycopg", "orjson", "msgspec", "djangorestframework")


def describe() -> dict[str, Any]:
    """Return what figures depend on: the processor, memory, versions and how busy it is."""
    installed = {name: metadata.version(name) for name in _PACKAGES if _is_installed(name)}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": installed,
        "load_before": [round(each, 2) for each in os.getloadavg()],
    }


def _is_installed(name: str) -> bool:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return bool(metadata.version(name))
    return False


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def tree(roots: Iterable[int]) -> list[psutil.Process]:
    """Return the living processes among these, and all their descendants."""
    found = {}
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(root)
            for each in (process, *process.children(recursive=True)):
                found[each.pid] = each
    return list(found.values())


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU time of these processes and of all their descendants, also of ended ones."""
    total = 0.0
    for process in tree(roots):
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            total += _own_seconds(process.pid, times.user + times.system) + ended
    return total


def _own_seconds(pid: int, rounded: float) -> float:
    """Return a process's CPU time, on Linux without the rounding to a hundredth of a second."""
    if sys.platform != "linux":
        return rounded
    # The id of another process's clock, as the kernel composes it.
    return time.clock_gettime(~pid << 3 | 2)


@dataclass(frozen=True)
class Memory:
    """Bytes of memory: all that a process has, and its share of it."""

    resident: int
    share: int


def memory_of(pid: int) -> Memory:
    """Return the memory of a process; shared pages are divided by their users, on Linux."""
    full = psutil.Process(pid).memory_full_info()
    return Memory(full.rss, getattr(full, "pss", full.uss))
