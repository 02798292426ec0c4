"""Create and check the data folder, and stop a server that was left running."""

import contextlib
import os
import secrets
import shutil
import signal
from pathlib import Path

from myhealth.local.files import read_state, write_state
from myhealth.local.places import change_owner
from myhealth.local.processes import command_line, wait_until
from myhealth.local.server import MAJOR, STOP_SECONDS, USER, EmbeddedError, Server


def prepare_data(server: Server) -> None:
    """Create the data folder if there is none, and check that this PostgreSQL can read it.

    Raises EmbeddedError.
    """
    if not server.data.exists():
        write_state(server.var, password=secrets.token_urlsafe(24))
        _initialize(server)
    version = (server.data / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise EmbeddedError(
            f"{server.data} was created by PostgreSQL {version}, but this version of myhealth "
            f"includes PostgreSQL {MAJOR}: run `make backup` with the version of myhealth that "
            "created it, delete that folder, and run `make restore` with this version."
        )
    _stop_leftover_server(server.data)
    if not read_state(server.var)["password"]:
        _reset_password(server)


def _initialize(server: Server) -> None:
    # In another folder first: an interrupted initdb must not be taken for a database.
    new = server.data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = new / "password"
    password.write_text(read_state(server.var)["password"])
    if server.owner:
        change_owner(new, server.owner)
    server.run(
        "initdb",
        *("-D", str(new / "data"), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
    )
    (new / "data").rename(server.data)
    shutil.rmtree(new)


def _reset_password(server: Server) -> None:
    """Set a new password because `postgres.json` was lost."""
    password = secrets.token_urlsafe(24)
    server.run(
        *("postgres", "--single", "-D", str(server.data), "postgres"),
        input=f"ALTER ROLE {USER} PASSWORD '{password}';\n",
    )
    write_state(server.var, password=password)


def _stop_leftover_server(data: Path) -> None:
    """Stop a server whose keeper was killed, or remove the PID file if the PID was reused."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return
    if str(data) not in command_line(pid):
        pid_file.unlink(missing_ok=True)
        return
    for signal_number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        if wait_until(lambda: str(data) not in command_line(pid), STOP_SECONDS):
            return
