"""Helpers for processes: their environment, command line, output and end."""

import contextlib
import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_ERROR = re.compile(r"\b(?:error|ERROR|FATAL|PANIC): +(.+)")


def clean_environment() -> dict[str, str]:
    """Return an environment without PGDATA, PGPORT and the like, which could reach our server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def reason(output: str) -> str:
    """Return what a program's output says about why it failed: its first error, or last line."""
    if found := _ERROR.search(output):
        return found[1]
    return (output.strip().splitlines() or ["no reason given"])[-1]


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until the condition is true, and return whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def command_line(pid: int) -> str:
    """Return the command line of a process, or "" if there is no such process."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
        return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True).stdout


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal_number)
