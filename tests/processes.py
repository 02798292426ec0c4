"""Real processes of myhealth, on free loopback ports, with the database of the tests."""

import contextlib
import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).parents[1]
TOKEN = "ingest-token-for-tests"
# Seconds for whatever should come, on the slowest machine: without any limit, a test would hang.
PATIENCE = 120
# Requests that name no limit of their own have this one.
requests.Session.request = functools.partialmethod(  # type: ignore[assignment,method-assign]
    requests.Session.request, timeout=PATIENCE
)
_CONNECTION = ("HOST", "PORT", "USER", "PASSWORD", "NAME")


# Above the ports of embedded databases, and below those that the system gives away by itself. Each
# worker has some of its own: what one has chosen but not taken yet, nobody else takes.
_PORTS = range(
    30_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
    32_768,
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
)
# Another run on this machine begins elsewhere.
_numbers = itertools.count(os.getpid() * 97)


def free_port():
    while True:
        port = _PORTS[next(_numbers) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition, seconds=PATIENCE):
    """Wait until the condition is true, and fail if that takes longer than `seconds`."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException, OSError):
            if condition():
                return
        pause.wait(0.05)
    raise AssertionError(f"The condition was still false after {seconds} s.")


def database_environment():
    """Return the environment variables that lead a process to the database of the tests."""
    from django.db import connection

    connection.ensure_connection()
    return {f"DB_{name}": str(connection.settings_dict[name]) for name in _CONNECTION}


@dataclass
class Service:
    """A service of myhealth, run by the production server."""

    name: str
    environment: dict[str, str]
    workers: int = 1
    # The file for its log; by default, that of the tests.
    log: Path | None = None
    application: str = "myhealth.wsgi:application"
    # Seconds for the requests under way when it is stopped.
    patience: int = 8
    # The file with the certificate to trust if it serves TLS.
    authority: str = ""

    def __post_init__(self):
        self.port = free_port()
        self.url = f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        server = {
            "PORT": str(self.port),
            "WORKERS": str(self.workers),
            "STOP_SECONDS": str(self.patience),
        }
        with self.log.open("wb") if self.log else contextlib.nullcontext() as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "myhealth.serve", self.application],
                cwd=ROOT,
                env={
                    **os.environ,
                    "SERVICE": self.name,
                    "LOG_LEVEL": "error",
                    **server,
                    **self.environment,
                },
                stderr=log,
            )
        verify = self.authority or True
        wait_until(lambda: requests.get(f"{self.url}/health", timeout=1, verify=verify).ok)
        return self

    def post(self, path, **body):
        """Return the body of the response, and fail unless the request succeeded."""
        answer = requests.post(f"{self.url}{path}", json=body)
        assert answer.ok, answer.text
        return answer.json()

    def kill(self):
        """Kill it with its workers."""
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            process.kill()
        self.process.wait()

    def stop_workers(self):
        for worker in psutil.Process(self.process.pid).children():
            worker.terminate()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0


@dataclass
class Run:
    """The exit code and the output of a collector."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self):
        return json.loads(self.stdout.splitlines()[-1])

    def counts(self, name):
        return {type_: tally[name] for type_, tally in self.report["types"].items()}


class Pipeline:
    """Sandbox, processor and collector, for the sandbox's person demo and the account ana."""

    def __init__(self, sandbox, processor):
        self.sandbox = sandbox
        self.processor = processor

    def environment(self, name="demo", user="ana"):
        people = requests.get(f"{self.sandbox.url}/_sandbox/people").json()
        token = next(person["access_token"] for person in people if person["name"] == name)
        return {
            **os.environ,
            "OURA_API_KEY": token,
            "OURA_API_URL": self.sandbox.url,
            "OURA_USER": user,
            "PROCESSOR_URL": self.processor.url,
            # The collector needs no database.
            "DB_HOST": "nowhere.invalid",
        }

    def popen(self, *arguments, **changed):
        return subprocess.Popen(
            [sys.executable, "manage.py", "collect_oura", "--output", "json", *arguments],
            cwd=ROOT,
            env={**self.environment(), **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def collect(self, *arguments, **changed):
        process = self.popen(*arguments, **changed)
        stdout, stderr = process.communicate(timeout=240)
        return Run(process.returncode, stdout, stderr)

    def control(self, path, /, **body):
        answer = requests.post(f"{self.sandbox.url}/_sandbox/{path}", json=body)
        assert answer.ok, answer.text
        return answer.json()

    def requests(self):
        """Return the number of requests to Oura's routes."""
        return requests.get(f"{self.sandbox.url}/_sandbox/requests").json()["total"]

    def fault(self, fault, times=1, **more):
        return self.control("faults", fault=fault, times=times, **more)

    def faults(self):
        """Return the active faults with their hits."""
        return requests.get(f"{self.sandbox.url}/_sandbox/faults").json()

    def clear_faults(self):
        requests.delete(f"{self.sandbox.url}/_sandbox/faults")

    def at_oura(self, collection, start="2010-01-01", end="2030-01-01"):
        """Return all documents of the person demo, as the API returns them."""
        key = self.environment()["OURA_API_KEY"]
        documents, token = [], None
        while True:
            query = {"start_date": start, "end_date": end}
            answer = requests.get(
                f"{self.sandbox.url}/v2/usercollection/{collection}",
                params={**query, **({"next_token": token} if token else {})},
                headers={"Authorization": f"Bearer {key}"},
            ).json()
            documents += answer["data"]
            token = answer["next_token"]
            if token is None:
                return documents

    def rows(self, type_, user="ana"):
        answer = requests.get(
            f"{self.processor.url}/api/v1/metrics/{type_}",
            params={"user": user, "start": "2010-01-01", "end": "2030-01-01"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        return {row["day"]: row for row in answer.json()}
