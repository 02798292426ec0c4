"""Back up and restore the embedded database."""

import os
import time
from pathlib import Path

from myhealth.local.client import run_client, run_sql
from myhealth.local.embedded import join
from myhealth.local.places import locate
from myhealth.local.server import NAME, ConnectionInfo, EmbeddedError, Server


def backup(var: Path, file: Path | None = None) -> Path:
    """Write the database to a file, by default a new one in `var/backups/`, and return its path.

    Raises EmbeddedError.
    """
    connection = join(var)
    if file is None:
        (var / "backups").mkdir(mode=0o700, exist_ok=True)
        file = var / "backups" / time.strftime("myhealth-%Y%m%d-%H%M%S.dump")
    if not file.absolute().parent.is_dir():
        raise EmbeddedError(f"There is no folder {file.parent}: create it, or choose another FILE.")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        run_client(locate(var), connection, "pg_dump", "-Fc", "-f", str(new.absolute()), "-d", NAME)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return file


def restore(var: Path, file: Path | None = None) -> Path:
    """Replace the database by a backup, by default the newest in `var/backups/`; return its path.

    The backup is restored into a new database, which replaces the present one only when it is
    complete. Open connections are closed, and new ones reach the restored database.
    Raises EmbeddedError.
    """
    backups = sorted((var / "backups").glob("*.dump"))
    if file is None and not backups:
        raise EmbeddedError(f"There is no backup in {var / 'backups'}: choose one with FILE=….")
    file = file or backups[-1]
    if not file.is_file():
        raise EmbeddedError(f"The file {file} does not exist: choose a backup with FILE=….")
    connection, server = join(var), locate(var)
    new, old = f"{NAME}_new", f"{NAME}_old"
    run_sql(server, connection, f"DROP DATABASE IF EXISTS {new}", f"CREATE DATABASE {new}")
    try:
        run_client(
            *(server, connection, "pg_restore", "--exit-on-error", "--no-owner", "-d", new),
            str(file.absolute()),
        )
    except EmbeddedError as error:
        run_sql(server, connection, f"DROP DATABASE {new}")
        raise EmbeddedError(
            f"{file} can't be restored, so the database was left unchanged. {error}"
        ) from error
    _swap_databases(server, connection, new, old)
    return file


def _swap_databases(server: Server, connection: ConnectionInfo, new: str, old: str) -> None:
    run_sql(server, connection, f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
    # A database in use can't be renamed, and services reconnect at once.
    run_sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    try:
        run_sql(
            server,
            connection,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{NAME}'",
            "BEGIN",
            f"ALTER DATABASE {NAME} RENAME TO {old}",
            f"ALTER DATABASE {new} RENAME TO {NAME}",
            "COMMIT",
        )
    except BaseException:
        # An interrupted swap must not leave the database closed.
        run_sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
        raise
    run_sql(server, connection, f"DROP DATABASE {old}")
