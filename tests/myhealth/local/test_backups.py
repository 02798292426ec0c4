"""Backups and restores, of real servers."""

import dataclasses
import stat

import psycopg
import pytest

from myhealth.local import backups, embedded
from myhealth.local.server import EmbeddedError
from tests.myhealth.local.using import answers, eventually, query, using


def test_a_backup_brings_everything_back(var):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 'Ünïcode' AS word")
    file = backups.backup(var)
    assert file.parent == var / "backups"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    query(connection, "DROP TABLE kept; CREATE TABLE later AS SELECT 1")
    assert backups.restore(var) == file
    assert query(connection, "SELECT word FROM kept") == "Ünïcode"
    assert query(connection, "SELECT to_regclass('later')") is None


def test_a_restore_does_not_mind_who_is_connected(var, tmp_path):
    connection = embedded.join(var)
    file = backups.backup(var, tmp_path / "file.dump")
    with psycopg.connect(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=connection.password,
        dbname=connection.name,
    ) as held:
        held.execute("SELECT 1")
        backups.restore(var, file)
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert answers(connection)


def test_a_restore_that_is_interrupted_leaves_the_database_open(var, tmp_path, monkeypatch):
    connection = embedded.join(var)
    file = backups.backup(var, tmp_path / "one.dump")
    run_sql = backups.run_sql

    def interrupted(server, where, *statements):
        if any("pg_terminate_backend" in each for each in statements):
            raise SystemExit(130)
        return run_sql(server, where, *statements)

    monkeypatch.setattr(backups, "run_sql", interrupted)
    with pytest.raises(SystemExit):
        backups.restore(var, file)
    assert query(connection) == 1
    embedded.leave(var)


def test_a_database_that_a_killed_restore_left_closed_is_opened_at_the_next_start(var):
    with using(var) as user:
        maintenance = dataclasses.replace(user.connection, name="postgres")
        query(maintenance, "ALTER DATABASE myhealth ALLOW_CONNECTIONS false")
    eventually(lambda: not embedded.is_running(var))
    with using(var) as user:
        assert query(user.connection) == 1


def test_a_file_that_is_no_backup_changes_nothing(var, tmp_path):
    connection = embedded.join(var)
    query(connection, "CREATE TABLE kept AS SELECT 7 AS number")
    (tmp_path / "other").write_text("not a backup")
    with pytest.raises(EmbeddedError, match="Nothing has changed"):
        backups.restore(var, tmp_path / "other")
    assert query(connection, "SELECT number FROM kept") == 7


def test_a_restore_without_a_backup_gets_a_sentence(var):
    with pytest.raises(EmbeddedError, match="There is no backup"):
        backups.restore(var)
