"""The archive as the production server sends it."""

import io
import os
import sys
import zipfile

import pytest
import requests
from django.db import connection, transaction

from accounts.tokens import issue_tokens
from bench.collecting import run_measured
from metrics import TYPES
from tests.processes import ROOT, wait_until
from tests.scale import full_only
from tests.worlds import days_ago, document, person, store_documents

MOST_BYTES = 30_000_000


def store_years(user, days):
    """Store documents of 8 kB that can hardly be compressed."""
    values = [(n * 7919) % 10_007 for n in range(1_700)]
    for name in TYPES:
        for start in range(0, days, 300):
            documents = [
                {
                    **document(days_ago(n), f"{name} {n}", score=80),
                    "source": {"values": values[n % 100 :], "n": n},
                }
                for n in range(start, min(start + 300, days))
            ]
            assert store_documents(user, documents, name).rejected == []


@pytest.fixture
def api(service, ana):
    store_years(ana, 200)
    return service("api")


@pytest.fixture
def headers(ana):
    return {"Authorization": f"Bearer {issue_tokens(ana)['access']}"}


def test_server_sends_a_whole_archive(api, headers):
    answer = requests.get(f"{api.url}/api/v1/export", headers=headers)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.read("sleep.documents.jsonl").splitlines()) == 200


@pytest.fixture
def held(api):
    """Archives wait for the last of their tables until the transaction ends."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE rejected_documents IN ACCESS EXCLUSIVE MODE")
        yield


def waiting():
    """Return the processes of PostgreSQL that make archives that wait."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Other workers' tests wait in databases of their own.
            "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE NOT granted AND datname = current_database()"
        )
        return [pid for [pid] in cursor.fetchall()]


def end(pids):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [pids])


def test_archive_that_breaks_off_is_one_line_of_the_log(api, headers, held):
    address = f"{api.url}/api/v1/export"
    with requests.get(address, headers=headers, stream=True) as begun:
        wait_until(waiting)
        end(waiting())
        assert not zipfile.is_zipfile(io.BytesIO(begun.content))
    [line] = api.log.read_text().splitlines()
    assert '"archive broke off"' in line


def test_second_archive_of_a_person_waits_its_turn(api, headers, held):
    address = f"{api.url}/api/v1/export"
    with requests.get(address, headers=headers, stream=True):
        wait_until(waiting)
        second = requests.get(address, headers=headers)
        assert (second.status_code, second.json()["code"]) == (429, "export_running")
        assert second.headers["Retry-After"] == "60"


@full_only
def test_client_that_goes_away_leaves_no_transaction(api, headers):
    address = f"{api.url}/api/v1/export"
    with requests.get(address, headers=headers, stream=True) as begun:
        next(begun.iter_content(1_000))
    wait_until(lambda: not open_transactions())
    assert requests.get(address, headers=headers).ok


def open_transactions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        return cursor.fetchall()


@full_only
def test_ten_years_take_little_memory(transactional_db, ana, database_settings, tmp_path):
    store_years(ana, 3_650)
    peaks = {}
    for user in (person("ben"), ana):
        path = tmp_path / f"{user}.zip"
        command = [sys.executable, "manage.py", "export_person", str(user), str(path)]
        ended = run_measured(command, cwd=ROOT, env={**os.environ, **database_settings})
        assert ended.code == 0, ended.output
        peaks[str(user)] = ended.peak
    with zipfile.ZipFile(path) as archive:
        assert len(archive.read("sleep.documents.jsonl").splitlines()) == 3_650
    assert peaks["ana"] - peaks["ben"] < MOST_BYTES
