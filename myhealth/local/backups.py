"""Back up and restore the embedded database.

`postgres.backup` and `postgres.restore` in the folder of local state are locks: one process makes
a backup at a time, and one restores.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from myhealth.local import local_env
from myhealth.local.archives import (
    KEPT_PREFIX,
    Archive,
    describe_age,
    describe_time,
    newest_archive,
    read_archive,
    stamp_statement,
)
from myhealth.local.client import run_client, run_sql
from myhealth.local.configuration import DEMO, own_account, uses_demo
from myhealth.local.embedded import join
from myhealth.local.files import lock_file, locked, make_folder, share_owner
from myhealth.local.places import locate
from myhealth.local.server import NAME, ConnectionInfo, EmbeddedError, Server, explained

_BASE_DIR = Path(__file__).resolve().parents[2]
_NEW, _OLD = f"{NAME}_new", f"{NAME}_old"
_HAS_TABLES = "SELECT to_regclass('public.accounts_user') IS NOT NULL"
_CONTENT = """
SELECT (SELECT count(*) FROM accounts_user), count(*), max(day) FROM (
    SELECT user_id, day FROM sleep_metrics UNION SELECT user_id, day FROM activity_metrics
    UNION SELECT user_id, day FROM readiness_metrics
) AS days
"""
# Answers that browsers and programs keep were made from data that are gone, and the counters in
# their ETags shall not come to the same numbers again.
_NEW_VERSIONS = """
UPDATE metric_streams SET version = version + extract(epoch FROM now())::bigint,
    ledger_version = ledger_version + extract(epoch FROM now())::bigint
