"""Both services conform to their OpenAPI documents."""

import re
import subprocess
import sys

import pytest

from metrics import TYPES
from tests.processes import TOKEN
from tests.scale import scaled
from tests.worlds import PASSWORDS, store_days

# positive_data_acceptance is left out: a request that conforms to the schema can still be invalid,
# for example if its end is before its start.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "missing_required_header,unsupported_method,allow_header_conformance,ignored_auth"
)


def explore(service, token, folder):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/api/schema/"]
    command += ["--header", f"Authorization: Bearer {token}", "--checks", CHECKS]
    command += ["--max-examples", str(scaled(15, 30)), "--seed", "1"]
    command += ["--phases", scaled("fuzzing", "coverage,fuzzing")]
    command += ["--continue-on-failure", "--no-color", "--warnings", "off"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return int(re.search(r"Tested: +(\d+)", done.stdout)[1])


@pytest.fixture
def ana_with_days(transactional_db, ana):
    store_days(ana, ["2026-11-01"], score=81)
    store_days(ana, ["2026-11-02"], duration=27000)
    store_days(ana, ["2026-11-01"], "activity", steps=9000)
    return ana


def test_processor_conforms_to_its_document(ana_with_days, processor_process, tmp_path):
    assert explore(processor_process, TOKEN, tmp_path) == 8


def test_api_conforms_to_its_document(ana_with_days, api_process, tmp_path):
    access = api_process.post("/auth/login", username="ana", password=PASSWORDS["ana"])["access"]
    assert explore(api_process, access, tmp_path) == 7 + len(TYPES)
