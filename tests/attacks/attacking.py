"""The services as the image starts them, and what strangers, people and programs send to them."""

import contextlib
import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import orjson
import psutil
import requests

from tests.processes import PATIENCE, ROOT, TOKEN, free_port, wait_until
from tests.scale import scaled

HOST = "health.example.org"
ORIGIN = f"https://{HOST}"
CONTROL_TOKEN = "control-token-for-tests"
METRICS_TOKEN = "metrics-token-for-tests"
# What the proxy in front of the services says.
PROXIED = {"Host": HOST, "X-Forwarded-Proto": "https"}
# What must hold under every attack; beside other workers of the tests, which take their part of a
# machine that may be slow, much longer. Requests that an attack holds up take until their timeout.
MOST_MS = 3000 if "PYTEST_XDIST_WORKER" in os.environ else 200
MOST_BYTES = 250_000_000
SAMPLES = scaled(12, 30)
READ = "/api/v1/sleep"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Answer:
    """The answer to a request; its status is None if the connection was closed without any."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self):
        return orjson.loads(self.body)


class Deployed:
    """A service, started by the entrypoint of the image."""

    def __init__(self, name, folder, **settings):
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.remembered = None
        self.known_workers = []
        # Of its own, to see what a request leaves in it.
        self.temporary = Path(folder) / name
        self.temporary.mkdir()
        self.log = Path(folder) / f"{name}.log"
        binaries = str(Path(sys.executable).parent)
        self.environment = {
            **os.environ,
            "LOCAL": "off",
            "ALLOWED_HOSTS": HOST,
            "PUBLIC_URL": ORIGIN,
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "METRICS_TOKEN": METRICS_TOKEN,
            "LOG_LEVEL": "info",
            "PORT": str(self.port),
            "TMPDIR": str(self.temporary),
            "PATH": f"{binaries}:{os.environ['PATH']}",
            **settings,
        }

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [ROOT / "deploy" / "entrypoint", self.name],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        try:
            # Both workers: each connection goes to any of them.
            wait_until(lambda: len(self.workers()) == 2 and self.is_up())
        except BaseException:
            self.stop()
            raise
        return self

    def mend(self, remembered):
        """Start it again if an attack left it without answers or large, or the database changed."""
        changed = self.remembered not in (None, remembered)
        # Well below the limit: the next attack must not pay for the one before.
        is_large = max(self.memory(), default=0) > 0.7 * MOST_BYTES
        if changed or is_large or not self.is_up():
            self.stop()
            self.start()
        self.remembered = remembered
        return self

    def is_up(self):
        try:
            return all(requests.get(f"{self.url}/health", timeout=5).ok for _ in range(4))
        except requests.RequestException:
            return False

    def workers(self):
        """Return its processes, but for the first one."""
        # To look through all processes of the machine takes a while.
        if len(self.known_workers) < 2 or not all(each.is_running() for each in self.known_workers):
            self.known_workers = []
            for each in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "resource_tracker" not in " ".join(each.cmdline()):
                        self.known_workers.append(each)
        return self.known_workers

    def memory(self):
        """Return the bytes of each worker in memory."""
        sizes = []
        for each in self.workers():
            with contextlib.suppress(psutil.Error):
                sizes.append(each.memory_info().rss)
        return sizes

    def uploaded(self):
        """Return the bytes in its temporary folder, deleted files that are still open included."""
        metrics = self.temporary / "metrics"
        found = 0
        for each in self.temporary.rglob("*"):
            if metrics not in each.parents:
                with contextlib.suppress(OSError):
                    found += each.stat().st_size if each.is_file() else 0
        for worker in self.workers():
            with contextlib.suppress(OSError):
                for opened in Path(f"/proc/{worker.pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        target = str(opened.readlink())
                        if target.endswith("(deleted)") and str(self.temporary) in target:
                            found += opened.stat().st_size
        return found

    def said(self, since=0):
        """Return its log, from that size on."""
        return self.log.read_bytes()[since:].decode(errors="replace")

    def errors(self, since=0):
        """Return the lines of its log that tell of an error."""
        lines = self.said(since).splitlines()
        return [line for line in lines if '"level":"error"' in line or "Traceback" in line]

    def stop(self):
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for each in children:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            self.process.kill()
            self.process.wait()

    # Requests ---------------------------------------------------------------------------------

    def ask(self, method, path, body=None, *, timeout=PATIENCE, **headers):
        """Send a request on a connection of its own. Underscores in header names mean hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict | list):
            body = orjson.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            try:
                # Its answer may come before all of a large body is sent.
                with contextlib.suppress(ConnectionError):
                    connection.request(method, path, body, {**PROXIED, **sent})
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, headers, answer.read())
            except (OSError, http.client.HTTPException):
                return Answer(None)

    def connect(self, sent, receive_buffer=None):
        """Return a connection on which so many bytes were sent, and nothing read."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", self.port))
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        return connection

    def status_of(self, sent, timeout=PATIENCE):
        """Send any bytes; return the status of the answer, or None if there is none."""
        with self.connect(sent) as connection:
            connection.settimeout(timeout)
            with contextlib.suppress(OSError):
                found = re.match(rb"HTTP/1\.[01] (\d{3})", connection.recv(4096))
                return int(found[1]) if found else None
        return None

    def metrics(self):
        answer = self.ask("GET", "/metrics", **bearer(METRICS_TOKEN))
        assert answer.status == 200
        return answer.body.decode()


def head(method, path, **headers):
    """Return the beginning of a request, up to its body."""
    sent = {**PROXIED, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


class Browser:
    """A browser that keeps cookies, as if it spoke to the proxy by https."""

    def __init__(self, api, address=None):
        self.api = api
        self.cookies = {}
        self.address = {"X-Forwarded-For": address} if address else {}

    def ask(self, method, path, form=None, **headers):
        sent = {**self.address, **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"{ORIGIN}/"}
            body = urlencode(form)
        connection = http.client.HTTPConnection("127.0.0.1", self.api.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**PROXIED, **sent})
            answer = connection.getresponse()
            page = answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, page)

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, form=None):
        """Post a form with the CSRF token of the page that shows it."""
        return self.ask(
            "POST", path, {"csrfmiddlewaretoken": self.csrf_token(path), **(form or {})}
        )

    def csrf_token(self, path="/accounts/login/"):
        page = self.get(path)
        found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
        if found is None and path != "/accounts/login/":
            # The cookie is what counts; any page's token goes with it.
            return self.csrf_token() or next(
                (value for name, value in self.cookies.items() if "csrf" in name), ""
            )
        return found[1].decode() if found else ""

    def cookie(self, ending):
        """Return the name of the cookie that ends so, whatever stands before it."""
        return next(name for name in self.cookies if name.endswith(ending))


class Watch:
    """Asks for `/health` and for a signed-in read all the time, and looks at the workers."""

    PACE = 0.02

    def __init__(self, api, access, *others):
        self.api = api
        self.watched = (api, *others)
        self.took = {"/health": [], READ: []}
        self.statuses = set()
        self.memory = [0]
        self.uploaded = 0
        self._over = threading.Event()
        acts = [(self._ask, "/health", {}), (self._ask, READ, bearer(access)), (self._look,)]
        self._threads = [threading.Thread(target=self._repeat, args=each) for each in acts]
        self._threads.append(threading.Thread(target=self._sleep))
        self._nap = (0.0, time.perf_counter())

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, act, *args):
        while not self._over.wait(self.PACE):
            act(*args)

    def _sleep(self):
        """Only sleep, and so learn how long the machine as a whole stands still."""
        overslept = 0.0
        while not self._over.is_set():
            ends = time.perf_counter() + self.PACE
            self._nap = (overslept, ends)
            self._over.wait(self.PACE)
            overslept += max(0, time.perf_counter() - ends)

    def _clock(self):
        """Return the seconds so far in which the machine did not stand still."""
        overslept, ends = self._nap
        now = time.perf_counter()
        return now - overslept - max(0, now - ends)

    def _ask(self, path, headers):
        began = self._clock()
        self.statuses.add(self.api.ask("GET", path, **headers).status)
        took = max(0, self._clock() - began)
        # Who would have asked while this one waited would have waited for the rest of it.
        waits = (took - n * self.PACE for n in range(int(took / self.PACE) + 1))
        self.took[path].extend(wait * 1000 for wait in waits)

    def _look(self):
        self.memory.append(max(size for each in self.watched for size in each.memory()))
        self.uploaded = max(self.uploaded, sum(each.uploaded() for each in self.watched))

    def wait_for_samples(self, count=SAMPLES):
        """Keep the attack up until enough requests were answered, or none within the patience."""
        before = len(self.took[READ])
        with contextlib.suppress(AssertionError):
            wait_until(lambda: len(self.took[READ]) >= before + count)

    def figures(self):
        shown = {
            path: f"median {statistics.median(took):.0f} ms, at most {max(took):.0f} ms"
            for path, took in self.took.items()
            if took
        }
        return f"{shown}, statuses {self.statuses}, memory {max(self.memory) / 1e6:.0f} MB"

    def assert_held(self, most_bytes=MOST_BYTES):
        """Fail unless people were served all the time, from workers that stayed small."""
        figures = self.figures()
        assert self.statuses == {200}, figures
        for took in self.took.values():
            assert len(took) >= 5, figures
            assert statistics.median(took) < MOST_MS, figures
        assert max(self.memory) < most_bytes, figures
        assert self.uploaded < 100_000, f"{self.uploaded} bytes in temporary files"


def at_once(count, act):
    """Return what `act` returns for the numbers up to `count`, all at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def in_turn(count, act, threads=4):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(act, range(count)))


INGEST = bearer(TOKEN)
