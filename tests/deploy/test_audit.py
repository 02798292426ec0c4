"""`make audit` says what is known about the dependencies, and blocks nothing."""

import json
import os
import re
import runpy
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.scale import full_only

SCRIPT = ROOT / "deploy/tools/audit.py"
SKIPPED = {"name": "attrs", "skip_reason": "Dependency not found on PyPI"}
GOOD = {"name": "idna", "version": "3.20", "vulns": []}
BAD = {
    "name": "django",
    "version": "5.2.1",
    "vulns": [
        {"id": "CVE-2026-1", "fix_versions": ["5.2.2", "6.0.1"]},
        {"id": "CVE-2026-2", "fix_versions": []},
    ],
}


def audit(var, **environment):
    """Return the lines that the script prints; it never fails."""
    result = subprocess.run(
        [sys.executable, SCRIPT, var], env=environment, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


@pytest.fixture
def answering(tmp_path):
    """Put a stand-in for pip-audit in place, which finds the given dependencies."""

    def install(*dependencies, code=0, components="echo {}"):
        tools = tmp_path / "tools/audit"
        (tools / "bin").mkdir(parents=True)
        (tools / "installed.txt").write_bytes((ROOT / "deploy/tools/audit.txt").read_bytes())
        (tools / "found.json").write_text(json.dumps({"dependencies": dependencies, "fixes": []}))
        report = f"cat {tools}/found.json" if dependencies else "echo Traceback >&2"
        python = tools / "bin/python"
        check = f"pip_audit) {report}; exit {code};;"
        python.write_text(f"#!/bin/sh\ncase $2 in {check} cyclonedx_py) {components};; esac\n")
        python.chmod(0o755)
        first, *found, last = audit(tmp_path, PATH=os.environ["PATH"])
        assert first == "Looking for known vulnerabilities …"
        assert str(tmp_path / "sbom.json") in last
        return found

    return install


def test_vulnerability_is_named_with_its_fix(answering):
    assert answering(BAD, GOOD, code=1) == [
        "django 5.2.1: CVE-2026-1, fixed in 5.2.2, 6.0.1.",
        "django 5.2.1: CVE-2026-2, no fix.",
        "Dependencies checked: 2; known vulnerabilities: 2.",
    ]


def test_dependency_that_was_not_checked_is_named(answering):
    assert answering(GOOD, SKIPPED) == [
        "Not checked, because the vulnerability database lacks them: attrs.",
        "Dependencies checked: 1; known vulnerabilities: 0.",
    ]


UNREACHED = ["Nothing was checked: the vulnerability database can't be reached from here."]


def test_database_that_answers_nothing_is_no_good_news(answering):
    assert answering(SKIPPED) == UNREACHED


def test_database_out_of_reach_gets_a_sentence(answering):
    assert answering(code=1) == UNREACHED


@full_only
def test_registry_out_of_reach_gets_a_sentence(tmp_path):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    said = audit(tmp_path, PIP_CONFIG_FILE=os.devnull, **nowhere)
    assert said == [
        "Installing the tools of the audit (some minutes, once) …",
        "Nothing was checked: the tools can't be installed, for example because there is no "
        "network.",
    ]


def test_failed_list_of_components_keeps_the_former(answering, tmp_path):
    list_of_components = tmp_path / "sbom.json"
    list_of_components.write_text("former")
    # Like the real one, it opens the file that it is told first of all.
    opens = 'for each; do case $each in --output-file=*) : > "${each#*=}";; esac; done'
    answering(GOOD, components=f"{opens}; exit 1")
    assert list_of_components.read_text() == "former"


@full_only
def test_components_are_the_pins_each_time_alike(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    tools = ROOT / "var/tools/audit"
    assert script["install"](tools)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path in (first, second):
        assert script["write_sbom"](tools, path) == f"Components: {path}"
    components = json.loads(first.read_bytes())["components"]
    pins = re.findall(r"(?m)^([\w.-]+)(?:\[.*\])?==(\S+)", (ROOT / "requirements.txt").read_text())
    assert {(each["name"], each["version"]) for each in components} == set(pins)
    assert first.read_bytes() == second.read_bytes()
