"""Backups and restores of real servers."""

import dataclasses
import os
import re
import stat
import threading
from datetime import UTC, datetime

import psycopg
import pytest
from cryptography.fernet import Fernet

from myhealth.local import backups, embedded
from myhealth.local.client import run_client
from myhealth.local.places import locate
from myhealth.local.server import EmbeddedError
from tests.myhealth.local.database_users import (
    accounts,
    add_account,
    answers,
    connect,
    query,
    using,
)
from tests.processes import wait_until
from tests.scale import full_only

NAME = re.compile(r"myhealth-\d{8}T\d{6}Z(-\d+)?\.dump")


def dump(var, connection, file, *statements):
    """Dump the database with pg_dump, after some statements."""
    for statement in statements:
        query(connection, statement)
    arguments = ("-Fc", "-f", str(file), "-d", connection.name)
    run_client(locate(var), connection, "pg_dump", *arguments)
    return file


# Backing up --------------------------------------------------------------------------------------


def test_backup_has_name_in_utc(filled):
    before = datetime.now(UTC).replace(microsecond=0)
    file = backups.backup(filled[0])
    assert file.parent == filled[0] / "backups"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert before <= datetime.strptime(file.stem, "myhealth-%Y%m%dT%H%M%S%z") <= datetime.now(UTC)


def test_backups_of_one_second_have_names_of_their_own(filled):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(backups.backup(filled[0]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*made}) == 4
    assert all(NAME.fullmatch(file.name) for file in made)


def test_backup_into_folder_gets_a_name(filled, tmp_path):
    assert NAME.fullmatch(backups.backup(filled[0], tmp_path).name)


def test_backup_replaces_nothing_but_files(filled, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EmbeddedError, match="pipe is not a file: choose another FILE"):
        backups.backup(filled[0], tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_database_without_tables_is_not_backed_up(var):
    with pytest.raises(EmbeddedError, match="nothing to back up"):
        backups.backup(var)
    assert not (var / "backups").exists()


@full_only
def test_failed_backup_leaves_no_file(filled, tmp_path):
    (tmp_path / "kept.dump").write_text("kept")
    # pg_dump refuses an owner that is missing.
    query(filled[1], "UPDATE pg_proc SET proowner = 9999 WHERE proname LIKE 'accounts%'")
    with pytest.raises(EmbeddedError, match="pg_dump failed"):
        backups.backup(filled[0], tmp_path / "kept.dump")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("kept.dump", "kept")]


@full_only
def test_next_backup_removes_what_a_killed_one_left(filled):
    unfinished = backups.backup(filled[0]).with_name(".myhealth-20261126T003338Z.dump.77")
    unfinished.touch()
    backups.backup(filled[0])
    assert not unfinished.exists()


def test_backup_into_missing_folder_says_so(filled, tmp_path):
    with pytest.raises(EmbeddedError, match="There is no folder"):
        backups.backup(filled[0], tmp_path / "none" / "x.dump")


def test_backup_that_cannot_be_written_is_a_sentence(filled, tmp_path):
    (filled[0] / "backups").write_text("no folder")
    with pytest.raises(EmbeddedError, match="is not a folder: remove it"):
        backups.backup(filled[0])


# Restoring ---------------------------------------------------------------------------------------


@full_only
def test_restore_brings_back_everything_in_the_backup(filled):
    var, connection = filled
    query(connection, "CREATE TABLE kept AS SELECT 'Ünïcode' AS word")
    file = backups.backup(var)
    query(connection, "DROP TABLE kept; CREATE TABLE later AS SELECT 1")
    assert backups.restore(var) == file
    assert query(connection, "SELECT word FROM kept") == "Ünïcode"
    assert query(connection, "SELECT to_regclass('later')") is None


def test_restore_keeps_what_was_there(filled, tmp_path):
    var, connection = filled
    file = backups.backup(var, tmp_path / "one.dump")
    add_account(connection, "later")
    said = []
    backups.restore(var, file, say=said.append)
    assert accounts(connection) == ["ana"]
    (kept,) = (var / "backups").iterdir()
    assert kept.name.startswith("before-restore-")
    assert f"make restore FILE={kept}" in said[0]
    backups.restore(var, kept)
    assert accounts(connection) == ["ana", "later"]


