"""Files that several processes share: locks, the server's state, and private files."""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lock_file(path: Path, operation: int) -> int:
    """Open and lock a file, and return its descriptor. Closing that releases the lock."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file."""
    descriptor = lock_file(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def read_state(var: Path) -> dict[str, Any]:
    """Return the state of the server: `port`, `password`, `ready` and `problem`."""
    state = {"port": 0, "password": "", "ready": False, "problem": ""}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        state |= json.loads((var / "postgres.json").read_text())
    return state


def write_state(var: Path, **changes: Any) -> None:
    write_private(var / "postgres.json", json.dumps(read_state(var) | changes) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only its owner can read."""
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
        # Files that root writes into a user's folder must stay readable for that user.
        folder = path.parent.stat()
        os.chown(new, folder.st_uid, folder.st_gid)
    new.replace(path)
