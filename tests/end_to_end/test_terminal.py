"""`collect_oura` on a terminal: a bar that no log line breaks."""

import os
import pty
import re
import subprocess
import sys
import termios
import threading

import pytest

from tests.processes import ROOT
from tests.scale import full_only

pytestmark = pytest.mark.django_db(transaction=True)


def collect_on_terminal(environment, *arguments, prints=False):
    """Run a collection with a terminal as its standard error, and return all that it shows.

    With `prints`, the terminal is its standard output, too.
    """
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, 100))
    shown = bytearray()

    def read():
        # A terminal that nobody has open any more is an error.
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                return
            if not piece:
                return
            shown.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run(
        [sys.executable, "manage.py", "collect_oura", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=its if prints else subprocess.PIPE,
        stderr=its,
        check=False,
        timeout=120,
    )
    os.close(its)
    reader.join()
    os.close(ours)
    return shown.decode()


def lines(shown):
    """Return what stays on the screen: of each line, what was written over all else."""
    return [line.rstrip("\r").rpartition("\r")[2] for line in shown.split("\n")]


@full_only
def test_bar_shows_the_ranges_of_a_type(pipeline):
    shown = collect_on_terminal(pipeline.environment(), "--days", "5", "--type", "sleep")
    assert re.search(r"sleep: +\d+%\|", shown)
    assert [line for line in lines(shown) if line.strip()] == []


@full_only
def test_problem_is_a_line_of_text_above_the_bar(pipeline):
    pipeline.fault("forbidden", times=100, path="daily_sleep")
    shown = collect_on_terminal(pipeline.environment(), "--days", "5", "--type", "sleep")
    [line] = [line for line in lines(shown) if "collection failed" in line]
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ error collection failed type=sleep ", line)
    assert '{"' not in shown


@full_only
def test_bar_of_several_people_counts_people(club):
    for number in (1, 2, 3):
        club.join(number)
    shown = collect_on_terminal(club.environment)
    assert "people: " in shown
    assert "3/3" in shown
    assert '{"' not in shown


def test_standard_error_that_is_no_terminal_has_json_alone(pipeline):
    run = pipeline.collect("--days", "5", "--type", "sleep", LOG_LEVEL="info")
    assert run.stderr.splitlines()
    assert all(line.startswith("{") for line in run.stderr.splitlines())
