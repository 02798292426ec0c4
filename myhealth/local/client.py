"""PostgreSQL's client programs, run against a server that runs."""

import subprocess

from myhealth.local.processes import environment, last_line
from myhealth.local.server import NAME, Connection, EmbeddedError, Server


def client(server: Server, connection: Connection, program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's client programs against the running server."""
    access = {
        "PGHOST": connection.host,
        "PGPORT": str(connection.port),
        "PGUSER": connection.user,
        "PGPASSWORD": connection.password,
    }
    done = subprocess.run(
        server.command(program, *arguments),
        env=environment() | access,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise EmbeddedError(f"{program} failed: {last_line(done.stderr)}")
    return done.stdout.strip()


def sql(server: Server, connection: Connection, *statements: str) -> str:
    commands = [part for statement in statements for part in ("-c", statement)]
    return client(
        server, connection, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", *commands
    )


def create_database(server: Server, connection: Connection) -> None:
    """Make the database unless it is there; one that a killed restore closed is opened again."""
    query = f"SELECT datallowconn FROM pg_database WHERE datname = '{NAME}'"
    known = sql(server, connection, query)
    if not known:
        sql(server, connection, f"CREATE DATABASE {NAME}")
    elif known == "f":
        sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
