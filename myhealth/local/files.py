"""Files that several processes use: locks, the state of the server, what only its owner reads."""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def take(path: Path, how: int) -> int:
    """Open a lock file, lock it, and return its descriptor: closing that gives the lock back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    descriptor = take(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def read_state(var: Path) -> dict[str, Any]:
    state = {"port": 0, "password": "", "ready": False, "problem": ""}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        state |= json.loads((var / "postgres.json").read_text())
    return state


def write_state(var: Path, **changes: Any) -> None:
    write_private(var / "postgres.json", json.dumps(read_state(var) | changes) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if os.geteuid() == 0:
        # Root in somebody's folder must not lock them out of it.
        folder = path.parent.stat()
        os.chown(new, folder.st_uid, folder.st_gid)
    new.replace(path)
