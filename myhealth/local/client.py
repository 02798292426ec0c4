"""PostgreSQL's client programs."""

import subprocess

from myhealth.local.processes import clean_environment
from myhealth.local.server import NAME, ConnectionInfo, Server, failure


def run_client(server: Server, connection: ConnectionInfo, program: str, *arguments: str) -> str:
    """Run a client program against the running server, and return its output.

    Raises EmbeddedError.
    """
    access = {
        "PGHOST": connection.host,
        "PGPORT": str(connection.port),
        "PGUSER": connection.user,
        "PGPASSWORD": connection.password,
    }
    result = subprocess.run(
        server.command(program, *arguments),
        env=clean_environment() | access,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        raise failure(program, result.stderr)
    return result.stdout.strip()


def run_sql(server: Server, connection: ConnectionInfo, *statements: str) -> str:
    """Run SQL statements one after the other in the maintenance database."""
    commands = [part for statement in statements for part in ("-c", statement)]
    return run_client(
        server, connection, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", *commands
    )


def ensure_database(server: Server, connection: ConnectionInfo) -> None:
    """Create the database unless it exists, and reopen one that a killed restore has closed."""
    query = f"SELECT datallowconn FROM pg_database WHERE datname = '{NAME}'"
    allows_connections = run_sql(server, connection, query)
    if not allows_connections:
        run_sql(server, connection, f"CREATE DATABASE {NAME}")
    elif allows_connections == "f":
        run_sql(server, connection, f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
