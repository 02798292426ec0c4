"""Several processes migrate one database, directly and through PgBouncer."""

import contextlib
import os
import subprocess
import sys

import psycopg
import pytest

from tests.poolers import needs_pgbouncer, pgbouncer
from tests.processes import PATIENCE, ROOT, wait_until
from tests.scale import full_only

WAITS = "Another process is migrating this database; waiting for it to finish."


class Empty:
    """An empty database, and processes that migrate it."""

    def __init__(self, direct, environment):
        self.direct, self.environment = direct, environment
        self.processes = []

    def connect(self):
        return psycopg.connect(
            host=self.direct["DB_HOST"],
            port=self.direct["DB_PORT"],
            user=self.direct["DB_USER"],
            password=self.direct["DB_PASSWORD"],
            dbname=self.direct["DB_NAME"],
        )

    def migrate(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "manage.py", "migrate", "--noinput", *arguments],
            cwd=ROOT,
            # The lock has a connection of its own, so that one in the pool is enough.
            env={**os.environ, **self.environment, "DB_POOL_SIZE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def stalled(self):
        """Keep migrations in their middle: they wait for a table that another one makes."""
        with self.connect() as rival:
            rival.execute("CREATE TABLE django_migrations ()")
            process = self.migrate()
            wait_until(lambda: _has_waiting(self.direct["DB_NAME"], rival))
            yield process
            rival.rollback()

    def clean_up(self):
        for process in self.processes:
            process.kill()
            process.communicate()


def _has_waiting(name, connection):
    # Otherwise a transaction sees the same statistics until it ends.
    connection.execute("SELECT pg_stat_clear_snapshot()")
    sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        " AND query LIKE 'CREATE TABLE%%'"
    )
    return connection.execute(sql, [name]).fetchone()[0] == 1


@pytest.fixture(params=["direct", pytest.param("pgbouncer", marks=[needs_pgbouncer, full_only])])
def empty(request, database_settings):
    name = f"empty_{os.getpid()}"
    admin = Empty(database_settings, {}).connect()
    admin.autocommit = True
    direct = {**database_settings, "DB_NAME": name}
    admin.execute(f"CREATE DATABASE {name}")
    try:
        with contextlib.ExitStack() as stack:
            pooled = request.param == "pgbouncer"
            made = Empty(direct, stack.enter_context(pgbouncer(direct)) if pooled else direct)
            stack.callback(made.clean_up)
            yield made
    finally:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.close()


@full_only
def test_migrations_at_once_all_succeed(empty):
    processes = [empty.migrate() for _ in range(3)]
    results = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert sum("No migrations to apply." in result for result in results) == 2


@full_only
def test_killed_migration_lets_the_next_one_go_on(empty):
    with empty.stalled() as first:
        second = empty.migrate()
        assert second.stdout.readline().strip() == WAITS
        first.kill()
    output, _ = second.communicate(timeout=PATIENCE)
    assert (second.returncode, "Traceback" in output) == (0, False), output


@full_only
@pytest.mark.parametrize(("option", "code"), [("--plan", 0), ("--check", 1)])
def test_looking_at_migrations_does_not_wait(empty, option, code):
    with empty.connect() as rival:
        rival.execute("SELECT pg_advisory_xact_lock(hashtext('migrate'), 0)")
        process = empty.migrate(option)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "waiting" in output) == (code, False), output
