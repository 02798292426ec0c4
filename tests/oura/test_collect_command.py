"""What `collect_oura` says to a person at the terminal."""

import subprocess
import sys

import pytest

from oura.report import Tally
from tests.processes import ROOT


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(fetched=14, unchanged=14), "14 days fetched, nothing new"),
        (Tally(fetched=1, created=1), "1 day fetched, 1 new"),
        (Tally(fetched=3_650, created=3_000), "3,650 days fetched, 3,000 new"),
        (Tally(fetched=2, updated=1, rejected=1), "2 days fetched, 1 changed, 1 rejected"),
        (Tally(failed=3), "0 days fetched, nothing new, 3 failed"),
    ],
)
def test_figures_are_said_in_words(tally, words):
    assert tally.in_words == words


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
