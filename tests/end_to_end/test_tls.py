"""TLS between our own processes, with a certificate of a private authority, and PostgreSQL."""

import os
import subprocess
import sys

import pytest

from ingest.control import ControlError, delete_metrics
from ingest.models import SleepMetric
from tests.certificates import self_signed
from tests.processes import ROOT, Service
from tests.scale import full_only

TOKEN = "control-token-for-tests"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The files of a self-signed certificate for 127.0.0.1 and of its key."""
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def tls_processor(database_settings, certificate):
    file, key = map(str, certificate)
    environment = {"GRANIAN_SSL_CERTIFICATE": file, "GRANIAN_SSL_KEYFILE": key}
    service = Service("processor", {**database_settings, **environment}, authority=file).start()
    yield service
    service.stop()


def test_collector_sends_to_processor_with_tls(pipeline, tls_processor, certificate):
    changed = {"PROCESSOR_URL": tls_processor.url, "PROCESSOR_CA_BUNDLE": str(certificate[0])}
    assert pipeline.collect("--days", "3", **changed).code == 0
    assert SleepMetric.objects.exists()


@full_only
def test_collector_refuses_processor_of_unknown_authority(pipeline, tls_processor):
    assert pipeline.collect("--days", "3", PROCESSOR_URL=tls_processor.url).code == 1
    assert not SleepMetric.objects.exists()


@full_only
def test_api_asks_processor_with_tls(transactional_db, ana, settings, tls_processor, certificate):
    settings.PROCESSOR_URL, settings.CONTROL_TOKENS = tls_processor.url, [TOKEN]
    with pytest.raises(ControlError, match="reached"):
        delete_metrics("ana")
    settings.PROCESSOR_CA_BUNDLE = str(certificate[0])
    delete_metrics("ana")


def test_container_with_tls_is_found_healthy(tls_processor, tmp_path):
    (tmp_path / "port").write_text(str(tls_processor.port))
    environment = {**os.environ, **tls_processor.environment, "TMPDIR": str(tmp_path)}
    command = [sys.executable, ROOT / "deploy/image/healthcheck.py"]
    assert subprocess.run(command, env=environment, check=False).returncode == 0


@full_only
def test_database_without_tls_is_refused_if_it_must_be_verified(database_settings):
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=ROOT,
        env={**os.environ, **database_settings, "DB_SSLMODE": "verify-full"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "PostgreSQL does not offer TLS" in done.stderr