@full_only
def test_restore_on_new_machine_keeps_nothing(filled, tmp_path):
    file = backups.backup(filled[0], tmp_path / "one.dump")
    query(dataclasses.replace(filled[1], name="postgres"), "DROP DATABASE myhealth WITH (FORCE)")
    query(dataclasses.replace(filled[1], name="postgres"), "CREATE DATABASE myhealth")
    backups.restore(filled[0], file)
    assert accounts(filled[1]) == ["ana"]
    assert not (filled[0] / "backups").exists()


@full_only
def test_database_that_cannot_be_kept_is_not_replaced(filled, tmp_path):
    var, connection = filled
    file = backups.backup(var, tmp_path / "one.dump")
    query(connection, "UPDATE pg_proc SET proowner = 9999 WHERE proname LIKE 'accounts%'")
    message = (
        r"can't be backed up: .*exist\. To restore .*move the folder .*postgres to another place"
    )
    refused(var, connection, file, message)


@full_only
def test_question_tells_of_backup_and_database(filled, tmp_path):
    var, connection = filled
    file = backups.backup(var, tmp_path / "one.dump")
    add_account(connection, "later")
    asked = []
    assert backups.restore(var, file, confirm=asked.append) is None
    assert accounts(connection) == ["ana", "later"]
    assert not (var / "backups").exists()
    question = asked[0]
    assert str(file) in question
    assert f"{datetime.now():%-d %B %Y}" in question
    assert re.search(r"the backup: +1 account, 0 days\n +now: +2 accounts, 0 days\n", question)


@full_only
def test_restore_closes_open_connections(filled, tmp_path):
    var, connection = filled
    file = backups.backup(var, tmp_path / "file.dump")
    with connect(connection) as opened:
        opened.execute("SELECT 1")
        backups.restore(var, file)
        with pytest.raises(psycopg.OperationalError):
            opened.execute("SELECT 1")
    assert answers(connection)


@full_only
def test_interrupted_restore_leaves_database_open(filled, tmp_path, monkeypatch):
    var, connection = filled
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


@full_only
def test_next_start_reopens_database_closed_by_killed_restore(var):
    with using(var) as user:
        maintenance = dataclasses.replace(user.connection, name="postgres")
        query(maintenance, "ALTER DATABASE myhealth ALLOW_CONNECTIONS false")
    wait_until(lambda: not embedded.is_running(var))
    with using(var) as user:
        assert query(user.connection) == 1


def refused(var, connection, file, message):
    """Whether a restore fails with a message and changes nothing."""
    add_account(connection, "later")
    before = accounts(connection)
    with pytest.raises(EmbeddedError, match=message):
        backups.restore(var, file)
    assert accounts(connection) == before
    databases = "SELECT array_agg(datname ORDER BY 1) FROM pg_database WHERE datname LIKE 'my%'"
    assert query(connection, databases) == ["myhealth"]
    assert not list((var / "backups").glob("before-restore-*"))


def test_backup_of_other_program_changes_nothing(filled, tmp_path):
    var, connection = filled
    postgres = dataclasses.replace(connection, name="postgres")
    file = dump(var, postgres, tmp_path / "other.dump", "CREATE TABLE other AS SELECT 1")
    refused(var, connection, file, "is not a backup of myhealth")


@full_only
def test_newest_backup_is_restored_and_kept_one_is_not(filled):
    var, connection = filled
    backups.backup(var)
    add_account(connection, "newer")
    newest = backups.backup(var)
    assert backups.restore(var) == newest
    assert backups.restore(var) == newest
    assert accounts(connection) == ["ana", "newer"]


def test_file_that_is_no_backup_changes_nothing(filled, tmp_path):
    (tmp_path / "other").write_text("not a backup")
    refused(*filled, tmp_path / "other", "the database was left unchanged")


@full_only
@pytest.mark.parametrize("name", ["none.dump", "x" * 300, "folder"])
def test_file_that_cannot_be_opened_changes_nothing(filled, tmp_path, name):
    (tmp_path / "folder").mkdir()
    refused(*filled, tmp_path / name, "(does not exist|is too long|is not a backup)")


def test_truncated_backup_changes_nothing(filled, tmp_path):
    file = backups.backup(filled[0], tmp_path / "cut.dump")
    os.truncate(file, file.stat().st_size - 2_000)
    refused(*filled, file, "the database was left unchanged")


