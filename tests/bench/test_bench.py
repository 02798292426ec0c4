"""The smallest benchmark, from the command to its report, with real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.processes import ROOT, wait_until
from tests.scale import full_only

needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed.")
SMALL = ("--quick", "--no-go", "--workers", "1", "--days", "40")


def bench(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "figures.json"


@full_only
@needs_wrk
def test_smallest_run_measures_and_reports(out):
    wanted = "empty answer|sleep 30 days, (cold|304)|dashboard, cold|ingest|statements"
    done = bench(*SMALL, "--only", wanted, "--beside", str(ROOT), "--out", str(out))
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    measured = {(each["item"], each["system"]) for each in told["items"]}
    assert {
        ("empty answer", "empty WSGI"),
        ("empty answer", "empty Django"),
        ("empty answer", "myhealth"),
        ("sleep 30 days, cold", "myhealth"),
        ("sleep 30 days, cold", "bare psycopg"),
        ("sleep 30 days, 304", "myhealth"),
        ("dashboard, cold", "myhealth"),
        ("dashboard, cold", "beside"),
        ("ingest 1 new", "bare psycopg"),
        ("ingest 1000 new", "myhealth"),
        ("ingest 1000 again", "bare psycopg"),
    } <= measured
    assert [each["item"] for each in told["items"] if each["median"]["bad"]] == []
    assert all(each["median"]["cpu_ms"] > 0 for each in told["items"])
    statements = {each["name"]: each["value"] for each in told["values"]}
    assert 1 <= statements["statements of sleep, new"] <= 10
    assert "x bare" in done.stdout


@full_only
@needs_wrk
def test_profile_names_functions():
    done = bench(*SMALL, "--profile", "sleep 30 days, again")
    assert done.returncode == 0, done.stderr
    assert "cumulative" in done.stdout
    assert "dashboard" in done.stdout


@full_only
@needs_wrk
def test_nothing_is_left_after_an_interruption(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *SMALL, "--rounds", "50", "--only", "sleep"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": tempfile.gettempdir(), "VAR_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # It may be ignored where the tests run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for line in process.stderr:
        if "round 1 of" in line:
            break
    started = psutil.Process(process.pid).children(recursive=True)
    folders = {folder_of(each) for each in started} - {None}
    assert started
    # A terminal sends it to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "Traceback" not in said
    wait_until(lambda: not any(each.is_running() for each in started))
    assert not any(folder.exists() for folder in folders)


def folder_of(process):
    """The folder of the run that started a process."""
    variables = process.environ() if process.is_running() else {}
    return Path(variables["VAR_DIR"]) if "VAR_DIR" in variables else None


def test_missing_wrk_gets_a_sentence(tmp_path):
    done = bench("--quick", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Install wrk")
    assert done.stderr.count("\n") == 1


def test_unknown_item_gets_a_sentence():
    done = bench("--only", "no such item")
    assert done.returncode == 1
    assert done.stderr.startswith("No item matches")


def test_items_are_listed():
    done = bench("--list")
    assert {"dashboard, cold", "ingest 1 new", "growth", "everyone"} <= set(done.stdout.split("\n"))
