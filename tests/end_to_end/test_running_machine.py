"""A running `make run`: what it says, and commands beside it."""

import json
import re

import psutil
import pytest
import requests

from tests.scale import full_only


@pytest.fixture
def elsewhere(running_machine):
    """The same laptop in another terminal, which knows the folder alone."""
    settings = running_machine.settings
    running_machine.settings = {"VAR_DIR": settings["VAR_DIR"]}
    yield running_machine
    running_machine.settings = settings


def test_start_is_short_and_ends_with_the_ready_line(running_machine):
    run = running_machine.runs[0]
    start = run.lines[: run.lines_at_ready]
    assert start[-1].startswith("myhealth is ready: http://localhost:")
    assert len(start) < 30
    assert any("Collecting from the sandbox: sleep" in line for line in start)
    assert any("days of sleep" in line for line in start)


def test_terminal_stays_quiet_and_the_log_file_has_it_all(running_machine):
    run = running_machine.runs[0]
    run.days()
    assert requests.get(f"{run.url}nothing").status_code == 404
    assert not [line for line in run.lines if "{" in line or "request" in line]
    log = (running_machine.var / "log" / "myhealth.log").read_text(encoding="utf-8")
    events = [json.loads(line) for line in log.splitlines()]
    assert {"api", "processor", "collector"} <= {event["service"] for event in events}
    assert [event for event in events if event["message"] == "request"]
    assert run.password not in log


def test_second_run_says_where_the_first_is(running_machine):
    done = running_machine.run(API_PORT="8123")
    expected = f"myhealth is already running: {running_machine.runs[0].url}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_other_commands_find_its_ports(elsewhere):
    done = elsewhere.run("collect", "--days", "3")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    done = elsewhere.command("manage.py", "collect_oura", "--plan")
    assert done.returncode == 0, done.stderr
    assert "demo sleep: " in done.stdout


def test_collect_with_other_settings_gets_a_sentence(elsewhere):
    done = elsewhere.run("collect", OURA_API_KEY="a key")
    assert done.returncode == 1
    assert done.stderr.startswith("The running myhealth collects with the sandbox")
    assert "a key" not in done.stderr


def test_password_is_shown_later(elsewhere):
    run = elsewhere.runs[0]
    done = elsewhere.run("password")
    assert (done.returncode, done.stdout) == (0, f"user demo, password {run.password}\n")


@full_only
def test_readable_secrets_are_told_by_make_run_alone(elsewhere):
    file = elsewhere.var / "local.env"
    file.chmod(0o644)
    done = elsewhere.run("password")
    file.chmod(0o600)
    assert (done.returncode, done.stderr) == (0, "")


def test_wrong_option_is_told_once(elsewhere):
    done = elsewhere.run("collect", "--days", "x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@full_only
def test_unknown_password_is_not_shown(elsewhere):
    ensured = elsewhere.command("manage.py", "ensure_user", "me", PASSWORD="correct horse")
    assert ensured.returncode == 0
    done = elsewhere.run("password", "me")
    assert "The password of me was chosen by a person, so it can't be shown." in done.stdout
    stored = (elsewhere.var / "local.env").read_text()
    assert re.search("OURA_USER_PASSWORD=(.*)", stored)[1] not in done.stdout


def test_address_is_shown_later(elsewhere):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        elsewhere.settings[name] = ""
    done = elsewhere.run("open")
    assert (done.returncode, done.stdout) == (0, f"{elsewhere.runs[0].url}\n")


def test_browser_opens_where_there_is_a_display(elsewhere, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/opened\n')
    browser.chmod(0o755)
    elsewhere.run("open", DISPLAY=":0", BROWSER=f"{browser} %s")
    assert (tmp_path / "opened").read_text() == f"{elsewhere.runs[0].url}\n"


def test_file_about_the_run_is_private(running_machine):
    file = running_machine.var / "run.json"
    assert file.stat().st_mode & 0o077 == 0
    state = json.loads(file.read_text())
    assert state["pid"] == running_machine.runs[0].process.pid
    assert psutil.pid_exists(state["pid"])
    assert state["ports"] == running_machine.ports


def test_collect_beside_a_running_set_up(running_machine):
    done = running_machine.run("collect", "--days", "14")
    assert done.returncode == 0, done.stderr
    assert re.search(r"[1-9]\d* unchanged", done.stdout)


def test_backup_and_restore(running_machine):
    machine, run = running_machine, running_machine.runs[0]
    days = run.days()
    done = machine.run("backup")
    assert done.returncode == 0, done.stderr
    [file] = (machine.var / "backups").iterdir()
    assert str(file) in done.stdout
    wipe = "from ingest.models import SleepMetric; SleepMetric.objects.all().delete()"
    assert machine.command("manage.py", "shell", "--no-imports", "-c", wipe).returncode == 0
    assert run.days() == []
    done = machine.run("restore", str(file))
    assert done.returncode == 0, done.stderr
    assert run.days() == days
