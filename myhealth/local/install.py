"""Make the virtual environment and install the pinned dependencies, without pip's many words.

python -m myhealth.local.install venv               make `.venv`
python -m myhealth.local.install REQUIREMENTS.txt   install what the file lists
python -m myhealth.local.install static             collect the static files in STATIC_ROOT

Runs before anything is installed, so it imports only the standard library.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).resolve().parents[2]
_VENV = _ROOT / ".venv"
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "2"]
# How pip's lines begin: of a package that it takes, one that is for other machines, and the end.
_TAKES = (b"Collecting ", b"Processing ", b"Requirement already satisfied: ")
_LEAVES_OUT, _UNPACKS = b"Ignoring ", b"Installing collected packages"
# Without a terminal, a sign of life after so many seconds.
_SECONDS = 20.0
# What pip says, and what that means for a person.
_REASONS = {
    "No space left on device": "There is no space left on the disk: free at least 500 MB.",
    "Permission denied": "This user can't write to this folder: run as the user who owns it.",
    "DO NOT MATCH THE HASHES": (
        "A downloaded package differs from the pinned one: the network or a mirror changed it."
    ),
    "CERTIFICATE_VERIFY_FAILED": (
        "The certificate of the package index is not trusted: does a proxy intercept TLS "
        "connections?"
    ),
    "NewConnectionError": "The packages couldn't be downloaded. Check the network connection.",
    "ConnectionError": "The packages couldn't be downloaded. Check the network connection.",
    "ConnectTimeoutError": "The packages couldn't be downloaded. Check the network connection.",
    "ReadTimeout": "The packages couldn't be downloaded. Check the network connection.",
    "ProxyError": "The packages couldn't be downloaded: the proxy does not answer, or refuses the "
    "connection.",
    "No matching distribution found": (
        "A package has no version for this machine and this Python; use Python 3.11 to 3.14."
    ),
}


def main(what: str) -> None:
    # SIGINT, too: a shell has its background jobs ignore it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if what == "venv":
            _make_venv()
        elif what == "static":
            _collect_static()
        else:
            _install(what)
    except KeyboardInterrupt:
        _fail("Stopped. The next attempt starts from the beginning.", code=130)
    except OSError as error:
        _fail(f"{error.filename or _ROOT} can't be used: {error.strerror}.")


def _make_venv() -> None:
    _say("Creating the virtual environment")
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(_VENV)], "The virtual environment")
    except BaseException:
        # Half of one would be taken for a whole one.
        shutil.rmtree(_VENV, ignore_errors=True)
        raise


def _install(requirements: str) -> None:
    _say("Installing the pinned dependencies (about a minute, once)")
    total = sum("==" in line for line in Path(requirements).read_text("utf-8").splitlines())
    install = [*_PIP, "install", "--progress-bar=off", "--require-hashes", "-r", requirements]
    _run(install, "Installing", total)
    # What the virtual environment came with is old, and nothing needs it.
    _run([*_PIP, "uninstall", "--yes", "setuptools"], "Removing setuptools")


def _collect_static() -> None:
    command = [sys.executable, str(_ROOT / "manage.py"), "collectstatic", "--noinput"]
    # Its words are for a person only if it fails: a setting is wrong.
    done = subprocess.run([*command, "--verbosity=0", "--ignore=redoc"], capture_output=True)
    if done.returncode:
        _fail(done.stderr.decode("utf-8", "replace").strip())


def _run(command: list[str], what: str, total: int = 0) -> None:
    """Run a command, and write its words to the log. Exits with a sentence if it fails."""
    log = _ROOT / (os.environ.get("VAR_DIR") or "var") / "log" / "install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            with log.open("ab") as file:
                for line in _with_progress(process, total):
                    file.write(line)
                    words += line
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        text = words.decode("utf-8", "replace")
        reason = next((sentence for sign, sentence in _REASONS.items() if sign in text), None)
        _fail(f"{reason or f'{what} failed.'} pip's output is in {log}.")


def _with_progress(process: "subprocess.Popen[bytes]", total: int) -> Iterator[bytes]:
    """Yield the lines of a process, and show how many of the packages are there."""
    count, said_at = 0, time.monotonic()
    is_terminal = sys.stdout.isatty()
    for line in process.stdout or ():
        yield line
        if line.startswith(_LEAVES_OUT):
            total -= 1
        elif total and line.startswith(_UNPACKS) and is_terminal:
            _write("\r\x1b[KUnpacking the packages")
        elif total and line.startswith(_TAKES):
            count += 1
            progress = f"{min(count, total)} of {total} packages"
            if is_terminal:
                _write(f"\r{progress}")
            elif time.monotonic() - said_at > _SECONDS:
                _say(progress)
                said_at = time.monotonic()
    if total and is_terminal:
        _write("\r\x1b[K")


def _say(line: str) -> None:
    _write(f"{line}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _fail(sentence: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
