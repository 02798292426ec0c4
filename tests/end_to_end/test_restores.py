"""Backups and restores as people make them, and services whose tables are of another version."""

import itertools
import os
import pty
import re
import subprocess
import sys

import psycopg
import pytest
import requests
from django.test import Client

from tests.end_to_end.machines import Machine
from tests.myhealth.local.database_users import add_account, using
from tests.processes import ROOT, TOKEN, database_environment, wait_until
from tests.scale import full_only

# Columns and tables that reads and writes ask for are missing, and so is a migration.
EARLIER = """
ALTER TABLE metric_streams RENAME COLUMN version TO other;
ALTER TABLE fetches RENAME TO others;
DELETE FROM django_migrations WHERE app = 'ingest' AND name = '0007_drop_doubled_indexes';
"""
PRESENT = """
ALTER TABLE metric_streams RENAME COLUMN other TO version;
ALTER TABLE others RENAME TO fetches;
INSERT INTO django_migrations (app, name, applied)
VALUES ('ingest', '0007_drop_doubled_indexes', now());
"""


@pytest.fixture
def execute(database_settings):
    where = {key.removeprefix("DB_").lower(): value for key, value in database_settings.items()}
    where["dbname"] = where.pop("name")

    def run(statements):
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(statements)

    return run


@pytest.fixture
def on_earlier_tables(transactional_db, ana, service, execute):
    """Both services, whose database becomes one of an earlier version, and one of this again."""
    services = {name: service(name) for name in ("api", "processor")}
    credentials = {"username": "ana", "password": "correct horse battery"}
    answer = requests.post(f"{services['api'].url}/auth/login", json=credentials)
    read = {"Authorization": f"Bearer {answer.json()['access']}"}
    sent = {"Authorization": f"Bearer {TOKEN}"}
    browser = Client()
    browser.force_login(ana)
    seen = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    asked = {
        "api": [
            ("GET", "/api/v1/sleep", read),
            ("GET", "/api/v1/coverage", read),
            ("GET", "/", seen),
        ],
        "processor": [
            ("GET", "/api/v1/metrics/ledger?user=ana", sent),
            ("POST", "/api/v1/ingest", sent),
        ],
    }

    scores = itertools.count()

    def ask():
        for name, questions in asked.items():
            for method, address, credential in questions:
                url = services[name].url.replace("127.0.0.1", "localhost") + address
                document = {"id": "a", "day": "2026-03-01", "score": next(scores)}
                body = {"type": "sleep", "user": "ana", "data": document}
                json = body if method == "POST" else None
                yield requests.request(method, url, json=json, headers=credential)

    def readiness():
        urls = [f"{each.url}/health/ready" for each in services.values()]
        return [requests.get(url).json() for url in urls]

    assert {answer.status_code for answer in ask()} <= {200, 201}
    execute(EARLIER)
    try:
        yield ask, readiness
    finally:
        execute(PRESENT)
    assert {answer.status_code for answer in ask()} <= {200, 201}
    assert {each["status"] for each in readiness()} == {"ok"}


@full_only
def test_services_on_earlier_tables_say_what_is_missing(on_earlier_tables):
    ask, readiness = on_earlier_tables
    assert {each["reason"] for each in readiness()} == {"migrations"}
    for answer in ask():
        assert (answer.status_code, answer.json()["code"]) == (503, "migrations")
        assert answer.headers["Retry-After"] == "5"
        assert "run `manage.py migrate`" in answer.json()["detail"]


@full_only
def test_commands_on_earlier_tables_say_what_is_missing(on_earlier_tables, execute):
    execute("ALTER TABLE accounts_user RENAME TO away")
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "reset_password", "ana"],
            cwd=ROOT,
            env={**os.environ, **database_environment()},
            capture_output=True,
            text=True,
        )
    finally:
        execute("ALTER TABLE away RENAME TO accounts_user")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "The database lacks migrations of this version" in done.stderr


# The commands ------------------------------------------------------------------------------------


def restored_from(done):
    assert done.returncode == 0, done.stderr
    return re.search(r"^Restored from (.*)$", done.stdout, re.MULTILINE)[1]


@full_only
def test_restore_of_earlier_version_beside_running_services(machine):
    done = machine.command("manage.py", "migrate", "ingest", "0003", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    with using(machine.var) as user:
        add_account(user.connection, "demo", "of another machine")
    earlier = re.search(r"^Backed up to (.*)$", machine.run("backup").stdout, re.MULTILINE)[1]
    chosen = {"DEMO_PASSWORD": "chosen for this machine"}
    run = machine.start(**chosen).await_ready()
    assert run.days()
    assert restored_from(machine.run("restore", earlier, **chosen)) == earlier
    for port in ("API_PORT", "PROCESSOR_PORT"):
        ready = f"http://127.0.0.1:{machine.ports[port]}/health/ready"
        wait_until(lambda: requests.get(ready).ok)  # noqa: B023
    # With the password of the ready line.
    assert run.days() == []
    assert machine.run("collect", **chosen).returncode == 0
    assert run.days()
    assert run.stop() == 0


def in_terminal(machine, answer, **settings):
    """Restore with a terminal as standard input, in which somebody has typed something."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    try:
        return subprocess.run(
            [sys.executable, "-m", "myhealth.local.run", "restore"],
            cwd=ROOT,
            env=machine.environment(**settings),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@full_only
@pytest.mark.parametrize(
    ("answer", "settings", "restores"),
    [
        (b"n\n", {}, False),
        pytest.param(b"\n", {}, False, marks=full_only),
        pytest.param(b"\x04", {}, False, marks=full_only),
        (b"y\n", {}, True),
        pytest.param(b"", {"YES": "1"}, True, marks=full_only),
    ],
)
def test_restore_asks_on_a_terminal(machine, answer, settings, restores):
    machine.run("backup")
    done = in_terminal(machine, answer, **settings)
    assert done.returncode == (0 if restores else 1)
    assert ("This replaces the database" in done.stdout) == (not settings)
    assert ("Restored from" in done.stdout) == restores
    assert ("Nothing was changed." in done.stderr) != restores
    assert len([*(machine.var / "backups").iterdir()]) == (2 if restores else 1)


@full_only
def test_move_to_new_machine_tells_of_password(machine, new_var_machine):
    assert machine.run("restore").returncode == 1
    machine.command("manage.py", "ensure_user", "me", PASSWORD="a generated password")
    file = re.search(r"^Backed up to (.*)$", machine.run("backup").stdout, re.MULTILINE)[1]
    done = new_var_machine.run("restore", file)
    assert restored_from(done) == file
    assert "make password USER=me" in done.stdout
    assert "kept" not in done.stdout


@pytest.fixture
def new_var_machine(tmp_path):
    made = Machine(tmp_path / "var")
    yield made
    made.clean_up()
