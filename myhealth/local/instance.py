"""One `make run` at a time on one folder of local state, and what others may know of it.

The lock on `run.lock` is held as long as it runs; `run.json` says where (myhealth.running).
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from myhealth.local.files import lock_file, make_folder, write_private
from myhealth.local.processes import wait_until
from myhealth.local.server import explained
from myhealth.running import read_file


class AlreadyRunning(Exception):
    """Another `make run` uses the folder; the message says where it is."""


@contextlib.contextmanager
def claim(var: Path, **state: Any) -> Iterator[bool]:
    """Be the only `make run` on `var`, and say so in `run.json` until the end.

    Yields whether the one before was killed. Raises AlreadyRunning or EmbeddedError.
    """
    file = var / "run.json"
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with explained(var):
        make_folder(var)
        lock = lock_file(var / "run.lock", fcntl.LOCK_UN)
        # Commands that look whether one is running hold the lock for a moment.
        if not wait_until(lambda: _take(lock), 1):
            os.close(lock)
            address = read_file(var).get("address")
            where = f": {address}" if address else "."
            raise AlreadyRunning(f"myhealth is already running{where}")
        was_killed = file.exists()
        write_private(file, json.dumps({"pid": os.getpid(), "started": started, **state}) + "\n")
    try:
        yield was_killed
    finally:
        file.unlink(missing_ok=True)
        os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def add_settings(var: Path, settings: dict[str, str]) -> None:
    """Write down the settings that a command beside this `make run` needs."""
    write_private(var / "run.json", json.dumps(read_file(var) | {"settings": settings}) + "\n")