"""


def backup(var: Path, file: Path | None = None) -> Path:
    """Write the database to a file, by default a new one in `var/backups/`, and return its path.

    Raises EmbeddedError, and leaves no file then.
    """
    connection, server = join(var), locate(var)
    if _query(server, connection, NAME, _HAS_TABLES) != "t":
        raise EmbeddedError(f"There is nothing to back up in {var} yet: run `make run` first.")
    return _dump(server, connection, file)


def _dump(
    server: Server, connection: ConnectionInfo, file: Path | None, prefix: str = "myhealth-"
) -> Path:
    backups = server.var / "backups"
    explaining = explained(file.parent, "FILE") if file else explained(backups)
    # Each dump has its own time and name.
    with explaining, locked(server.var / "postgres.backup"):
        now = datetime.now(UTC)
        if file is None:
            make_folder(backups, 0o700)
            # Of a backup that was killed, as there is only one at a time.
            for unfinished in backups.glob(".*.dump.*"):
                unfinished.unlink()
            file = _new_name(backups, f"{prefix}{now:%Y%m%dT%H%M%SZ}")
        elif file.is_dir():
            file = _new_name(file, f"{prefix}{now:%Y%m%dT%H%M%SZ}")
        elif not file.absolute().parent.is_dir():
            raise EmbeddedError(
                f"There is no folder {file.parent}: create it, or choose another FILE."
            )
        elif file.exists() and not file.is_file():
            raise EmbeddedError(f"{file} is not a file: choose another FILE.")
        run_sql(server, connection, stamp_statement(now))
        _write(server, connection, file)
        return file


def _new_name(folder: Path, stem: str) -> Path:
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.dump" for number in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())


def _write(server: Server, connection: ConnectionInfo, file: Path) -> None:
    """Dump the database; the file has its name only when it is complete and on the disk."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        # pg_dump itself waits until the file is on the disk.
        run_client(server, connection, "pg_dump", "-Fc", "-f", str(new.absolute()), "-d", NAME)
        share_owner(new)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(file.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def restore(
    var: Path,
    file: Path | None = None,
    *,
    confirm: Callable[[str], bool] = lambda question: True,
    say: Callable[[str], None] = lambda line: None,
) -> Path | None:
    """Replace the database by a backup, by default the newest in `var/backups/`; return its path.

    The backup is restored into a new database and migrated there. What is in the database now is
    backed up first. The new one replaces it only when it is complete, and only if `confirm` says
    yes to the question that tells of both; otherwise None is returned. Open connections are closed,
    and new ones reach the restored database. The settings must be in the environment, for the
    accounts' passwords and the keys. Raises EmbeddedError, and nothing has changed then.
    """
    if file is not None:
        with explained(file.parent, "FILE"):
            if not file.exists():
                raise EmbeddedError(f"The file {file} does not exist: choose one with FILE=….")
    connection, server = join(var), locate(var)
    with _only_restore(var):
        archive = _choose(server, connection, file)
        try:
            remarks = _fill_new_database(server, connection, archive)
            before = _describe_content(server, connection, NAME)
            if not confirm(_question(archive, _describe_content(server, connection, _NEW), before)):
                return None
            if before:
                kept = _keep(server, connection)
                say(f"The previous database is kept: make restore FILE={kept} restores it.")
            _swap_databases(server, connection)
        except EmbeddedError as error:
            raise EmbeddedError(
                f"{archive.file} can't be restored, so the database was left unchanged. {error}"
            ) from error
        finally:
            run_sql(server, connection, f"DROP DATABASE IF EXISTS {_NEW} WITH (FORCE)")
    for remark in remarks:
        say(remark)
    return archive.file


def _keep(server: Server, connection: ConnectionInfo) -> Path:
    try:
        return _dump(server, connection, None, KEPT_PREFIX)
    except EmbeddedError as error:
        raise EmbeddedError(
            f"The current database can't be backed up: {str(error).rstrip('.')}. To restore "
            f"without keeping it, first stop myhealth and move the folder {server.data} to another "
            "place."
        ) from error


def ask_on_terminal(question: str) -> bool:
    """Return whether the person agrees; without a terminal, or with YES=1, nobody is asked."""
    if os.environ.get("YES", "0").lower() not in ("", "0", "no", "off", "false"):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        return True
    sys.stdout.write(f"{question}\n")
    try:
        return input("Replace it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


@contextlib.contextmanager
def _only_restore(var: Path) -> Iterator[None]:
    try:
        lock = lock_file(var / "postgres.restore", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedError("Another restore is running: wait until it has finished.") from None
    try:
        yield
    finally:
        os.close(lock)


def _choose(server: Server, connection: ConnectionInfo, file: Path | None) -> Archive:
    if file is None:
        return newest_archive(server, connection, server.var / "backups")
    try:
        archive = read_archive(server, connection, file)
    except EmbeddedError as error:
        raise EmbeddedError(
            f"{file} is not a backup, so the database was left unchanged. {error}"
        ) from error
    if not archive.is_ours:
        raise EmbeddedError(
            f"{file} is not a backup of myhealth, so the database was left unchanged."
        )
    return archive


def _question(archive: Archive, content: str, before: str) -> str:
    made_at = archive.made_at
    return (
        f"This replaces the database with {archive.file}\n"
        f"from {describe_time(made_at)} ({describe_age(made_at)}).\n"
        f"  the backup: {content}\n"
        f"  now:        {before or 'nothing'}\n"
        "The current database is backed up first."
    )


def _fill_new_database(server: Server, connection: ConnectionInfo, archive: Archive) -> list[str]:
    """Restore a backup into a new database, migrate it, and return what the person must know."""
    run_sql(
        server,
        connection,
        f"DROP DATABASE IF EXISTS {_NEW} WITH (FORCE)",
        f"CREATE DATABASE {_NEW}",
    )
    # A server's backup names roles that are not here.
    options = ("--exit-on-error", "--no-owner", "--no-privileges", "-d", _NEW)
    run_client(server, connection, "pg_restore", *options, str(archive.file.absolute()))
    _manage(connection, "migrate", "--noinput", "--verbosity", "0", "--only-known")
    _query(server, connection, _NEW, _NEW_VERSIONS)
    return [
        *_set_passwords(server, connection),
        *_check_keys(server, connection),
    ]


def _set_passwords(server: Server, connection: ConnectionInfo) -> Iterator[str]:
    """Yield what there is to know about passwords that are not those in the settings."""

    def ensure(name: str, setting: str, *options: str) -> str:
        """Return what `ensure_user` says of an account, or nothing if there is none."""
        password, quoted = os.environ.get(setting), name.replace("'", "''")
        found = f"SELECT FROM accounts_user WHERE lower(username) = lower('{quoted}')"
        if not password or _query(server, connection, _NEW, f"SELECT EXISTS ({found})") == "f":
            return ""
        return _manage(connection, "ensure_user", name, *options, PASSWORD=password)

    accounts = {own_account(): "OURA_USER_PASSWORD"}
    if uses_demo():
        accounts[DEMO] = "DEMO_PASSWORD"
    for name, setting in accounts.items():
        if ensure(name, setting, *local_env.reset_option(name)) == "other password":
            yield (
                f"{name} now has the password from the time of the backup, not the one in "
                f"var/local.env. Forgotten? make password USER={name}"
            )


def _check_keys(server: Server, connection: ConnectionInfo) -> Iterator[str]:
    """Tell of stored Oura tokens that the present keys do not open."""
    if _query(server, connection, _NEW, "SELECT count(*) FROM oura_connections") == "0":
        return
    closed = int(_manage(connection, "check_token_keys"))
    if closed:
        people = "1 person" if closed == 1 else f"{closed} people"
        yield (
            f"{people} must connect Oura again, or put the old TOKEN_ENCRYPTION_KEYS into .env: "
            "the current keys can't decrypt the tokens in the backup."
        )


def _describe_content(server: Server, connection: ConnectionInfo, database: str) -> str:
    """Return what is in a database, in a few words; nothing if it has no tables."""
    if _query(server, connection, database, _HAS_TABLES) != "t":
        return ""
    try:
        counts = _query(server, connection, database, _CONTENT)
    except EmbeddedError:
        return "data from another version"
    accounts, days, last = counts.split("|")
    text = f"{_count(accounts, 'account')}, {_count(days, 'day')}"
    return f"{text}, the newest {last}" if last else text


def _count(number: str, noun: str) -> str:
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def _query(server: Server, connection: ConnectionInfo, database: str, statement: str) -> str:
    options = ("-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)
    return run_client(server, connection, "psql", *options)


def _manage(connection: ConnectionInfo, *arguments: str, **settings: str) -> str:
    """Run a management command on the new database, and return its output.

    Raises EmbeddedError.
    """
    database = {
        "DB_HOST": connection.host,
        "DB_PORT": str(connection.port),
        "DB_USER": connection.user,
        "DB_PASSWORD": connection.password,
        "DB_NAME": _NEW,
        "DB_SSLMODE": "disable",
        "DB_SSLROOTCERT": "",
        "DB_REPLICA_HOST": "",
        "SERVICE": "",
    }
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=_BASE_DIR,
        env=os.environ | database | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        last_line = (result.stderr.strip().splitlines() or ["No reason was given."])[-1]
        raise EmbeddedError(last_line.strip().removeprefix("CommandError: "))
    return result.stdout.strip()


def _swap_databases(server: Server, connection: ConnectionInfo) -> None:
    run_sql(server, connection, f"DROP DATABASE IF EXISTS {_OLD} WITH (FORCE)")
    # A database in use can't be renamed, and services reconnect at once.
    run_sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    try:
        run_sql(
            server,
            connection,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{NAME}'",
            "BEGIN",
            f"ALTER DATABASE {NAME} RENAME TO {_OLD}",
            f"ALTER DATABASE {_NEW} RENAME TO {NAME}",
            "COMMIT",
        )
    except BaseException:
        # An interrupted swap must not leave the database closed.
        run_sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
        raise
    # The restored one is in its place; what is left of the old one goes with the next restore.
    with contextlib.suppress(EmbeddedError):
        run_sql(server, connection, f"DROP DATABASE {_OLD}")
