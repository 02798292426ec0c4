"""Databases of versions that can't be upgraded."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from myhealth import health


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
def test_service_with_old_database_is_not_ready(old_database, settings, monkeypatch, service):
    settings.ROOT_URLCONF = f"myhealth.urls.{service}"
    monkeypatch.setattr(health, "migrated", False)
    answer = Client(raise_request_exception=False).get("/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "migrations")
