"""The embedded PostgreSQL, with real servers, real processes and real signals."""

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
from tests.myhealth.local.using import (
    User,
    answers,
    data_of,
    eventually,
    gone,
    keeper,
    postgres,
    query,
    using,
)
from tests.processes import ROOT

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")
# Comes and goes, so that joining meets stopping.
RESTLESS = """
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


def test_it_starts_with_an_empty_database_and_utf_8(var):
    with using(var) as user:
        assert query(user.connection, "SHOW server_encoding") == "UTF8"
        assert (
            query(user.connection, "SELECT count(*) FROM pg_tables WHERE schemaname='public'") == 0
        )
        assert query(user.connection, "SELECT current_database()") == "myhealth"
        locale = "SELECT datlocale FROM pg_database WHERE datname = 'myhealth'"
        assert query(user.connection, locale) == "C.UTF-8"


def test_it_wants_the_password(var):
    with using(var) as user:
        stranger = ConnectionInfo(**{**vars(user.connection), "password": "wrong"})
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(stranger)


def test_it_listens_on_loopback_only(var):
    with using(var) as user:
        addresses = {each.laddr.ip for each in postgres(var).net_connections("inet")}
        assert addresses == {"127.0.0.1"}
        assert user.connection.host == "127.0.0.1"


def test_two_processes_share_one_server(var):
    with using(var) as one, using(var) as other:
        assert one.connection == other.connection
        one.end()
        assert answers(other.connection)


def test_joining_again_in_the_same_process_gives_the_same_connection(var):
    first = embedded.join(var)
    began = time.monotonic()
    assert embedded.join(var) == first
    assert time.monotonic() - began < 0.1


def test_the_last_one_stops_it(var):
    with using(var) as user:
        server, parent = postgres(var), keeper(var)
    eventually(lambda: gone(server) and gone(parent))
    assert not answers(user.connection)
    assert "database system is shut down" in (var / "postgres.log").read_text()


def test_leaving_waits_for_the_end(var):
    embedded.join(var)
    server, parent = postgres(var), keeper(var)
    embedded.leave(var)
    assert gone(server)
    assert gone(parent)


def test_leaving_does_not_wait_for_others(var):
    with using(var) as other:
        embedded.join(var)
        began = time.monotonic()
        embedded.leave(var)
        assert time.monotonic() - began < 5
        assert answers(other.connection)


def test_data_port_and_password_are_kept(var):
    with using(var) as user:
        before = user.connection
        query(before, "CREATE TABLE kept AS SELECT 7 AS number")
    with using(var) as user:
        assert user.connection == before
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_only_its_owner_reads_the_password_and_the_data(var):
    with using(var):
        assert stat.S_IMODE((var / "postgres.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(data_of(var).stat().st_mode) == 0o700


def test_many_come_and_go_at_once(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE visits (id serial)")
    crowd = [
        subprocess.Popen([sys.executable, "-c", RESTLESS, str(var)], cwd=ROOT) for _ in range(4)
    ]
    assert [each.wait(timeout=120) for each in crowd] == [0, 0, 0, 0]
    with using(var) as user:
        assert query(user.connection, "SELECT count(*) FROM visits") == 32


def test_a_first_start_by_two_at_once_makes_one_database(var):
    ready = []
    threads = [threading.Thread(target=lambda: ready.append(User(var))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connections = {user.connection for user in ready}
    for user in ready:
        user.end()
    assert len(connections) == 1
    assert None not in connections


def test_a_killed_user_counts_no_more(var):
    user = User(var)
    server = postgres(var)
    user.process.kill()
    user.end()
    eventually(lambda: gone(server))
    with using(var) as user:
        assert answers(user.connection)


def test_a_killed_server_comes_back_by_itself(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
        killed = postgres(var)
        killed.kill()
        eventually(lambda: gone(killed))
        eventually(lambda: answers(user.connection))
        assert query(user.connection, "SELECT number FROM kept") == 7
        with using(var) as other:
            assert other.connection == user.connection


@on_linux
def test_a_killed_keeper_takes_its_server_along(var):
    with using(var):
        server, parent = postgres(var), keeper(var)
        parent.kill()
        eventually(lambda: gone(server))


def test_the_next_to_join_replaces_a_killed_keeper(var):
    with using(var) as user:
        keeper(var).kill()
        with using(var) as other:
            assert other.connection == user.connection
            assert answers(user.connection)


def test_all_killed_at_once(var):
    user = User(var)
    query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    for process in (keeper(var), postgres(var), user.process):
        process.kill()
    user.end()
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_a_stale_process_number_of_another_program_is_no_obstacle(var):
    with using(var):
        pass
    eventually(lambda: not embedded.is_running(var))
    # Of the same user, since PostgreSQL itself sees through other people's processes.
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=user) as other:
        lines = f"{other.pid}\n{data_of(var)}\n1\n5432\n\n127.0.0.1\n"
        (data_of(var) / "postmaster.pid").write_text(lines)
        with using(var) as user:
            assert answers(user.connection)
        assert other.poll() is None


def test_ctrl_c_does_not_reach_it(var):
    starter = User(var)
    with using(var) as other:
        os.killpg(starter.process.pid, signal.SIGINT)
        assert starter.end()
        assert answers(other.connection)
        assert "received fast shutdown" not in (var / "postgres.log").read_text()


def test_a_terminated_keeper_stops_its_server_cleanly(var):
    with using(var):
        server, parent = postgres(var), keeper(var)
        parent.terminate()
        eventually(lambda: gone(server) and gone(parent))
    assert "database system is shut down" in (var / "postgres.log").read_text()


def test_a_taken_port_is_given_up(var):
    with using(var) as user:
        port = user.connection.port
    eventually(lambda: not embedded.is_running(var))
    with socket.create_server(("127.0.0.1", port)), using(var) as user:
        assert user.connection.port != port
        assert answers(user.connection)


def test_a_lost_password_is_renewed(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.is_running(var))
    (var / "postgres.json").unlink()
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_a_missing_database_is_made(var):
    with using(var) as user:
        admin = ConnectionInfo(**{**vars(user.connection), "name": "postgres"})
        query(admin, "DROP DATABASE myhealth")
    eventually(lambda: not embedded.is_running(var))
    with using(var) as user:
        assert answers(user.connection)


def test_data_of_another_major_version_get_a_sentence(var):
    with using(var):
        pass
    eventually(lambda: not embedded.is_running(var))
    (data_of(var) / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"created by PostgreSQL 17.*make backup"):
        embedded.join(var)


def test_a_server_that_cannot_start_says_why(var):
    with using(var):
        pass
    eventually(lambda: not embedded.is_running(var))
    with (data_of(var) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(EmbeddedError, match=r"did not start .*postgres.log.*FATAL"):
        embedded.join(var)


def test_an_interrupted_first_start_is_done_again(var):
    (var / "postgres.new" / "data").mkdir(parents=True)
    (var / "postgres.new" / "data" / "PG_VERSION").write_text("18\n")
    with using(var) as user:
        assert answers(user.connection)
    assert not (var / "postgres.new").exists()


def test_a_database_that_cannot_start_is_one_that_is_away(var, settings):
    with using(var):
        pass
    eventually(lambda: not embedded.is_running(var))
    (data_of(var) / "PG_VERSION").write_text("17\n")
    settings.EMBEDDED_DATABASE, settings.VAR_DIR = True, var
    with pytest.raises(OperationalError, match="created by PostgreSQL 17"):
        connections["default"].copy().get_connection_params()


def test_a_command_without_a_database_says_why_in_a_sentence(var):
    with using(var):
        pass
    eventually(lambda: not embedded.is_running(var))
    (data_of(var) / "PG_VERSION").write_text("17\n")
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(var)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "created by PostgreSQL 17" in done.stderr
