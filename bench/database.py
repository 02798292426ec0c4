"""The embedded PostgreSQL in a folder of its own, with one database for each system."""

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from myhealth.local import embedded, places
from myhealth.local.server import ConnectionInfo

# In the log of PostgreSQL, the first line of a statement.
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")


@dataclass(frozen=True)
class Database:
    """One database of the server."""

    server: ConnectionInfo
    name: str

    @property
    def dsn(self) -> str:
        return (
            f"host={self.server.host} port={self.server.port} user={self.server.user} "
            f"password={self.server.password} dbname={self.name} sslmode=disable"
        )

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead a process of myhealth to it."""
        return {
            "DB_HOST": self.server.host,
            "DB_PORT": str(self.server.port),
            "DB_USER": self.server.user,
            "DB_PASSWORD": self.server.password,
            "DB_NAME": self.name,
            "DB_SSLMODE": "disable",
        }

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.dsn, autocommit=True)

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            for each in statements:
                connection.execute(each.encode())

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def settle(self) -> None:
        """Finish what a change of many rows leaves to do, so that no figure pays for it."""
        self.run("VACUUM ANALYZE", "CHECKPOINT")


class Server:
    """The running server, and the folder that it and the services have for their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = embedded.join(folder)
        with self.database("postgres").connect() as connection:
            self.pid = psutil.Process(connection.info.backend_pid).ppid()
            self.version = connection.info.parameter_status("server_version")

    def database(self, name: str) -> Database:
        return Database(self.connection, name)

    def create(self, name: str) -> Database:
        name = f"bench_{name}"
        quoted = sql.Identifier(name)
        with self.database("postgres").connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        return self.database(name)

    @contextlib.contextmanager
    def logged(self) -> Iterator[list[str]]:
        """Give a list that has, after the block, the statements that were run meanwhile."""
        maintenance = self.database("postgres")
        statements: list[str] = []
        maintenance.run(
            "ALTER SYSTEM SET log_statement = 'all'",
            # The log is kept short, and values can be long.
            "ALTER SYSTEM SET log_parameter_max_length = 0",
            "SELECT pg_reload_conf()",
        )
        try:
            time.sleep(0.2)
            begin, end = (f"SELECT 'bench {name} {time.time_ns()}'" for name in ("began", "ended"))
            maintenance.run(begin)
            yield statements
            maintenance.run(end)
            statements += statements_in(self._log_between(begin, end))
        finally:
            maintenance.run(
                "ALTER SYSTEM RESET log_statement",
                "ALTER SYSTEM RESET log_parameter_max_length",
                "SELECT pg_reload_conf()",
            )

    def _log_between(self, begin: str, end: str) -> str:
        """Return the log from one text to another, which is waited for."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            files = (self.folder / "postgres.log.1", self.folder / "postgres.log")
            text = "".join(file.read_text(errors="replace") for file in files if file.exists())
            _, began, rest = text.partition(begin)
            if began and end in rest:
                return rest.partition(end)[0]
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL's log lacks statements that were run.")


def statements_in(log: str) -> list[str]:
    """Return the first lines of the statements in a part of PostgreSQL's log."""
    # The last one is ours, which ends the part.
    return [match[1].strip() for match in _STATEMENT.finditer(log)][:-1]


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Run a server whose data are deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="myhealth-bench-"))
    # PostgreSQL runs as another user if we are root.
    folder.chmod(0o755)
    var = folder / "var"
    try:
        yield Server(var)
    finally:
        embedded.leave(var)
        shutil.rmtree(places.fallback_folder(var), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
