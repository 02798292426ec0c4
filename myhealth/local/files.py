"""Files that several processes share: locks, the server's state, and private files."""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Create a folder that others can't write to, whatever the umask, unless it exists."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    share_owner(folder)


def share_owner(path: Path) -> None:
    """Let what root creates in a user's folder belong to that user, who must be able to use it."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def lock_file(path: Path, operation: int) -> int:
    """Open and lock a file, and return its descriptor. Closing that releases the lock."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether an open file is still the one at this path."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


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
    # A damaged file counts as a lost one. (ValueError: neither JSON nor text.)
    with contextlib.suppress(FileNotFoundError, ValueError):
        read = json.loads((var / "postgres.json").read_text())
        if isinstance(read, dict):
            state |= {k: read[k] for k, v in state.items() if type(read.get(k)) is type(v)}
    return state


def write_state(var: Path, **changes: Any) -> None:
    write_private(var / "postgres.json", json.dumps(read_state(var) | changes) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only its owner can read."""
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # On a full disk, os.write might write only a part, without an error.
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.fsencode(text))
            file.flush()
            os.fsync(descriptor)
        share_owner(new)
        new.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            new.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
