"""The keeper: a small detached process that is PostgreSQL's parent.

python -m myhealth.local.keeper VAR LOCK

Imports nothing but the standard library and its neighbours, to start fast and stay small.
"""

import contextlib
import fcntl
import logging
import logging.handlers
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from myhealth.local.client import create_database
from myhealth.local.files import read_state, take, write_state
from myhealth.local.places import locate
from myhealth.local.processes import die_with_parent, environment
from myhealth.local.server import HOST, NAME, STOP_SECONDS, USER, Connection, Server

# Below the range from which systems take ports for outgoing connections, so ours stays free.
PORTS = range(20_000, 30_000)
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    # Neither statements nor rows belong in a log: they are somebody's health.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

log = logging.getLogger("myhealth.local")


class Keeper:
    """PostgreSQL's parent: restarts it when it dies, stops it when nobody uses it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.var = server.var
        self.postgres: subprocess.Popen[str] | None = None
        self.stopping = threading.Event()
        # Reentrant: a signal may come while the main thread holds it.
        self.changing = threading.RLock()
        self.last_words = ""

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        threading.Thread(target=self.stop_when_unused, daemon=True).start()
        failures = 0
        # A new server may have to wait for the last processes of one that was killed.
        while not self.stopping.is_set() and failures < 20:
            failures = 0 if self.serve() else failures + 1
            self.stopping.wait(0.25 if failures else 0)
        self.tell(ready=False, problem=self.last_words)

    def stop_when_unused(self) -> None:
        take(self.var / "postgres.users", fcntl.LOCK_EX)
        self.stop()
        time.sleep(STOP_SECONDS)
        if self.postgres:
            self.postgres.send_signal(signal.SIGQUIT)

    def stop(self) -> None:
        with self.changing:
            self.stopping.set()
            self.tell(ready=False)
            if self.postgres:
                self.postgres.send_signal(signal.SIGINT)

    def tell(self, **changes: Any) -> None:
        # A var/ that was deleted has nobody left to tell.
        with self.changing, contextlib.suppress(FileNotFoundError):
            write_state(self.var, **changes)

    def serve(self) -> bool:
        """Run PostgreSQL until it ends; whether it ever was ready."""
        port = self.free_port()
        with self.changing:
            if self.stopping.is_set():
                return False
            self.postgres = self.spawn(port)
        threading.Thread(target=self.relay, args=[self.postgres], daemon=True).start()
        was_ready = self.await_ready(self.postgres, port)
        self.postgres.wait()
        self.tell(ready=False)
        return was_ready

    def spawn(self, port: int) -> subprocess.Popen[str]:
        settings = {**OPTIONS, "port": str(port)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        return subprocess.Popen(
            self.server.command("postgres", "-D", str(self.server.data), *options),
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=lambda: die_with_parent(signal.SIGINT),
            **self.server.privileges(),
        )

    def free_port(self) -> int:
        """The port of last time, so that its users find it again, unless somebody took it."""
        port: int = read_state(self.var)["port"]
        while not is_free(port):
            port = random.choice(PORTS)
        self.tell(port=port)
        return port

    def relay(self, postgres: subprocess.Popen[str]) -> None:
        for line in postgres.stdout or []:
            log.info(line.rstrip())
            if "FATAL" in line:
                self.last_words = line.rstrip()

    def await_ready(self, postgres: subprocess.Popen[str], port: int) -> bool:
        connection = Connection(HOST, port, USER, read_state(self.var)["password"], NAME)
        while postgres.poll() is None and not self.stopping.is_set():
            if self.accepts(port):
                create_database(self.server, connection)
                with self.changing:
                    self.tell(ready=not self.stopping.is_set(), problem="")
                return True
            time.sleep(0.02)
        return False

    def accepts(self, port: int) -> bool:
        command = self.server.command("pg_isready", "-q", "-h", HOST, "-p", str(port))
        return subprocess.run(command, env=environment()).returncode == 0


def is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def keep(var: Path, lock: int) -> None:
    """Become the keeper; `lock` is the descriptor of the keeper's lock, held already."""
    # Not a child of whoever came first: that process may live long after the keeper.
    if os.fork():
        return
    os.chdir("/")
    os.set_inheritable(lock, False)
    handler = logging.handlers.RotatingFileHandler(
        var / "postgres.log", maxBytes=1_000_000, backupCount=1
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(message)s")
    try:
        Keeper(locate(var)).run()
    except Exception as error:
        log.exception("the keeper failed")
        write_state(var, ready=False, problem=str(error))


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
