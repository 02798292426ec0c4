"""The embedded PostgreSQL: the first process that needs it starts it, the last one stops it.

A small detached process, the keeper, is PostgreSQL's parent. A process that uses the database
holds a shared lock on `postgres.users` until it ends; the keeper waits for an exclusive lock.
The kernel releases locks however a process ends, so the server always stops after the last user.
These files are in the folder of local state (`var/`):

    postgres/           the data (in another folder for root in a closed folder, see places.py)
    postgres.json       port, password, whether the server is ready
    postgres.starting   lock: held by the process that is starting or joining the server
    postgres.users      lock: shared by users, exclusive by the keeper when it stops
    postgres.keeper     lock: held by the running keeper
    postgres.log        PostgreSQL's log
"""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from myhealth.local.data import prepare_data
from myhealth.local.files import (
    is_same_file,
    lock_file,
    locked,
    make_folder,
    read_state,
    write_state,
)
from myhealth.local.places import locate
from myhealth.local.processes import clean_environment, wait_until
from myhealth.local.server import (
    HOST,
    NAME,
    STOP_SECONDS,
    USER,
    ConnectionInfo,
    EmbeddedError,
    explained,
    free_mb,
    is_disk_full,
    no_space,
)

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0

_joining = threading.Lock()
_users: dict[Path, int] = {}


def join(var: Path) -> ConnectionInfo:
    """Start the PostgreSQL whose data are under `var`, or join the running one.

    It runs at least until this process ends. Joining takes less than a millisecond, starting a
    quarter of a second, and the first start a second more. Raises EmbeddedError.
    """
    var = var.absolute()
    with explained(var), _joining:
        if var in _users and not is_same_file(_users[var], var / "postgres.users"):
            raise EmbeddedError(
                f"{var} was deleted or replaced while it was in use: restart myhealth."
            )
        make_folder(var)
        # Forked children inherit the lock, so they keep the database in use, too.
        with locked(var / "postgres.starting"):
            if var not in _users:
                _users[var] = lock_file(var / "postgres.users", fcntl.LOCK_SH)
            return _running_server(var) or _start(var)


def leave(var: Path) -> None:
    """Stop using the database, and wait until it has stopped if nobody else uses it."""
    var = var.absolute()
    with _joining:
        if var not in _users:
            return
        os.close(_users.pop(var))
    # While others use it, it stays ready.
    deadline = time.monotonic() + 1
    wait_until(
        lambda: not is_running(var) or (time.monotonic() > deadline and read_state(var)["ready"]),
        STOP_SECONDS,
    )


def _running_server(var: Path) -> ConnectionInfo | None:
    """Return how to connect to the running server, or None if there is none."""
    state = read_state(var)
    if not is_running(var) or not state["ready"] or not _accepts_connections(state["port"]):
        return None
    return ConnectionInfo(HOST, state["port"], USER, state["password"], NAME)


def _start(var: Path) -> ConnectionInfo:
    """Start a keeper unless one is running, and wait until PostgreSQL is ready."""
    deadline = time.monotonic() + _START_SECONDS
    started = False
    while time.monotonic() < deadline:
        if connection := _running_server(var):
            return connection
        if not is_running(var):
            if started:
                break
            _start_keeper(var)
            started = True
        time.sleep(0.02)
    problem = read_state(var)["problem"] or "no connection."
    if is_disk_full(problem) or free_mb(var) < 1:
        raise no_space(var)
    raise EmbeddedError(
        f"The embedded PostgreSQL did not start (see {var / 'postgres.log'}): {problem}"
    )


def _start_keeper(var: Path) -> None:
    server = locate(var)
    # The lock is taken here and inherited by the keeper, so it is held at every moment.
    lock = lock_file(var / "postgres.keeper", fcntl.LOCK_EX)
    try:
        # Nobody else writes it now, so these are from processes that were killed.
        for left in var.glob("postgres.json.*"):
            left.unlink(missing_ok=True)
        prepare_data(server)
        write_state(var, ready=False, problem="")
        subprocess.run(
            [sys.executable, "-sE", "-m", "myhealth.local.keeper", str(var), str(lock)],
            pass_fds=[lock],
            # The folder in which Python finds the module; the keeper leaves it.
            cwd=_ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(lock)


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def is_running(var: Path) -> bool:
    """Return whether a keeper is running."""
    try:
        os.close(lock_file(var / "postgres.keeper", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    except OSError:
        # Without the folder, or its locks, no keeper can run.
        return False
    return False
