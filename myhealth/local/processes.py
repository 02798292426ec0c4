"""What we know of processes: their environment, their command lines, their ends."""

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def environment() -> dict[str, str]:
    # PGDATA, PGPORT and the like of the person's shell must not reach our server.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def wait_until(happened: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def command_of(pid: int) -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True).stdout


def die_with_parent(how: int) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, how)
