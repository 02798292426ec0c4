"""Backups of the embedded database: written, and restored."""

import os
import time
from pathlib import Path

from myhealth.local.client import client, sql
from myhealth.local.embedded import join
from myhealth.local.places import locate
from myhealth.local.server import NAME, Connection, EmbeddedError, Server


def backup(var: Path, file: Path | None = None) -> Path:
    """Write the database to one file, by default a new one under `var/backups/`; its path."""
    connection = join(var)
    if file is None:
        (var / "backups").mkdir(mode=0o700, exist_ok=True)
        file = var / "backups" / time.strftime("myhealth-%Y%m%d-%H%M%S.dump")
    if not file.absolute().parent.is_dir():
        raise EmbeddedError(f"{file.parent} is no folder: make it, or name another FILE.")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        client(locate(var), connection, "pg_dump", "-Fc", "-f", str(new.absolute()), "-d", NAME)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return file


def restore(var: Path, file: Path | None = None) -> Path:
    """Replace the database by a backup, by default the newest under `var/backups/`; its path.

    The backup is read into a database beside the present one, which is given up only when all
    of it has arrived. Who is connected loses the connection and finds the restored database.
    """
    backups = sorted((var / "backups").glob("*.dump"))
    if file is None and not backups:
        raise EmbeddedError(f"There is no backup in {var / 'backups'}: name one with FILE=….")
    file = file or backups[-1]
    if not file.is_file():
        raise EmbeddedError(f"There is no file {file}: name a backup with FILE=….")
    connection, server = join(var), locate(var)
    new, old = f"{NAME}_new", f"{NAME}_old"
    sql(server, connection, f"DROP DATABASE IF EXISTS {new}", f"CREATE DATABASE {new}")
    try:
        client(
            *(server, connection, "pg_restore", "--exit-on-error", "--no-owner", "-d", new),
            str(file.absolute()),
        )
    except EmbeddedError as error:
        sql(server, connection, f"DROP DATABASE {new}")
        raise EmbeddedError(f"{file} was not restored, nothing has changed: {error}") from error
    exchange(server, connection, new, old)
    return file


def exchange(server: Server, connection: Connection, new: str, old: str) -> None:
    sql(server, connection, f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
    # A database in use can't be renamed, and pools connect again at once.
    sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    try:
        sql(
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
        # Whoever interrupts this must not find the database closed.
        sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
        raise
    sql(server, connection, f"DROP DATABASE {old}")
