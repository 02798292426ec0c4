"""The services and the collector behind PgBouncer in transaction mode, as it comes."""

import io
import os
import subprocess
import sys
import zipfile

import pytest
import requests

from tests.poolers import needs_pgbouncer, pgbouncer
from tests.processes import ROOT, Pipeline, Service
from tests.scale import full_only

pytestmark = needs_pgbouncer


@pytest.fixture(scope="module")
def pooled(database_settings):
    with pgbouncer(database_settings) as environment:
        yield environment


@pytest.fixture(scope="module")
def services(pooled):
    started = [Service(name, pooled).start() for name in ("processor", "api")]
    yield started
    for service in started:
        service.stop()


@full_only
def test_days_are_collected_shown_and_derived_again_through_pgbouncer(
    transactional_db, sandbox, services, pooled
):
    processor, api = services
    credentials = {"username": "ana", "password": "correct horse battery"}
    manage(pooled, "ensure_user", "ana", PASSWORD=credentials["password"])
    run = Pipeline(sandbox, processor).collect("--days", "30")
    assert (run.code, sum(run.counts("created").values()) > 60) == (0, True), run.stderr
    token = api.post("/auth/login", **credentials)["access"]
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(20):
        answer = requests.get(
            f"{api.url}/api/v1/dashboard",
            headers=headers,
        )
        assert answer.ok, answer.text
    answer = requests.get(f"{api.url}/api/v1/export", headers=headers)
    assert zipfile.is_zipfile(io.BytesIO(answer.content))
    manage(pooled, "rederive")
    for service in services:
        assert requests.get(f"{service.url}/health/ready").ok


def manage(environment, *arguments, **more):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
