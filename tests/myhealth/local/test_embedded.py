"""The embedded PostgreSQL, with real servers, processes and signals."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from django.db import OperationalError, connections

from myhealth.local import embedded
from myhealth.local.server import ConnectionInfo, EmbeddedError
from tests.myhealth.local.database_users import (
    DatabaseUser,
    answers,
    data_folder,
    has_ended,
    keeper,
    postgres,
    query,
    using,
)
from tests.processes import ROOT, wait_until
from tests.scale import full_only

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")
# Joins and leaves repeatedly, so that joins coincide with stops.
JOIN_AND_LEAVE = """
import pathlib, sys
import psycopg
from myhealth.local import embedded
for _ in range(8):
    c = embedded.join(pathlib.Path(sys.argv[1]))
    with psycopg.connect(
        host=c.host, port=c.port, user=c.user, password=c.password, dbname=c.name
    ) as connection:
        connection.execute("INSERT INTO visits DEFAULT VALUES")
    embedded.leave(pathlib.Path(sys.argv[1]))
"""


@full_only
def test_first_start_creates_empty_utf_8_database(new_var):
    with using(new_var) as user:
        assert query(user.connection, "SHOW server_encoding") == "UTF8"
        assert (
            query(user.connection, "SELECT count(*) FROM pg_tables WHERE schemaname='public'") == 0
        )
        assert query(user.connection, "SELECT current_database()") == "myhealth"
        locale = "SELECT datlocale FROM pg_database WHERE datname = 'myhealth'"
        assert query(user.connection, locale) == "C.UTF-8"


def test_server_requires_password(var):
    with using(var) as user:
        stranger = ConnectionInfo(**{**vars(user.connection), "password": "wrong"})
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(stranger)


def test_server_listens_only_on_loopback(var):
    with using(var) as user:
        addresses = {address.laddr.ip for address in postgres(var).net_connections("inet")}
        assert addresses == {"127.0.0.1"}
        assert user.connection.host == "127.0.0.1"


def test_two_processes_share_one_server(var):
    with using(var) as one, using(var) as other:
        assert one.connection == other.connection
        one.end()
        assert answers(other.connection)


def test_second_join_returns_same_connection(var):
    first = embedded.join(var)
    server = postgres(var)
    assert embedded.join(var) == first
    assert postgres(var) == server


def test_server_stops_after_last_user(var):
    with using(var) as user:
        server, parent = postgres(var), keeper(var)
    wait_until(lambda: has_ended(server) and has_ended(parent))
    assert not answers(user.connection)
    assert "database system is shut down" in (var / "postgres.log").read_text()


def test_leave_waits_until_server_has_stopped(var):
    embedded.join(var)
    server, parent = postgres(var), keeper(var)
    embedded.leave(var)
    assert has_ended(server)
    assert has_ended(parent)


@full_only
def test_leave_does_not_wait_for_others(var, monkeypatch):
    monkeypatch.setattr(embedded, "STOP_SECONDS", 120)
    with using(var) as other:
        embedded.join(var)
        start = time.monotonic()
        embedded.leave(var)
        assert time.monotonic() - start < 60
        assert answers(other.connection)


def test_restart_keeps_data_port_and_password(var):
    with using(var) as user:
        before = user.connection
        query(before, "CREATE TABLE kept AS SELECT 7 AS number")
    with using(var) as user:
        assert user.connection == before
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_only_owner_can_read_password_and_data(var):
    with using(var):
        assert stat.S_IMODE((var / "postgres.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(data_folder(var).stat().st_mode) == 0o700


@full_only
def test_many_users_can_join_and_leave_at_once(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE visits (id serial)")
    processes = [
        subprocess.Popen([sys.executable, "-c", JOIN_AND_LEAVE, str(var)], cwd=ROOT)
        for _ in range(4)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    with using(var) as user:
        assert query(user.connection, "SELECT count(*) FROM visits") == 32


def test_concurrent_first_starts_create_one_database(new_var):
    users = []
    threads = [
        threading.Thread(target=lambda: users.append(DatabaseUser(new_var))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connections = {user.connection for user in users}
    for user in users:
        user.end()
    assert len(connections) == 1
    assert None not in connections


def test_server_stops_after_last_user_is_killed(var):
    user = DatabaseUser(var)
    server = postgres(var)
    user.process.kill()
    user.end()
    wait_until(lambda: has_ended(server))
    with using(var) as user:
        assert answers(user.connection)


def test_killed_server_is_restarted(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
        killed = postgres(var)
        killed.kill()
        wait_until(lambda: has_ended(killed))
        wait_until(lambda: answers(user.connection))
        assert query(user.connection, "SELECT number FROM kept") == 7
        with using(var) as other:
            assert other.connection == user.connection


@on_linux
def test_killed_keeper_ends_its_server(var):
    with using(var):
        server, parent = postgres(var), keeper(var)
        parent.kill()
        wait_until(lambda: has_ended(server))


def test_join_replaces_killed_keeper(var):
    with using(var) as user:
        keeper(var).kill()
        with using(var) as other:
            assert other.connection == user.connection
            assert answers(user.connection)


@full_only
def test_next_start_works_after_all_were_killed(var):
    user = DatabaseUser(var)
    query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    for process in (keeper(var), postgres(var), user.process):
        process.kill()
    user.end()
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_reused_pid_of_another_program_is_ignored(var):
    with using(var):
        pass
    wait_until(lambda: not embedded.is_running(var))
    # Of the same user, because PostgreSQL itself ignores processes of other users.
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=user) as other:
        lines = f"{other.pid}\n{data_folder(var)}\n1\n5432\n\n127.0.0.1\n"
        (data_folder(var) / "postmaster.pid").write_text(lines)
        with using(var) as user:
            assert answers(user.connection)
        assert other.poll() is None


def test_ctrl_c_does_not_stop_server(var):
    starter = DatabaseUser(var)
    with using(var) as other:
        os.killpg(starter.process.pid, signal.SIGINT)
        assert starter.end()
        assert answers(other.connection)
        assert "received fast shutdown" not in (var / "postgres.log").read_text()


def test_terminated_keeper_stops_server_cleanly(var):
    with using(var) as user:
        # A server that has only just started ends without these words.
        wait_until(lambda: answers(user.connection))
        server, parent = postgres(var), keeper(var)
        parent.terminate()
        wait_until(lambda: has_ended(server) and has_ended(parent))
    assert "database system is shut down" in (var / "postgres.log").read_text()


def test_port_in_use_is_replaced(var):
    with using(var) as user:
        port = user.connection.port
    wait_until(lambda: not embedded.is_running(var))
    with socket.create_server(("127.0.0.1", port)), using(var) as user:
        assert user.connection.port != port
        assert answers(user.connection)


def test_lost_database_password_is_replaced(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    wait_until(lambda: not embedded.is_running(var))
    (var / "postgres.json").unlink()
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_missing_database_is_created(var):
    with using(var) as user:
        admin = ConnectionInfo(**{**vars(user.connection), "name": "postgres"})
        query(admin, "DROP DATABASE myhealth")
    wait_until(lambda: not embedded.is_running(var))
    with using(var) as user:
        assert answers(user.connection)


def test_data_of_other_postgresql_version_say_what_to_do(var):
    with using(var):
        pass
    wait_until(lambda: not embedded.is_running(var))
    (data_folder(var) / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"created by PostgreSQL 17.*make backup"):
        embedded.join(var)


@full_only
def test_server_that_cannot_start_says_why(var):
    with using(var):
        pass
    wait_until(lambda: not embedded.is_running(var))
    with (data_folder(var) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(EmbeddedError, match=r"did not start .*postgres.log.*FATAL"):
        embedded.join(var)


def test_interrupted_first_start_is_repeated(new_var):
    (new_var / "postgres.new" / "data").mkdir(parents=True)
    (new_var / "postgres.new" / "data" / "PG_VERSION").write_text("18\n")
    with using(new_var) as user:
        assert answers(user.connection)
    assert not (new_var / "postgres.new").exists()


def test_database_that_cannot_start_raises_operational_error(var, settings):
    with using(var):
        pass
    wait_until(lambda: not embedded.is_running(var))
    (data_folder(var) / "PG_VERSION").write_text("17\n")
    settings.EMBEDDED_DATABASE, settings.VAR_DIR = True, var
    with pytest.raises(OperationalError, match="created by PostgreSQL 17"):
        connections["default"].copy(alias="never connected").get_connection_params()


@full_only
def test_command_without_database_prints_one_line(var):
    with using(var):
        pass
    wait_until(lambda: not embedded.is_running(var))
    (data_folder(var) / "PG_VERSION").write_text("17\n")
    result = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(var)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "created by PostgreSQL 17" in result.stderr
