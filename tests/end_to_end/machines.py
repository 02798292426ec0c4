"""A laptop of its own that runs `make run`: local state, ports and environment."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import psutil
import requests

from myhealth.local import embedded, places
from tests.processes import PATIENCE, ROOT, free_port, wait_until

READY = re.compile(r"myhealth is ready: (https?://localhost:\d+/) \(user (\S+), password ([^)]+)\)")
# What the tests set for themselves, and what a developer's shell may hold.
NOT_OURS = re.compile(
    r"(DB|OURA|SANDBOX|API|PROCESSOR|JWT|SECRET|LOG|METRICS|TRUSTED)_.*"
    r"|SERVICE|LOCAL|INGEST_TOKENS|CONTROL_TOKENS|DEMO_PASSWORD|PUBLIC_URL|VAR_DIR"
    r"|DJANGO_SETTINGS_MODULE|COV_CORE_.*|MAKE.*"
)


class Machine:
    """A laptop of its own: local state, ports and environment."""

    def __init__(self, var):
        self.var = var
        self.ports = {name: free_port() for name in ("API_PORT", "PROCESSOR_PORT", "SANDBOX_PORT")}
        self.settings = {
            "VAR_DIR": str(var),
            "SANDBOX_DAYS": "20",
            **{name: str(port) for name, port in self.ports.items()},
        }
        self.runs = []

    def environment(self, **more):
        inherited = {
            name: value for name, value in os.environ.items() if not NOT_OURS.fullmatch(name)
        }
        return {**inherited, **self.settings, **more}

    def start(self, **settings):
        self.runs.append(Run(self.environment(**settings)))
        return self.runs[-1]

    def command(self, *arguments, **settings):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def run(self, *arguments, **settings):
        """A sub-command, or a start that is expected to fail."""
        return self.command("-m", "myhealth.local.run", *arguments, **settings)

    def clean_up(self):
        for run in self.runs:
            run.process.kill()
            run.process.wait()
            run.reader.join()
        wait_until(lambda: not self.var.exists() or not embedded.is_running(self.var))
        shutil.rmtree(places.fallback_folder(self.var), ignore_errors=True)


class Run:
    """One `make run`, whose lines are gathered while it runs."""

    def __init__(self, environment):
        self.var = environment["VAR_DIR"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "myhealth.local.run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.append(line.rstrip("\n"))

    def said(self):
        return "\n".join(self.lines)

    def await_ready(self):
        """The address, the user and the password of the ready line."""

        def happened():
            return any(map(READY.fullmatch, self.lines)) or self.process.poll() is not None

        wait_until(happened)
        found = list(filter(None, map(READY.fullmatch, self.lines)))
        assert len(found) == 1, self.said()
        self.url, self.user, self.password = found[0].groups()
        self.lines_at_ready = len(self.lines)
        return self

    def started(self):
        """Every process that came with it, the detached keeper of the database included."""
        own = psutil.Process(self.process.pid).children(recursive=True)
        return [*own, *(each for each in psutil.process_iter() if is_keeper(each, self.var))]

    def stop(self, how=signal.SIGTERM, *, group=False):
        if group:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def log_in(self):
        credentials = {"username": self.user, "password": self.password}
        answer = requests.post(f"{self.url}auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access']}"}

    def days(self):
        answer = requests.get(f"{self.url}api/v1/sleep", headers=self.log_in())
        assert answer.status_code == 200, answer.text
        return [row["day"] for row in answer.json()]


def is_keeper(process, var):
    with contextlib.suppress(psutil.Error):
        return process.cmdline()[-3:-1] == ["myhealth.local.keeper", var]
    return False
