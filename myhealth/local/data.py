"""Create and check the data folder, and stop a server that was left running."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
from pathlib import Path

from myhealth.local.files import read_state, write_state
from myhealth.local.places import change_owner
from myhealth.local.processes import command_line, wait_until
from myhealth.local.server import (
    MAJOR,
    NEEDED_MB,
    STOP_SECONDS,
    USER,
    EmbeddedError,
    Server,
    free_mb,
    no_space,
)

# PostgreSQL cuts paths off at 1,024 bytes, also those of the files in the folder.
_LONGEST_PATH = 900


def prepare_data(server: Server) -> None:
    """Create the data folder if there is none, and check that this PostgreSQL can read it.

    Raises EmbeddedError.
    """
    if len(os.fsencode(server.data)) > _LONGEST_PATH:
        raise EmbeddedError(
            f"The path of {server.data} is too long for PostgreSQL: choose another folder with "
            "VAR_DIR."
        )
    if not server.data.exists():
        if free_mb(server.data.parent) < NEEDED_MB:
            raise no_space(server.data.parent)
        write_state(server.var, password=secrets.token_urlsafe(24))
        _initialize(server)
    if not free_mb(server.data):
        raise no_space(server.data)
    _repair_access(server)
    version = _version(server.data)
    if not version:
        raise EmbeddedError(
            f"The database in {server.data} is incomplete: put back the missing files, or delete "
            "the folder and run `make restore`."
        )
    if version != MAJOR:
        raise EmbeddedError(
            f"{server.data} was created by PostgreSQL {version}, but this version of myhealth "
            f"includes PostgreSQL {MAJOR}: run `make backup` with the version of myhealth that "
            "created it, delete that folder, and run `make restore` with this version."
        )
    _stop_leftover_server(server.data)
    if not read_state(server.var)["password"]:
        _reset_password(server)


def _version(data: Path) -> str:
    """Return the major version of PostgreSQL that wrote the data; empty if it is not known."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return (data / "PG_VERSION").read_text().strip()
    return ""


def _repair_access(server: Server) -> None:
    """Give the folder the owner and the mode that PostgreSQL requires: copies may have others."""
    status = server.data.stat()
    if server.owner and status.st_uid != server.owner.uid:
        change_owner(server.data, server.owner)
    elif not server.owner and status.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{server.data} belongs to another user: run myhealth as that user, or run `chown -R "
            f"{os.geteuid()} {server.var}` as root."
        )
    if status.st_mode & 0o027:
        server.data.chmod(0o700)


def _require_user_name(server: Server) -> None:
    """Raise EmbeddedError if PostgreSQL would run as a user without a name.

    Its server needs none, but what creates or repairs a database does.
    """
    uid = server.owner.uid if server.owner else os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL needs a name for the user {uid}, but this system has none: add the user "
            "to /etc/passwd, run as another user, or set DB_HOST to use your own server."
        ) from None


def _initialize(server: Server) -> None:
    _require_user_name(server)
    # In another folder first: an interrupted initdb must not be taken for a database.
    new = server.data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
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
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _reset_password(server: Server) -> None:
    """Set a new password because `postgres.json` was lost."""
    _require_user_name(server)
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
    if not _serves(pid, data):
        pid_file.unlink(missing_ok=True)
        return
    for signal_number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        if wait_until(lambda: not _serves(pid, data), STOP_SECONDS):
            return


def _serves(pid: int, data: Path) -> bool:
    # With what follows it, as a folder's name may begin with another's.
    return f" -D {data} -c " in command_line(pid)
