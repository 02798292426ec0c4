"""What `make run` shows of its services' lines, and what it keeps in the log file."""

import contextlib
import json
import subprocess
import sys
from datetime import datetime

import pytest
from honcho.printer import Message

from myhealth.local.terminal import LinePrinter, read_all


def event(level, message, **fields):
    first = {"time": "2026-11-26T09:00:00Z", "level": level, "service": "api", "logger": "x"}
    return json.dumps({**first, "message": message, "request_id": "1", **fields})


LINES = [
    event("info", "request", status=200),
    event("debug", "a detail"),
    event("info", "news"),
    event("warning", "take care", count=3),
    event("error", "it failed", exception="Traceback:\n  ValueError"),
    "a line of another kind …",
]


@contextlib.contextmanager
def printing(folder):
    file = folder / "log" / "myhealth.log"
    with contextlib.closing(LinePrinter(file, lambda *_: False)) as printer:
        yield lambda data, name="api": printer.write(
            Message("line", data, datetime.now(), name, None)
        )


@pytest.fixture
def shown(tmp_path, monkeypatch, capfd):
    def show(**settings):
        for name in ("LOG_LEVEL", "LOG_FORMAT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with printing(tmp_path) as write:
            for line in LINES:
                write(line.encode() + b"\n")
            write("api started\n", name="system")
        return capfd.readouterr().out

    return show


def without_time(text):
    return [line[9:] for line in text.splitlines()]


def test_only_warnings_errors_and_other_lines_are_shown(shown):
    said = shown().splitlines()
    assert [said[0][9:], said[1][9:]] == ["api: take care count=3", "api: it failed"]
    assert said[2:4] == ["Traceback:", "  ValueError"]
    assert said[4][9:] == "api: a line of another kind …"
    assert len(said) == 5


def test_level_shows_more_but_no_requests(shown):
    said = without_time(shown(LOG_LEVEL="info"))
    assert said[:2] == ["api: news", "api: take care count=3"]


def test_requests_are_shown_at_debug(shown):
    assert without_time(shown(LOG_LEVEL="debug"))[:2] == [
        "api: request status=200",
        "api: a detail",
    ]


def test_json_is_shown_where_it_is_wanted(shown):
    assert LINES[3] in shown(LOG_FORMAT="json").splitlines()


def test_log_file_has_every_line_as_json(shown, tmp_path):
    shown()
    lines = (tmp_path / "log" / "myhealth.log").read_text(encoding="utf-8").splitlines()
    assert lines[: len(LINES) - 1] == LINES[:-1]
    assert [json.loads(line)["message"] for line in lines[len(LINES) - 1 :]] == [
        "a line of another kind …",
        "api started",
    ]


def test_log_file_has_a_bound(tmp_path):
    with printing(tmp_path) as write:
        for _ in range(30):
            write(event("info", "x" * 1_000_000))
    size = sum(file.stat().st_size for file in (tmp_path / "log").iterdir())
    assert 10_000_000 < size <= 20_000_000


def test_log_file_that_cannot_be_written_is_told(tmp_path, capfd):
    (tmp_path / "log").write_text("")
    with printing(tmp_path) as write:
        write(LINES[3])
    assert "No log is written" in capfd.readouterr().out


def test_muted_lines_are_in_the_log_file_alone(tmp_path, capfd):
    file = tmp_path / "myhealth.log"
    with contextlib.closing(LinePrinter(file, lambda *_: False)) as printer:
        printer.mute()
        line = "[ERROR] Unexpected exit from worker-2\n"
        printer.write(Message("line", line, datetime.now(), "processor", None))
    assert capfd.readouterr().out == ""
    assert "worker-2" in file.read_text()


def test_sign_of_life_is_given_while_a_command_takes_long(capfd):
    code = "import time; time.sleep(1); print('done')"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert read_all(process, silence=0.2) == "done\n"
    assert "Still working …\n" in capfd.readouterr().out
