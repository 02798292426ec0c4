"""The data folder: made, checked, and freed of what a killed server left."""

import contextlib
import os
import secrets
import shutil
import signal
from pathlib import Path

from myhealth.local.files import read_state, write_state
from myhealth.local.places import own
from myhealth.local.processes import command_of, wait_until
from myhealth.local.server import MAJOR, STOP_SECONDS, USER, EmbeddedError, Server


def prepare(server: Server) -> None:
    """Make the data folder if there is none, and see that this PostgreSQL can read it."""
    if not server.data.exists():
        write_state(server.var, password=secrets.token_urlsafe(24))
        initialise(server)
    made_by = (server.data / "PG_VERSION").read_text().strip()
    if made_by != MAJOR:
        raise EmbeddedError(
            f"{server.data} was made by PostgreSQL {made_by}, and this version of myhealth brings "
            f"PostgreSQL {MAJOR}: run `make backup` in the version of myhealth that made it, "
            "delete that folder, and run `make restore` here."
        )
    stop_leftover(server.data)
    if not read_state(server.var)["password"]:
        renew_password(server)


def initialise(server: Server) -> None:
    # Made under another name: an initdb that is interrupted must not pass for a database.
    new = server.data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = new / "password"
    password.write_text(read_state(server.var)["password"])
    if server.owner:
        own(new, server.owner)
    server.run(
        "initdb",
        *("-D", str(new / "data"), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
    )
    (new / "data").rename(server.data)
    shutil.rmtree(new)


def renew_password(server: Server) -> None:
    """Set a new password on data whose `postgres.json` was lost."""
    password = secrets.token_urlsafe(24)
    server.run(
        *("postgres", "--single", "-D", str(server.data), "postgres"),
        input=f"ALTER ROLE {USER} PASSWORD '{password}';\n",
    )
    write_state(server.var, password=password)


def stop_leftover(data: Path) -> None:
    """End a server whose keeper was killed, and forget one whose process number is another's."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return
    if str(data) not in command_of(pid):
        pid_file.unlink(missing_ok=True)
        return
    for how in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if wait_until(lambda: str(data) not in command_of(pid), STOP_SECONDS):
            return
