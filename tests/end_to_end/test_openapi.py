"""Both services conform to their OpenAPI documents."""

import re
import subprocess
import sys

import pytest

from accounts.tokens import issue_tokens
from metrics import TYPES
from tests.processes import TOKEN
from tests.scale import scaled
from tests.worlds import store_days

# positive_data_acceptance is left out: a request that conforms to the schema can still be invalid,
# for example if its end is before its start.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "missing_required_header,unsupported_method,allow_header_conformance,ignored_auth"
)


ROUTES = {"api": 14 + len(TYPES), "processor": 9}
# Examples of each route, by service and by who sends them: nobody is refused whatever the request.
EXAMPLES = scaled(
    {("api", "person"): 6, ("processor", "program"): 8},
    {
        ("api", "nobody"): 3,
        ("api", "person"): 25,
        ("processor", "nobody"): 3,
        ("processor", "program"): 30,
    },
)


# A body that does not conform may also be too large.
REJECTED = """[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 429, 503]
"""


def explore(service, headers, examples, folder):
    """Send odd requests to all routes; return how many routes there are."""
    (folder / "schemathesis.toml").write_text(REJECTED)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/api/schema/"]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    command += ["--checks", CHECKS, "--max-examples", str(examples), "--seed", "1"]
    command += ["--phases", scaled("fuzzing", "coverage,fuzzing")]
    command += ["--continue-on-failure", "--no-color", "--warnings", "off"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout
    return int(re.search(r"Tested: +(\d+)", done.stdout)[1])


@pytest.fixture
def ana_with_days(transactional_db, ana):
    store_days(ana, ["2026-11-01"], score=81)
    store_days(ana, ["2026-11-02"], duration=27000)
    store_days(ana, ["2026-11-01"], "activity", steps=9000)
    return ana


@pytest.fixture
def credentials(ana_with_days):
    access = issue_tokens(ana_with_days)["access"]
    tokens = {"nobody": None, "person": access, "program": TOKEN}
    return {
        who: {"Authorization": f"Bearer {token}"} if token else {} for who, token in tokens.items()
    }


@pytest.mark.parametrize(("name", "who"), EXAMPLES)
def test_service_conforms_to_its_document(
    name, who, credentials, api_process, processor_process, tmp_path
):
    service = {"api": api_process, "processor": processor_process}[name]
    tested = explore(service, credentials[who], EXAMPLES[name, who], tmp_path)
    assert tested == ROUTES[name]
