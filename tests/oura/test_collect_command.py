"""What `collect_oura` says to a person at the terminal."""

import subprocess
import sys

import pytest

from tests.processes import ROOT


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--days", "x"], "--days: 'x' is not a number of days; expected 1 to 10000."),
        (["--nothing"], "unrecognized arguments: --nothing."),
    ],
)
def test_wrong_option_is_refused_in_one_line(options, words):
    command = [sys.executable, "manage.py", "collect_oura", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line == f"{words} manage.py collect_oura --help lists the options."
