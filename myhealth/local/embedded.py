"""The embedded PostgreSQL: started by the first process that needs it, stopped after the last.

A small detached process, the keeper, is PostgreSQL's parent. Who uses the database holds a
shared lock on `postgres.users` for as long as it lives; the keeper waits for the exclusive one.
The kernel gives locks back however a process ends, so no count can go wrong and nothing stays
behind. Files, all in the folder of local state (`var/`):

    postgres/           the data (elsewhere for root in a closed folder, see places.py)
    postgres.json       port, password, whether the server is ready
    postgres.starting   lock: one process at a time starts or joins
    postgres.users      lock: shared by users, exclusive by the keeper when it stops
    postgres.keeper     lock: held by the living keeper
    postgres.log        what PostgreSQL has to say
"""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from myhealth.local.data import prepare
from myhealth.local.files import locked, read_state, take, write_state
from myhealth.local.places import locate
from myhealth.local.processes import environment, wait_until
from myhealth.local.server import HOST, NAME, STOP_SECONDS, USER, Connection, EmbeddedError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0

_joining = threading.Lock()
_users: dict[Path, int] = {}


def join(var: Path) -> Connection:
    """Start the PostgreSQL whose data is under `var`, or join the one that runs.

    It is kept running for as long as this process lives. Costs under a millisecond when it
    runs, a quarter of a second when it must be started, a second more the first time.
    Raises EmbeddedError.
    """
    var = var.absolute()
    try:
        var.mkdir(parents=True, exist_ok=True)
        # Children forked while the database is in use keep it in use: they share the lock.
        with _joining, locked(var / "postgres.starting"):
            if var not in _users:
                _users[var] = take(var / "postgres.users", fcntl.LOCK_SH)
            return ready(var) or start(var)
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename or var} can't be used by this user: "
            "run as the user that made it, or delete it for a fresh start."
        ) from error


def leave(var: Path) -> None:
    """Stop using the database, and wait for its end if nobody else uses it."""
    var = var.absolute()
    with _joining:
        if var not in _users:
            return
        os.close(_users.pop(var))
    # Who else uses it keeps it ready: then there is no end to wait for.
    patience = time.monotonic() + 1
    wait_until(
        lambda: not alive(var) or (time.monotonic() > patience and read_state(var)["ready"]),
        STOP_SECONDS,
    )


def ready(var: Path) -> Connection | None:
    """The connection of a running server, None when there is none to join."""
    state = read_state(var)
    if not alive(var) or not state["ready"] or not answers(state["port"]):
        return None
    return Connection(HOST, state["port"], USER, state["password"], NAME)


def start(var: Path) -> Connection:
    """Start a keeper unless one is at work already, and wait until PostgreSQL is ready."""
    deadline = time.monotonic() + START_SECONDS
    started = False
    while time.monotonic() < deadline:
        if connection := ready(var):
            return connection
        if not alive(var):
            if started:
                break
            start_keeper(var)
            started = True
        time.sleep(0.02)
    reason = read_state(var)["problem"] or "it does not answer."
    raise EmbeddedError(f"The embedded PostgreSQL did not start ({var / 'postgres.log'}): {reason}")


def start_keeper(var: Path) -> None:
    server = locate(var)
    # The lock is taken here and inherited, so there is no moment at which nobody holds it.
    lock = take(var / "postgres.keeper", fcntl.LOCK_EX)
    try:
        prepare(server)
        write_state(var, ready=False, problem="")
        subprocess.run(
            [sys.executable, "-sE", "-m", "myhealth.local.keeper", str(var), str(lock)],
            pass_fds=[lock],
            # Where Python looks for the module; the keeper itself stays in no folder.
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(lock)


def answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def alive(var: Path) -> bool:
    """Whether a keeper lives."""
    try:
        os.close(take(var / "postgres.keeper", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False
