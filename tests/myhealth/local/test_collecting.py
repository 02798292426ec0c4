"""How `make run` collects: what it says of each collection, and how it ends."""

import subprocess
import sys

from myhealth.local.collecting import days_in_words
from tests.processes import PATIENCE, ROOT

# Python ignores an exception in a destructor, and so what the handler of a signal raises there.
STOPPED_IN_A_DESTRUCTOR = """
import os, signal
from myhealth.local import run

class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        len([])

def collect():
    Ends()
    print("goes on", flush=True)
    while True:
        signal.pause()

run.collect_forever, run.EXIT_AGAIN_SECONDS = collect, 1
run.main(["collect-forever"])
"""


def test_single_new_day_is_one_day():
    days = {"sleep": 1, "activity": 2, "readiness": 0}
    assert days_in_words(days) == "1 day of sleep, 2 days of activity"


def test_stop_that_python_ignores_is_repeated():
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_IN_A_DESTRUCTOR],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, "goes on\n")
