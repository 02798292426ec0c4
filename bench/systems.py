"""The systems that are measured: myhealth, the yardstick in Go, and servers that do nothing."""

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from datetime import date
from pathlib import Path
from typing import Any, Self

import psutil
import requests

from bench import people
from bench.database import Database, Server
from bench.machine import tree
from bench.people import Person, Tokens, Writing
from myhealth.local.processes import die_with_parent
from myhealth.serve import server_options

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "a password for measuring"
# What a developer's shell may hold, and what would change what is measured.
_NOT_INHERITED = re.compile(
    r"(DB|OURA|SANDBOX|API|PROCESSOR|JWT|SECRET|LOG|METRICS|COLLECTOR|PROMETHEUS)_.*"
    r"|SERVICE|LOCAL|INGEST_TOKENS|CONTROL_TOKENS|PUBLIC_URL|VAR_DIR|DJANGO_SETTINGS_MODULE|MAKE.*"
)


class CannotRun(Exception):
    """A system can't be measured here; the message says why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_answer(
    url: str, process: "subprocess.Popen[bytes]", token: str = "", seconds: float = 60
) -> float:
    """Wait for a successful answer, and return the seconds that it took."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    began = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False
        while time.perf_counter() - began < seconds:
            if process.poll() is not None:
                break
            try:
                if session.get(url, headers=headers, timeout=5).ok:
                    return time.perf_counter() - began
            except requests.RequestException:
                pass
            # Asking at once would take CPU time from the start.
            time.sleep(0.005)
    raise CannotRun(f"{url} gave no answer.")


class System:
    """A system with the routes of myhealth. By default it can do nothing but answer."""

    # If one request can hold many documents, if answers have an ETag, and for whom days are held.
    takes_lists = False
    has_etags = False
    answers_only = True
    # The first day that requests write.
    first_written = people.FIRST_WRITTEN

    def __init__(self, name: str) -> None:
        self.name = name
        self.urls: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.writing: dict[int, Writing] = {}

    def spawn(
        self, service: str, command: list[str], *, cwd: Path, env: dict[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # Also if this process is killed.
                preexec_fn=_end_with_us,
            )
        self.processes[service] = process
        return process

    def create_accounts(self, names: list[str]) -> list[Person]:
        """Return people whose documents it takes; by default it knows none."""
        return [Person(0, name) for name in names]

    def new_documents(self, size: int) -> Writing:
        """Return the source of documents that are not stored yet, `size` in a request."""
        if size not in self.writing:
            self.writing[size] = Writing(self.create_accounts, size, self.first_written)
        return self.writing[size]

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes.values()]

    def stop(self, *services: str, patience: float = 15) -> None:
        """Stop these services, by default all; requests under way have some seconds to end."""
        stopped = [self.processes.pop(each) for each in services or tuple(self.processes)]
        members = [each for process in stopped for each in tree([process.pid])]
        for process in stopped:
            process.terminate()
        for process in stopped:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        for each in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        for process in stopped:
            process.wait()


