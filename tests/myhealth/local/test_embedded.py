"""The embedded PostgreSQL, with real servers, real processes and real signals."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from django.db import OperationalError, connections

from myhealth.local import embedded, local_env

BASE_DIR = Path(__file__).resolve().parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")

# Joins, says where, and stays until its standard input is closed.
USER = """
import dataclasses, json, pathlib, sys
from myhealth.local import embedded
try:
    connection = embedded.join(pathlib.Path(sys.argv[1]))
except embedded.EmbeddedError as error:
    sys.exit(str(error))
print(json.dumps(dataclasses.asdict(connection)), flush=True)
sys.stdin.read()
"""
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


class User:
    """A process of its own that uses the database."""

    def __init__(self, var):
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(var)],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        line = self.process.stdout.readline()
        self.connection = embedded.Connection(**json.loads(line)) if line else None

    def end(self):
        _, self.said = self.process.communicate(timeout=20)
        return self.process.returncode


@contextlib.contextmanager
def using(var):
    user = User(var)
    try:
        yield user
    finally:
        user.end()


def query(connection, statement="SELECT 1"):
    with psycopg.connect(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=connection.password,
        dbname=connection.name,
        autocommit=True,
    ) as opened:
        cursor = opened.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def eventually(happened, seconds=15):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        threading.Event().wait(0.02)


def answers(connection):
    with contextlib.suppress(psycopg.OperationalError):
        return query(connection) == 1


def data_of(var):
    note = var / "postgres.location"
    return Path(note.read_text().strip()) if note.exists() else var / "postgres"


def postgres(var):
    return psutil.Process(int((data_of(var) / "postmaster.pid").read_text().split()[0]))


def keeper(var):
    return postgres(var).parent()


def gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def clean_up(var):
    embedded.leave(var)
    eventually(lambda: not var.exists() or not embedded.alive(var))
    shutil.rmtree(embedded.elsewhere(var), ignore_errors=True)


@pytest.fixture
def var():
    """A folder of local state that everybody may pass, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "var"
        clean_up(Path(folder) / "var")


@pytest.fixture
def closed_var(tmp_path):
    tmp_path.chmod(0o700)
    yield tmp_path / "var"
    clean_up(tmp_path / "var")


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
        stranger = embedded.Connection(**{**vars(user.connection), "password": "wrong"})
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
        subprocess.Popen([sys.executable, "-c", RESTLESS, str(var)], cwd=BASE_DIR) for _ in range(4)
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
    eventually(lambda: not embedded.alive(var))
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
    eventually(lambda: not embedded.alive(var))
    with embedded.socket.create_server(("127.0.0.1", port)), using(var) as user:
        assert user.connection.port != port
        assert answers(user.connection)


def test_a_lost_password_is_renewed(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.alive(var))
    (var / "postgres.json").unlink()
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7


def test_a_missing_database_is_made(var):
    with using(var) as user:
        admin = embedded.Connection(**{**vars(user.connection), "name": "postgres"})
        query(admin, "DROP DATABASE myhealth")
    eventually(lambda: not embedded.alive(var))
    with using(var) as user:
        assert answers(user.connection)


def test_data_of_another_major_version_get_a_sentence(var):
    with using(var):
        pass
    eventually(lambda: not embedded.alive(var))
    (data_of(var) / "PG_VERSION").write_text("17\n")
    with pytest.raises(embedded.EmbeddedError, match=r"made by PostgreSQL 17.*make backup"):
        embedded.join(var)


