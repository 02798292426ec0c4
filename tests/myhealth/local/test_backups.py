"""Backups and restores of real servers."""

import dataclasses
import stat

import psycopg
import pytest

from myhealth.local import backups, embedded
from myhealth.local.server import EmbeddedError
from tests.myhealth.local.database_users import answers, connect, query, using
from tests.processes import wait_until


def test_restore_brings_back_everything_in_the_backup(var):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 'Ünïcode' AS word")
    file = backups.backup(var)
    assert file.parent == var / "backups"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    query(connection, "DROP TABLE kept; CREATE TABLE later AS SELECT 1")
    assert backups.restore(var) == file
    assert query(connection, "SELECT word FROM kept") == "Ünïcode"
    assert query(connection, "SELECT to_regclass('later')") is None


def test_restore_closes_open_connections(var, tmp_path):
    connection = embedded.join(var)
    file = backups.backup(var, tmp_path / "file.dump")
    with connect(connection) as opened:
        opened.execute("SELECT 1")
        backups.restore(var, file)
        with pytest.raises(psycopg.OperationalError):
            opened.execute("SELECT 1")
    assert answers(connection)


def test_interrupted_restore_leaves_database_open(var, tmp_path, monkeypatch):
    connection = embedded.join(var)
    file = backups.backup(var, tmp_path / "one.dump")
    run_sql = backups.run_sql

    def interrupted(server, where, *statements):
        if any("pg_terminate_backend" in statement for statement in statements):
            raise SystemExit(130)
        return run_sql(server, where, *statements)

    monkeypatch.setattr(backups, "run_sql", interrupted)
    with pytest.raises(SystemExit):
        backups.restore(var, file)
    assert query(connection) == 1
    embedded.leave(var)


def test_next_start_reopens_database_closed_by_killed_restore(var):
    with using(var) as user:
        maintenance = dataclasses.replace(user.connection, name="postgres")
        query(maintenance, "ALTER DATABASE myhealth ALLOW_CONNECTIONS false")
    wait_until(lambda: not embedded.is_running(var))
    with using(var) as user:
        assert query(user.connection) == 1


def test_invalid_backup_file_changes_nothing(var, tmp_path):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 7 AS number")
    (tmp_path / "other").write_text("not a backup")
    with pytest.raises(EmbeddedError, match="the database was left unchanged"):
        backups.restore(var, tmp_path / "other")
    assert query(connection, "SELECT number FROM kept") == 7


def test_restore_without_backup_says_so(var):
    with pytest.raises(EmbeddedError, match="There is no backup"):
        backups.restore(var)
