"""The database stops in the middle of a request, and comes back."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from myhealth.local import embedded, places
from tests.myhealth.local.database_users import copy_database
from tests.processes import ROOT, TOKEN, Service, wait_until
from tests.scale import full_only

DOCUMENT = {"id": "a", "day": "2026-03-01", "score": 81}


class Database:
    """A PostgreSQL of its own, which can be stopped and started."""

    def __init__(self, var):
        self.var = var
        self.start()

    def start(self):
        self.at = embedded.join(self.var)

    def stop(self):
        state = places.locate(self.var).data / "postmaster.pid"
        keeper = psutil.Process(int(state.read_text().split()[0])).parent()
        keeper.terminate()
        wait_until(lambda: not embedded.is_running(self.var))

    @property
    def environment(self):
        return {
            "DB_HOST": self.at.host,
            "DB_PORT": str(self.at.port),
            "DB_USER": self.at.user,
            "DB_PASSWORD": self.at.password,
            "DB_NAME": self.at.name,
        }

    def connect(self):
        return psycopg.connect(
            host=self.at.host,
            port=self.at.port,
            user=self.at.user,
            password=self.at.password,
            dbname=self.at.name,
            autocommit=True,
        )

    def manage(self, *arguments, **settings):
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, **settings},
            check=True,
            capture_output=True,
        )


@pytest.fixture(scope="module")
def database(migrated_var):
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        copy_database(migrated_var, Path(folder) / "var")
        made = Database(Path(folder) / "var")
        made.manage("ensure_user", "ana", PASSWORD="correct horse")
        yield made
        embedded.leave(made.var)


@pytest.fixture(scope="module")
def processor(database):
    service = Service("processor", {**database.environment, "LOG_LEVEL": "error"}).start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def api(database):
    service = Service("api", {**database.environment, "LOG_LEVEL": "error"}).start()
    yield service
    service.stop()


def ingest(processor):
    return requests.post(
        f"{processor.url}/api/v1/ingest",
        json={"type": "sleep", "data": DOCUMENT},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def log_in(api):
    credentials = {"username": "ana", "password": "correct horse"}
    return requests.post(f"{api.url}/auth/login", json=credentials)


def read(api, token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{api.url}/api/v1/sleep", headers=headers)


def waiting(connection):
    sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return connection.execute(sql).fetchone()[0] == 1


@full_only
def test_request_that_loses_database_gets_retry_after(database, processor, api):
    token = log_in(api).json()["access"]
    # From now on, this process answers it from memory.
    assert read(api, token).status_code == 200
    with database.connect() as rival, ThreadPoolExecutor(1) as pool:
        # The request waits for this lock, and so is in its middle when the database goes.
        [user] = rival.execute("SELECT id FROM accounts_user").fetchone()
        rival.execute("SELECT pg_advisory_lock(hashtext('ingest:sleep'), %s)", [user])
        inflight = pool.submit(ingest, processor)
        wait_until(lambda: waiting(rival))
        database.stop()
        answer = inflight.result()
    try:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json()["code"] == "unavailable"
        for refused in (ingest(processor), log_in(api), read(api, token)):
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        for service in (processor, api):
            assert requests.get(f"{service.url}/health").status_code == 200
            ready = requests.get(f"{service.url}/health/ready")
            assert (ready.status_code, ready.json()["reason"]) == (503, "database")
    finally:
        database.start()
    wait_until(lambda: requests.get(f"{processor.url}/health/ready").ok)
    wait_until(lambda: requests.get(f"{api.url}/health/ready").ok)
    assert (ingest(processor).status_code, ingest(processor).json()["unchanged"]) == (201, 1)
    assert log_in(api).status_code == read(api, token).status_code == 200