def _end_with_us() -> None:
    die_with_parent(15)


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what could change what is measured."""
    inherited = {
        name: value for name, value in os.environ.items() if not _NOT_INHERITED.fullmatch(name)
    }
    # For the modules of this package, which other checkouts may lack.
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


def granian(python: str, application: str, port: int, workers: int) -> list[str]:
    """Return the command of a server that is started as `make run` starts a service."""
    return [python, "-m", "granian", application, *server_options(port, workers)]


class Empty(System):
    """A server of ours that does nothing: what granian and Django cost alone."""

    def __init__(self, name: str, application: str, folder: Path, workers: int) -> None:
        super().__init__(name)
        port = free_port()
        self.urls = dict.fromkeys(("api", "processor"), f"http://127.0.0.1:{port}")
        command = granian(sys.executable, application, port, workers)
        process = self.spawn(
            "api", command, cwd=ROOT, env=environment(), log=folder / f"{name}.log"
        )
        await_answer(f"{self.urls['api']}/health", process)


class Django(System):
    """myhealth of one checkout: its services, and a database with one person's ten years."""

    takes_lists = has_etags = True
    answers_only = False

    def __init__(
        self, name: str, root: Path, server: Server, *, workers: int, days: int = people.TEN_YEARS
    ) -> None:
        super().__init__(name)
        self.root, self.server, self.workers, self.days = root, server, workers, days
        own = root / ".venv" / "bin" / "python"
        self.python = str(own) if own.exists() else sys.executable
        self.folder = server.folder.parent / name
        self.folder.mkdir()
        self.database: Database = server.create(name)
        self.secret, self.ingest_token, self.control_token = (
            secrets.token_urlsafe(40) for _ in range(3)
        )
        self.settings = {
            **self.database.settings,
            "LOCAL": "on",
            "VAR_DIR": str(self.folder),
            "SECRET_KEY": secrets.token_urlsafe(40),
            "JWT_SECRET": self.secret,
            "INGEST_TOKENS": self.ingest_token,
            "CONTROL_TOKENS": self.control_token,
            "TOKEN_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "OURA_API_KEY": "",
            "OURA_CLIENT_ID": "",
        }
        # Filled in by `start`.
        self.person = Person(0, "ana")
        self.crowd: list[Person] = []
        self.tokens: Tokens

    def manage(self, *arguments: str, **settings: str) -> None:
        done = subprocess.run(
            [self.python, "manage.py", *arguments],
            cwd=self.root,
            env=environment(**self.settings, **settings),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CannotRun(f"`manage.py {arguments[0]}` failed: {done.stderr.strip()[-500:]}")

    def serve(
        self,
        service: str,
        *,
        workers: int = 0,
        application: str = "myhealth.wsgi:application",
        settings: dict[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a service, and return before it answers."""
        port = free_port()
        workers = workers or self.workers
        self.urls[service] = f"http://127.0.0.1:{port}"
        env = environment(**{**self.settings, "SERVICE": service, **(settings or {})})
        if service == "api":
            env["PUBLIC_URL"] = f"http://localhost:{port}"
        if workers > 1:
            # Several workers share their metrics in files, as in the image.
            shared = self.folder / f"metrics-{service}"
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            env["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
        command = granian(self.python, application, port, workers)
        log = self.folder / f"{service}.log"
        return self.spawn(service, command, cwd=self.root, env=env, log=log)

    def start(self) -> Self:
        """Create the tables, an account and its days, and start both services."""
        self.manage("migrate", "--noinput")
        self.manage("ensure_user", self.person.name, PASSWORD=PASSWORD)
        query = "SELECT id FROM accounts_user WHERE username = %s"
        ((id_,),) = self.database.rows(query, self.person.name)
        self.person = Person(id_, self.person.name)
        self.start_services()
        for body in people.history(self.person.name, self.days):
            self.ingest(body)
        self.database.settle()
        return self

    def start_services(self, **options: Any) -> None:
        for service in ("processor", "api"):
            process = self.serve(service, **options)
            await_answer(f"{self.urls[service]}/health/ready", process)
        answer = requests.post(
            f"{self.urls['api']}/auth/login",
            json={"username": self.person.name, "password": PASSWORD},
            timeout=30,
        )
        answer.raise_for_status()
        self.tokens = Tokens(answer.json()["access"], self.secret)

    def ingest(self, body: dict[str, Any] | bytes) -> None:
        """Send documents. Raises HTTPError unless they are stored."""
        data = body if isinstance(body, bytes) else people.dumps(body)
        answer = requests.post(
            f"{self.urls['processor']}/api/v1/ingest",
            data=data,
            headers={"Content-Type": "application/json", **self.as_program()},
            timeout=120,
        )
        answer.raise_for_status()

    def as_program(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.ingest_token}"}

    def token(self) -> str:
        """Return a new token of the person with ten years of days."""
        return self.tokens.new(self.person)

    def create_accounts(self, names: list[str]) -> list[Person]:
        return people.create_like(self.database, self.person.name, names)

    def add_crowd(self, count: int, days: int) -> None:
        """Create people who have copies of the person's last `days` days."""
        names = [f"reader-{len(self.crowd) + number}-{days}" for number in range(count)]
        added = self.create_accounts(names)
        people.copy_days(self.database, self.person, added, days)
        self.crowd += added


class Yardstick(System):
    """A small program in Go: the same routes, but it does less, and knows no people."""

    answers_only = False
    # Its rows belong to nobody, so what is written must not be in the ranges that are read.
    first_written = date(2100, 1, 1)

    def __init__(self, program: Path, server: Server, days: int = people.TEN_YEARS) -> None:
        super().__init__("go")
        self.database = server.create("go")
        schema = (ROOT / "bench" / "yardstick" / "schema.sql").read_text()
        self.database.run(schema.replace(":days", str(days)))
        self.database.settle()
        folder = server.folder.parent
        env = environment(DSN=self.database.dsn, JWT_SECRET=secrets.token_urlsafe(40))
        account = ("ana", "a password for measuring")
        subprocess.run(
            [program, "-adduser", ":".join(account)], env=env, check=True, capture_output=True
        )
        for service in ("api", "processor"):
            port = free_port()
            self.urls[service] = f"http://127.0.0.1:{port}"
            command = [str(program), "-role", service, "-addr", f"127.0.0.1:{port}"]
            process = self.spawn(
                service, command, cwd=folder, env=env, log=folder / f"go-{service}.log"
            )
            await_answer(f"{self.urls[service]}/health", process)
        answer = requests.post(
            f"{self.urls['api']}/auth/login",
            json=dict(zip(("username", "password"), account, strict=True)),
            timeout=30,
        )
        self.access: str = answer.json()["token"]


def build_yardstick(folder: Path) -> Path:
    """Return the yardstick's program, built unless it is there. Raises CannotRun."""
    source = ROOT / "bench" / "yardstick"
    program = folder / "yardstick"
    if program.exists() and program.stat().st_mtime > (source / "main.go").stat().st_mtime:
        return program
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [source / "build.sh", folder], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotRun(f"The yardstick in Go can't be built here: {reason}")
    return program
