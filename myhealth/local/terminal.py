"""What the person at the terminal reads, and the log file that has all the rest."""

import contextlib
import logging
import logging.handlers
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from honcho.printer import Message, Printer

from myhealth.local.files import make_folder, share_owner

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "critical": 50}
# Fields of log lines that a person has no use for.
_FOR_PROGRAMS = ("time", "level", "service", "logger", "message", "request_id", "exception")
# What myhealth.local.collecting says in a sentence.
_SAID_IN_A_SENTENCE = ("collection failed",)
# What a start that takes long says, and how often.
STILL_WORKING = "Still working …"
SECONDS_OF_SILENCE = 8.0
_CLEAR_LINE = "\r\x1b[K"

_is_rewriting = False


def say(line: str) -> None:
    """Write a line to standard output, if anybody still reads that."""
    global _is_rewriting
    _write(f"{_CLEAR_LINE if _is_rewriting else ''}{line}\n")
    _is_rewriting = False


def say_progress(line: str) -> None:
    """Write a line that the next one replaces, if this is a terminal."""
    global _is_rewriting
    if not sys.stdout.isatty():
        say(line)
        return
    _write(f"{_CLEAR_LINE}{line[:78]}")
    _is_rewriting = True


def read_all(process: subprocess.Popen[str], silence: float = SECONDS_OF_SILENCE) -> str:
    """Wait for the end of a process, with a sign of life now and then, and return its output."""
    while True:
        try:
            return process.communicate(timeout=silence)[0]
        except subprocess.TimeoutExpired:
            say(STILL_WORKING)


def _write(text: str) -> None:
    data = text.encode(sys.stdout.encoding or "utf-8", sys.stdout.errors or "backslashreplace")
    # Not by sys.stdout: the handler of a signal that arrives meanwhile could not write.
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


class LinePrinter(Printer):  # type: ignore[misc]
    """Write all lines of the services to the log file, and show those that a person wants.

    `LOG_LEVEL` decides which ones (by default, warnings and errors), but requests are shown only
    at debug. With `LOG_FORMAT=json`, lines are shown as they are. `take` gets every line with its
    service and event first, and returns whether it has shown it.
    """

    def __init__(self, log_file: Path, take: Callable[[str, str, dict[str, Any]], bool]) -> None:
        super().__init__(sys.stdout)
        self._log = _open_log(log_file)
        self._take = take
        self._level = _LEVELS.get(os.environ.get("LOG_LEVEL", "").lower(), 30)
        self._is_muted = False
        self._as_json = os.environ.get("LOG_FORMAT", "").lower() == "json"

    def write(self, message: Message) -> None:
        data = message.data
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        for line in text.splitlines():
            self._write_line(message.name, line.rstrip())

    def mute(self) -> None:
        """Show no more lines: how services end when they are stopped is for the log file."""
        self._is_muted = True

    def close(self) -> None:
        for handler in self._log.handlers:
            handler.close()

    def _write_line(self, service: str, line: str) -> None:
        event = _parse(line)
        if not line:
            return
        self._log.info(line if event else _to_json(service, line))
        if self._is_muted:
            return
        if service != "system" and not self._take(service, line, event) and self._is_shown(event):
            say(line if self._as_json and event else _to_text(service, line, event))

    def _is_shown(self, event: dict[str, Any]) -> bool:
        if event.get("message") == "request":
            return self._level <= _LEVELS["debug"]
        if event.get("message") in _SAID_IN_A_SENTENCE:
            return False
        return not event or _LEVELS.get(event.get("level", ""), 50) >= self._level


def _parse(line: str) -> dict[str, Any]:
    """Return the event of a log line, empty for any other line."""
    try:
        event = orjson.loads(line) if line.startswith("{") else None
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) and "message" in event else {}


def _to_json(service: str, line: str) -> str:
    time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    level = "info" if service == "system" else "warning"
    event = {"time": time, "level": level, "service": service, "logger": "output", "message": line}
    return orjson.dumps(event).decode()


def _to_text(service: str, line: str, event: dict[str, Any]) -> str:
    start = f"{datetime.now():%H:%M:%S} {service}:"
    if not event:
        return f"{start} {line}"
    fields = [f"{key}={value}" for key, value in event.items() if key not in _FOR_PROGRAMS]
    text = " ".join([start, str(event["message"]), *fields])
    return f"{text}\n{event['exception']}" if "exception" in event else text


def _open_log(path: Path) -> logging.Logger:
    """Return a logger that writes lines as they are, to a file that never grows beyond 20 MB."""
    logger = logging.getLogger("myhealth.local.terminal")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # A full disk must not fill the terminal, too.
    logging.raiseExceptions = False
    try:
        make_folder(path.parent)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=5_000_000, backupCount=3, encoding="utf-8", errors="backslashreplace"
        )
        share_owner(path)
    except OSError as error:
        say(f"No log is written, because {path} can't be opened: {error.strerror}.")
        handler = logging.NullHandler()
    logger.handlers = [handler]
    return logger
