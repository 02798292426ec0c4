"""Databases of versions that can't be upgraded."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client


@pytest.fixture
def old_database(db):
    """A database with the migrations of a version before 0.1.0."""
    recorder = MigrationRecorder(connection)
    for app in ("accounts", "ingest", "oura"):
        recorder.migration_qs.filter(app=app).delete()
    recorder.record_applied("dashboard", "0001_initial")
    recorder.record_applied("oura", "0001_initial")
    for name in ("0001_initial", "0002_ledger", "0007_ledger_streams"):
        recorder.record_applied("ingest", name)


@pytest.mark.parametrize("options", [[], ["--check"], ["accounts"]])
def test_migrate_refuses_old_database_and_says_what_to_do(old_database, options):
    with pytest.raises(CommandError) as error:
        call_command("migrate", "--noinput", *options)
    assert str(error.value) == (
        "This database was created by a version before 0.1.0 and can't be upgraded: "
        "delete the folder var/ (or create an empty database), and collect the data again."
    )


def test_restore_of_old_database_tells_nobody_to_delete_theirs(old_database):
    with pytest.raises(CommandError) as error:
        call_command("migrate", "--noinput", "--only-known")
    assert str(error.value) == (
        "The database was created by a version before 0.1.0, which can't be upgraded."
    )


@pytest.mark.django_db
def test_migrate_refuses_database_with_older_tables():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE readings ()")
    with pytest.raises(CommandError, match="can't be upgraded"):
        call_command("migrate", "--noinput")


@pytest.mark.django_db
def test_database_of_this_version_is_migrated():
    call_command("migrate", "--noinput", "--check", "--verbosity", "0")


@pytest.mark.parametrize("service", ["api", "processor"])
def test_service_with_old_database_is_not_ready(old_database, settings, service):
    settings.ROOT_URLCONF = f"myhealth.urls.{service}"
    answer = Client(raise_request_exception=False).get("/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "migrations")


def readiness():
    answer = Client(raise_request_exception=False).get("/health/ready")
    return answer.json().get("reason", answer.json()["status"])


@pytest.mark.django_db
def test_readiness_follows_what_was_restored():
    recorder = MigrationRecorder(connection)
    assert readiness() == "ok"
    recorder.record_unapplied("oura", "0001_initial")
    assert readiness() == "migrations"
    recorder.record_applied("oura", "0001_initial")
    assert readiness() == "ok"


@pytest.mark.django_db
def test_as_many_other_migrations_are_not_enough():
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("oura", "0001_initial")
    recorder.record_applied("oura", "0001_another")
    assert readiness() == "migrations"


@pytest.mark.django_db
def test_database_without_any_tables_lacks_migrations():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO away")
        # So that the failing statement ends no transaction but its own.
        cursor.execute("SAVEPOINT before")
    assert readiness() == "migrations"
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK TO SAVEPOINT before")


@pytest.mark.django_db
def test_newer_database_is_ready_but_not_taken_by_restores():
    MigrationRecorder(connection).record_applied("ingest", "9999_to_come")
    assert readiness() == "ok"
    call_command("migrate", "--noinput", "--verbosity", "0")
    with pytest.raises(CommandError, match=r"belongs to a newer version.*ingest.9999_to_come"):
        call_command("migrate", "--noinput", "--only-known")


@pytest.mark.django_db
def test_readiness_takes_one_statement(django_assert_num_queries):
    readiness()
    with django_assert_num_queries(1):
        readiness()
