"""Installing the dependencies: what a person reads when it fails."""

import contextlib
import hashlib
import os
import pty
import signal
import socket
import subprocess
import sys
import zipfile

import pytest

from tests.processes import PATIENCE, ROOT, wait_until
from tests.scale import full_only

LOCK = "asgiref==3.13.0 --hash=sha256:" + "0" * 64


def start(folder, lock=LOCK, stdout=subprocess.PIPE, **settings):
    (folder / "requirements.txt").write_text(lock)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        # Nothing of this environment is changed.
        "PIP_TARGET": str(folder / "target"),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INDEX": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "VAR_DIR": str(folder / "var"),
        **settings,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "myhealth.local.install", str(folder / "requirements.txt")],
        cwd=ROOT,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_missing_network_gets_a_sentence(tmp_path):
    process = start(tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    said, failed = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert failed.startswith("The packages couldn't be downloaded. Check the network connection.")
    assert failed.count("\n") == 1
    assert "asgiref" in (tmp_path / "var" / "log" / "install.log").read_text()


def test_missing_package_gets_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    process = start(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "empty"))
    _, failed = process.communicate(timeout=PATIENCE)
    assert failed.startswith("A package has no version for this machine and this Python")


def test_folder_that_cannot_be_written_gets_a_sentence(tmp_path):
    (tmp_path / "var").write_text("")
    process = start(tmp_path)
    _, failed = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "can't be used" in failed
    assert failed.count("\n") == 1


def make_wheel(folder):
    """Write the smallest package that can be installed; return its pin."""
    wheel = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            "tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"
        )
        file.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("tiny-1.dist-info/RECORD", "")
    return f"tiny==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@full_only
def test_terminal_counts_only_packages_for_this_machine(tmp_path):
    other = "other==1 ; sys_platform == 'none' --hash=sha256:" + "0" * 64
    ours, theirs = pty.openpty()
    process = start(
        tmp_path,
        lock=f"{make_wheel(tmp_path)}{other}\n",
        stdout=theirs,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path),
    )
    os.close(theirs)
    said = read_all(ours)
    os.close(ours)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "\r1 of 1 packages" in said
    assert said.index("1 of 1 packages") < said.index("Unpacking the packages")


def read_all(terminal):
    """Read until the program on the other side has ended, which Linux calls an error."""
    parts = []
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            parts.append(part.decode())
    return "".join(parts)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_gets_a_sentence(tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It takes connections, and never answers.
        port = silent.getsockname()[1]
        process = start(tmp_path, PIP_INDEX_URL=f"http://127.0.0.1:{port}/simple")
        wait_until((tmp_path / "var" / "log" / "install.log").exists)
        os.killpg(process.pid, number)
        _, failed = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert failed == "Stopped. The next attempt starts from the beginning.\n"


def collect(**settings):
    return subprocess.run(
        [sys.executable, "-m", "myhealth.local.install", "static"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )


@full_only
def test_static_files_are_collected_in_silence(tmp_path):
    done = collect(STATIC_ROOT=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.glob("myhealth/style.*.css.gz"))


def test_wrong_setting_gets_a_sentence_before_anything_starts(tmp_path):
    done = collect(STATIC_ROOT=str(tmp_path), TIME_ZONE="Mars")
    assert done.returncode == 1
    assert "TIME_ZONE must be an IANA name" in done.stderr
    assert "Traceback" not in done.stderr