def test_a_server_that_cannot_start_says_why(var):
    with using(var):
        pass
    eventually(lambda: not embedded.alive(var))
    with (data_of(var) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(embedded.EmbeddedError, match=r"did not start .*postgres.log.*FATAL"):
        embedded.join(var)


def test_an_interrupted_first_start_is_done_again(var):
    (var / "postgres.new" / "data").mkdir(parents=True)
    (var / "postgres.new" / "data" / "PG_VERSION").write_text("18\n")
    with using(var) as user:
        assert answers(user.connection)
    assert not (var / "postgres.new").exists()


@as_root
def test_root_runs_it_as_somebody_else(var):
    with using(var):
        assert postgres(var).uids().real != 0
        assert data_of(var) == var / "postgres"


@as_root
def test_root_in_a_closed_folder_opens_none(closed_var):
    folders = [closed_var.parent, *closed_var.parent.parents]
    before = [folder.stat().st_mode for folder in folders]
    with using(closed_var) as user:
        assert answers(user.connection)
        assert data_of(closed_var) == embedded.elsewhere(closed_var) / "postgres"
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    assert [folder.stat().st_mode for folder in folders] == before
    assert str(data_of(closed_var)) in user.said
    with using(closed_var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert user.said == ""


@as_root
def test_deleting_a_closed_folder_is_a_fresh_start(closed_var):
    with using(closed_var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.alive(closed_var))
    shutil.rmtree(closed_var)
    with using(closed_var) as user:
        assert query(user.connection, "SELECT to_regclass('kept')") is None


@as_root
def test_data_follow_when_a_folder_is_closed(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.alive(var))
    var.parent.chmod(0o700)
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert not (var / "postgres").exists()


def test_a_backup_brings_everything_back(var):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 'Ünïcode' AS word")
    file = embedded.backup(var)
    assert file.parent == var / "backups"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    query(connection, "DROP TABLE kept; CREATE TABLE later AS SELECT 1")
    assert embedded.restore(var) == file
    assert query(connection, "SELECT word FROM kept") == "Ünïcode"
    assert query(connection, "SELECT to_regclass('later')") is None


def test_a_restore_does_not_mind_who_is_connected(var, tmp_path):
    connection = embedded.join(var)
    file = embedded.backup(var, tmp_path / "file.dump")
    with psycopg.connect(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=connection.password,
        dbname=connection.name,
    ) as held:
        held.execute("SELECT 1")
        embedded.restore(var, file)
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert answers(connection)


def test_a_restore_that_is_interrupted_leaves_the_database_open(var, tmp_path, monkeypatch):
    connection = embedded.join(var)
    file = embedded.backup(var, tmp_path / "one.dump")
    run_sql = embedded.sql

    def interrupted(server, where, *statements):
        if any("pg_terminate_backend" in each for each in statements):
            raise SystemExit(130)
        return run_sql(server, where, *statements)

    monkeypatch.setattr(embedded, "sql", interrupted)
    with pytest.raises(SystemExit):
        embedded.restore(var, file)
    assert query(connection) == 1
    embedded.leave(var)


def test_a_database_that_a_killed_restore_left_closed_is_opened_at_the_next_start(var):
    with using(var) as user:
        maintenance = dataclasses.replace(user.connection, name="postgres")
        query(maintenance, "ALTER DATABASE myhealth ALLOW_CONNECTIONS false")
    eventually(lambda: not embedded.alive(var))
    with using(var) as user:
        assert query(user.connection) == 1


def test_a_database_that_cannot_start_is_one_that_is_away(var, settings):
    with using(var):
        pass
    eventually(lambda: not embedded.alive(var))
    (data_of(var) / "PG_VERSION").write_text("17\n")
    settings.EMBEDDED_DATABASE, settings.VAR_DIR = True, var
    with pytest.raises(OperationalError, match="made by PostgreSQL 17"):
        connections["default"].copy().get_connection_params()


def test_a_file_that_is_no_backup_changes_nothing(var, tmp_path):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 7 AS number")
    (tmp_path / "other").write_text("not a backup")
    with pytest.raises(embedded.EmbeddedError, match="nothing has changed"):
        embedded.restore(var, tmp_path / "other")
    assert query(connection, "SELECT number FROM kept") == 7


def test_a_restore_without_a_backup_gets_a_sentence(var):
    with pytest.raises(embedded.EmbeddedError, match="There is no backup"):
        embedded.restore(var)


def test_generated_secrets_are_written_once(tmp_path):
    local_env.ensure(tmp_path)
    file = tmp_path / "local.env"
    before = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    local_env.ensure(tmp_path)
    assert file.read_text() == before
    assert "LOCAL=on\n" in before


def test_missing_secrets_are_added_and_present_ones_kept(tmp_path):
    (tmp_path / "local.env").write_text("DEMO_PASSWORD=mine")
    local_env.ensure(tmp_path)
    lines = (tmp_path / "local.env").read_text().splitlines()
    assert lines[0] == "DEMO_PASSWORD=mine"
    assert {line.partition("=")[0] for line in lines} == set(local_env.GENERATED)
    assert len(lines) == len(local_env.GENERATED)
