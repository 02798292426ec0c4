"""Processes that use an embedded PostgreSQL, and helpers to observe the server."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg

from myhealth.local import embedded, places
from myhealth.local.files import write_state
from myhealth.local.server import ConnectionInfo
from tests.processes import PATIENCE, ROOT, wait_until

# Joins, prints the connection, and runs until its standard input is closed.
SCRIPT = """
import dataclasses, json, pathlib, signal, sys
from myhealth.local import embedded
from myhealth.local.server import EmbeddedError
# It is ignored where the tests run in a shell's background.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    connection = embedded.join(pathlib.Path(sys.argv[1]))
except EmbeddedError as error:
    sys.exit(str(error))
print(json.dumps(dataclasses.asdict(connection)), flush=True)
sys.stdin.read()
"""


class DatabaseUser:
    """A process that uses the database."""

    def __init__(self, var):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(var)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        line = self.process.stdout.readline()
        self.connection = ConnectionInfo(**json.loads(line)) if line else None

    def end(self):
        _, self.stderr = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@contextlib.contextmanager
def using(var):
    user = DatabaseUser(var)
    try:
        yield user
    finally:
        user.end()


def connect(connection, **options):
    return psycopg.connect(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=connection.password,
        dbname=connection.name,
        **options,
    )


def query(connection, statement="SELECT 1"):
    with connect(connection, autocommit=True) as opened:
        cursor = opened.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def add_account(connection, name, password="x"):
    query(
        connection,
        "INSERT INTO accounts_user (username, password, is_superuser, is_staff, is_active,"
        " first_name, last_name, email, date_joined, time_zone, token_version)"
        f" VALUES ('{name}', '{password}', false, false, true, '', '', '', now(), 'UTC', 0)",
    )


def accounts(connection):
    with connect(connection, autocommit=True) as opened:
        return [name for (name,) in opened.execute("SELECT username FROM accounts_user ORDER BY 1")]


def answers(connection):
    with contextlib.suppress(psycopg.OperationalError):
        return query(connection) == 1


def data_folder(var):
    note = var / "postgres.location"
    return Path(note.read_text().strip()) if note.exists() else var / "postgres"


def postgres(var):
    return psutil.Process(int((data_folder(var) / "postmaster.pid").read_text().split()[0]))


def keeper(var):
    return postgres(var).parent()


def copy_database(source, var):
    """Copy the stopped database in `source` to `var`, which is faster than creating one."""
    var.mkdir()
    # Keep the owner, who is another user when root runs the tests.
    subprocess.run(["cp", "-a", source / "postgres", source / "postgres.json", var], check=True)
    # Choose another port: the source's other copies may run at the same time.
    write_state(var, port=0)


def has_ended(process):
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        # It ended between the two.
        return True


def clean_up(var):
    embedded.leave(var)
    wait_until(lambda: not var.exists() or not embedded.is_running(var))
    shutil.rmtree(places.fallback_folder(var), ignore_errors=True)
