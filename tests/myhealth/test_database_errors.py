"""What is said where the database fails: to senders, in the log, and to those who run commands."""

import os
import subprocess
import sys

import pytest
from django.db import (
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.test import Client

from myhealth import errors
from myhealth.errors import MIGRATE
from myhealth.postgresql.errors import trouble
from tests.ingest.conftest import Processor
from tests.myhealth.test_poolers import connected_to
from tests.processes import ROOT, database_environment
from tests.scale import full_only

AWAY = "The database can't be reached; try again shortly."
BUSY = "The database is overloaded; try again shortly."
SLOW = "The database is taking too long; try again shortly."
FULL = "The database has no space left; try again later."
READ_ONLY = "The database is read-only; try again later."
FAULT = "The database has a fault; try again later."
PUBLIC = {
    "53100": FULL,
    "53200": BUSY,
    "53300": BUSY,
    "53400": BUSY,
    "54000": BUSY,
    "25006": READ_ONLY,
    "57014": SLOW,
    "55P03": SLOW,
    "57P01": AWAY,
    "57P02": AWAY,
    "57P03": AWAY,
    "08006": AWAY,
    "58030": FAULT,
}
DOCUMENT = {"id": "a", "day": "2026-03-01", "score": 81}


@pytest.fixture
def failing(transactional_db, monkeypatch):
    """Let writes to a table fail with one of PostgreSQL's codes."""
    monkeypatch.setattr(errors, "_logged", {})

    def fail(table, code):
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE EXCEPTION 'a secret value' USING ERRCODE = '{code}'; END $$;"
                f"CREATE TRIGGER fail BEFORE INSERT ON {table} EXECUTE FUNCTION fail()"
            )

    yield fail
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS fail() CASCADE")


@full_only
@pytest.mark.parametrize("code", PUBLIC)
def test_sender_learns_what_is_wrong_and_may_repeat(ana, failing, settings, caplog, code):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    failing("sleep_metrics", code)
    answer = Processor().send(DOCUMENT)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"detail": PUBLIC[code], "code": "unavailable", "errors": {}}
    assert code in caplog.text
    assert "a secret value" not in caplog.text
    # As at the end of each request.
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION fail() CASCADE")
    assert Processor().send(DOCUMENT).json()["created"] == 1


@pytest.mark.parametrize("code", ["53100", "25006", "57P01"])
def test_pages_answer_503_with_what_is_wrong(ana, failing, code):
    failing("accounts_failedsignin", code)
    credentials = {"username": "ana", "password": "x"}
    answer = Client(raise_request_exception=False).post("/accounts/login/", credentials)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == PUBLIC[code]


def test_many_failures_make_one_line_in_the_log(ana, failing, settings, caplog):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    failing("sleep_metrics", "53100")
    for _ in range(3):
        assert Processor().send(DOCUMENT).status_code == 503
    assert caplog.text.count("database unavailable") == 1


def test_read_only_database_is_left_for_another(transactional_db, settings):
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_user")
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_user")


def advice(error):
    found = trouble(error)
    return found and found.advice


@pytest.mark.parametrize(
    ("text", "sentence"),
    {
        'FATAL:  role "myhealth" is not permitted to log in': "DB_USER and DB_PASSWORD",
        "fe_sendauth: no password supplied": "DB_USER and DB_PASSWORD",
        "FATAL:  SASL authentication failed": "DB_USER and DB_PASSWORD",
        "FATAL:  no such database: myhealth": "DB_NAME",
        "server does not support SSL, but SSL was required": "DB_SSLMODE",
        "SSL error: certificate verify failed": "DB_SSLROOTCERT",
        'server certificate for "a" does not match host name "b"': "DB_SSLROOTCERT",
        'FATAL:  no pg_hba.conf entry for host "::1", user "a", no encryption': "DB_SSLMODE",
        "FATAL:  sorry, too many clients already": "max_connections",
        "FATAL:  remaining connection slots are reserved for roles": "max_connections",
        'FATAL:  too many connections for role "a"': "max_connections",
        "FATAL:  no more connections allowed (max_client_conn)": "max_connections",
        "FATAL:  the database system is starting up": "try again shortly",
        "FATAL:  server login has been failing, try again later": "try again shortly",
        "terminating connection due to administrator command": "try again shortly",
        "connection timeout expired": "in time",
        "connection to server failed: No route to host": "in time",
        "couldn't get a connection after 5.00 sec": "DB_POOL_SIZE",
        'could not extend file "base/1": No space left on device': "disk is full",
        "Passwort-Authentifizierung fehlgeschlagen": "can't be reached",
    }.items(),
)
def test_failed_connection_is_explained_without_its_names(text, sentence):
    explained = advice(OperationalError(f"connection failed: {text}"))
    assert sentence in explained
    assert "myhealth" not in explained


def test_too_old_postgresql_is_explained():
    error = NotSupportedError("PostgreSQL 14 or later is required (found 13.2).")
    assert "PostgreSQL is too old" in advice(error)


def test_lost_connection_is_explained():
    assert "can't be reached" in advice(InterfaceError("connection already closed"))


@pytest.mark.parametrize("error", [ProgrammingError("syntax error"), ValueError("timeout")])
def test_mistake_of_the_program_is_not_explained(error):
    assert trouble(error) is None


@full_only
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"PASSWORD": "wrong"}, "DB_USER and DB_PASSWORD"),
        ({"USER": "nobody-here"}, "DB_USER and DB_PASSWORD"),
        ({"NAME": "nowhere"}, "DB_NAME"),
        ({"HOST": "nowhere.invalid"}, "DB_HOST"),
        ({"HOST": "127.0.0.1", "PORT": 1}, "No PostgreSQL server answers"),
        ({"HOST": "::1", "PORT": 1}, "No PostgreSQL server answers"),
        ({"HOST": "/nowhere"}, "No PostgreSQL server answers"),
    ],
)
def test_pool_says_why_there_is_no_connection(transactional_db, settings, changes, sentence):
    pool = {**connection.settings_dict["OPTIONS"]["pool"], "timeout": 0.5}
    options = {**connection.settings_dict["OPTIONS"], "pool": pool}
    with connected_to(settings, OPTIONS=options, **changes):
        with pytest.raises(OperationalError) as caught:
            connection.ensure_connection()
        assert sentence in advice(caught.value)


def manage(*arguments, **changes):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=60,
    )


@full_only
def test_command_with_wrong_password_ends_with_one_sentence(transactional_db):
    environment = {**database_environment(), "DB_PASSWORD": "not-the-password"}
    done = manage("migrate", "--noinput", **environment)
    sentence = "PostgreSQL rejects the user or the password: check DB_USER and DB_PASSWORD.\n"
    assert (done.returncode, done.stderr) == (1, sentence)


@pytest.fixture
def empty(transactional_db):
    """The environment that leads to an empty database, for a user who may only read it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        cursor.execute("CREATE DATABASE empty")
    yield {
        **database_environment(),
        "DB_NAME": "empty",
        "DB_USER": "plain",
        "DB_PASSWORD": "plain",
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE empty WITH (FORCE)")
        cursor.execute("DROP ROLE plain")


@full_only
def test_user_without_right_to_create_tables_learns_it(empty):
    done = manage("migrate", "--noinput", **empty)
    assert done.returncode == 1
    assert "GRANT ALL ON SCHEMA public" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_command_on_an_empty_database_asks_for_migrations(empty):
    done = manage("rederive", **empty)
    assert (done.returncode, done.stderr) == (1, f"{MIGRATE}\n")
