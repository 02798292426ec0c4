"""Output in encodings that lack some of our characters."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.scale import full_only

ODD = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run(*command, encoding):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **ODD, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-9", "koi8-r"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_an_encoding_lacks_is_spelled_out(encoding, stream):
    code = (
        "import sys; from myhealth.streams import accept_any_text; accept_any_text(); "
        f"sys.{stream}.write('a \\u2026 \\U0001f9d8 \\udc80')"
    )
    done = run("-c", code, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert getattr(done, stream) == b"a ... \\U0001f9d8 \\udc80"


def test_what_an_encoding_has_stays():
    code = (
        "import sys; from myhealth.streams import accept_any_text; accept_any_text(); "
        r"sys.stdout.write('\u011f')"
    )
    assert run("-c", code, encoding="iso8859-9").stdout == "ğ".encode("iso8859-9")


@full_only
@pytest.mark.parametrize("encoding", ["ascii", "iso8859-9", "koi8-r"])
def test_commands_speak_in_any_encoding(encoding):
    done = run("manage.py", "ensure_user", "🧘", "--check", encoding=encoding)
    assert b"PASSWORD must be set" in done.stderr
    done = run("manage.py", "collect_oura", "--type", "🧘…", encoding=encoding)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"invalid choice" in done.stderr


def test_services_get_the_settings_that_another_encoding_has(tmp_path):
    made = [*["localedef", "-i", "tr_TR", "-f", "ISO-8859-9"], tmp_path / "tr_TR"]
    if not shutil.which(made[0]) or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("This machine can't make a locale.")
    code = (
        "import os, sys; from myhealth import serve; "
        "os.execve = lambda command, arguments, settings: print(settings[b'OURA_USER']); "
        "serve.main([])"
    )
    odd = {"LOCPATH": str(tmp_path), "LC_ALL": "tr_TR", "OURA_USER": "jos\udce9"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **odd}, capture_output=True
    )
    assert done.stdout.strip() == repr("josé".encode()).encode(), done.stderr