@full_only
def test_backup_of_earlier_version_is_migrated(filled, tmp_path):
    var, connection = filled
    # Undone as by an earlier version, which did not have these migrations.
    later = "FROM django_migrations WHERE app = 'ingest' AND name >= '0007'"
    count = query(connection, f"SELECT count(*) {later}")
    query(connection, f"DELETE {later}")
    file = dump(var, connection, tmp_path / "old.dump")
    backups.restore(var, file)
    assert query(connection, f"SELECT count(*) {later}") == count > 0


@full_only
def test_backup_that_cannot_be_migrated_changes_nothing(filled, tmp_path):
    var, connection = filled
    # Its table is there already.
    query(connection, "DELETE FROM django_migrations WHERE name = '0003_failed_sign_ins'")
    file = dump(var, connection, tmp_path / "old.dump")
    refused(var, connection, file, "the database was left unchanged")


@full_only
@pytest.mark.parametrize("app", ["ingest", pytest.param("an_app_to_come", marks=full_only)])
def test_backup_of_newer_version_changes_nothing(filled, tmp_path, app):
    var, connection = filled
    newer = f"('{app}', '9999_to_come', now())"
    file = dump(
        *(var, connection, tmp_path / "newer.dump"),
        f"INSERT INTO django_migrations (app, name, applied) VALUES {newer}",
    )
    refused(var, connection, file, f"belongs to a newer version of myhealth.*{app}.9999_to_come")


@full_only
def test_former_apps_are_no_newer_version(filled, tmp_path):
    var, connection = filled
    former = "('axes', '0001_initial', now()), ('token_blacklist', '0001_initial', now())"
    file = dump(
        *(var, connection, tmp_path / "old.dump"),
        f"INSERT INTO django_migrations (app, name, applied) VALUES {former}",
    )
    assert backups.restore(var, file) == file


@full_only
def test_answers_kept_by_browsers_are_out_of_date(filled):
    var, connection = filled
    query(
        connection,
        "INSERT INTO metric_streams (user_id, type, version)"
        " SELECT id, 'sleep', 5 FROM accounts_user",
    )
    file = backups.backup(var)
    query(connection, "UPDATE metric_streams SET version = 8")
    backups.restore(var, file)
    assert query(connection, "SELECT min(version) FROM metric_streams") > 8


# Passwords and keys ------------------------------------------------------------------------------


@full_only
def test_password_chosen_for_demo_is_set_again(filled, monkeypatch):
    var, connection = filled
    monkeypatch.setenv("DEMO_PASSWORD", "of this machine")
    add_account(connection, "demo", "of another machine")
    backups.restore(var, backups.backup(var))
    stored = query(connection, "SELECT password FROM accounts_user WHERE username = 'demo'")
    assert stored.startswith("pbkdf2_sha256$")


@full_only
@pytest.mark.parametrize(
    ("setting", "name"), [("OURA_USER_PASSWORD", "me"), ("DEMO_PASSWORD", "demo")]
)
def test_password_of_another_machine_is_told(filled, monkeypatch, setting, name):
    var, connection = filled
    monkeypatch.setenv(setting, "abcd-efgh-abcd-efgh")
    said = []
    backups.restore(var, backups.backup(var), say=said.append)
    assert len(said) == 1
    add_account(connection, name, "of another machine")
    backups.restore(var, backups.backup(var), say=said.append)
    assert f"make password USER={name}" in said[-1]
    stored = query(connection, f"SELECT password FROM accounts_user WHERE username = '{name}'")
    assert stored == "of another machine"


@full_only
def test_lost_keys_are_told_with_number_of_people(filled, monkeypatch):
    var, connection = filled
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    query(
        connection,
        "INSERT INTO oura_connections (user_id, oura_user_id, origin, access_token, refresh_token,"
        " generation, expires_at, scopes, token_url, unanswered, ended, connected_at, problem)"
        " SELECT id, 'x', 'oura', 'sealed', 'sealed', 0, now(), '[]', 'https://x.example', false,"
        " '', now(), '' FROM accounts_user",
    )
    said = []
    backups.restore(var, backups.backup(var), say=said.append)
    assert said[-1].startswith("1 person must connect Oura again")
    assert "TOKEN_ENCRYPTION_KEYS" in said[-1]
