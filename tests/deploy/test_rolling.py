"""Every process is replaced under load, as a rolling update does it, and nobody notices."""

import os
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
import requests

from ingest.models import SleepMetric
from tests.processes import PATIENCE, TOKEN, Service, database_environment, free_port, wait_until
from tests.scale import full_only
from tests.worlds import PASSWORDS

CADDY = Path(sys.executable).parent / "caddy"
# The proxy before the processes. Like a Service of Kubernetes, it sends nothing new to a process
# that is about to be stopped: the chart's preStop sleep gives it the time to learn of that. Here, a
# file named after the process's port says so.
CADDYFILE = """
{{
    admin off
    persist_config off
    auto_https off
}}
http://127.0.0.1:{port} {{
    @without_first file {{
        root {folder}
        try_files {first}
    }}
    @without_second file {{
        root {folder}
        try_files {second}
    }}
    route {{
        reverse_proxy @without_first 127.0.0.1:{second}
        reverse_proxy @without_second 127.0.0.1:{first}
        reverse_proxy 127.0.0.1:{first} 127.0.0.1:{second} {{
            lb_policy round_robin
        }}
    }}
}}
"""
pytestmark = pytest.mark.django_db(transaction=True)


class Pair:
    """Two processes of a service behind one address."""

    def __init__(self, name, environment, folder):
        self.processes = [Service(name, environment).start() for _ in range(2)]
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        first, second = (each.port for each in self.processes)
        file = folder / f"{name}.caddyfile"
        file.write_text(CADDYFILE.format(port=self.port, folder=folder, first=first, second=second))
        self.proxy = subprocess.Popen(
            [CADDY, "run", "--config", file, "--adapter", "caddyfile"],
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: requests.get(f"{self.url}/health", timeout=2).ok)

    def replace_all(self, loads):
        """One after the other, the next when the new one is ready."""
        for each in self.processes:
            self.replace(each, loads)

    def replace(self, process, loads):
        stopping = self.folder / str(process.port)
        stopping.touch()
        answered = [load.done for load in loads]
        # The request that each had under way may have gone to the process that stops.
        wait_until(lambda: all(load.done > n + 1 for load, n in zip(loads, answered, strict=True)))
        process.stop()
        process.start()
        wait_until(lambda: requests.get(f"{process.url}/health/ready", timeout=2).ok)
        stopping.unlink()

    def close(self):
        self.proxy.terminate()
        self.proxy.wait(PATIENCE)
        for each in self.processes:
            each.stop()


class Load:
    """Somebody who asks without a pause, each time for something new, until told to stop."""

    def __init__(self, ask):
        self.ask, self.ended, self.done, self.failures = ask, threading.Event(), 0, []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            try:
                answer = self.ask(self.done)
                if not answer.ok:
                    self.failures.append(answer.status_code)
            except requests.RequestException as error:
                self.failures.append(type(error).__name__)
            self.done += 1

    def stop(self):
        self.ended.set()
        self.thread.join()


@pytest.fixture
def pairs(tmp_path):
    environment = database_environment()
    made = [Pair(name, environment, tmp_path) for name in ("processor", "api")]
    yield made
    for each in made:
        each.close()


@full_only
def test_rolling_replacement_loses_no_request_and_no_document(ana, pairs):
    processor, api = pairs
    credentials = {"username": "ana", "password": PASSWORDS["ana"]}
    access = requests.post(f"{api.url}/auth/login", json=credentials).json()["access"]
    first_days = [date(2012, 1, 1), date(2018, 1, 1)]

    def sender(first):
        def send(number):
            day = str(first + timedelta(days=number % 2000))
            body = {"type": "sleep", "user": "ana", "data": {"id": day, "day": day, "score": 80}}
            headers = {"Authorization": f"Bearer {TOKEN}"}
            url = f"{processor.url}/api/v1/ingest"
            return requests.post(url, json=body, headers=headers)

        return send

    def reader(number):
        headers = {"Authorization": f"Bearer {access}"}
        return requests.get(f"{api.url}/api/v1/dashboard", headers=headers)

    senders = [Load(sender(first)) for first in first_days]
    readers = [Load(reader) for _ in range(2)]
    processor.replace_all(senders)
    api.replace_all(readers)
    for load in (*senders, *readers):
        load.stop()
    assert [load.failures for load in (*senders, *readers)] == [[], [], [], []]
    assert all(load.done > 20 for load in (*senders, *readers))
    assert SleepMetric.objects.count() == sum(min(load.done, 2000) for load in senders)
