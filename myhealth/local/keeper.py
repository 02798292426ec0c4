"""The keeper: a small detached process that is PostgreSQL's parent.

python -m myhealth.local.keeper VAR LOCK

Imports only the standard library and modules of this package, to start fast and stay small.
"""

import contextlib
import fcntl
import logging
import logging.handlers
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from myhealth.local.client import ensure_database
from myhealth.local.files import is_same_file, lock_file, read_state, write_state
from myhealth.local.places import locate
from myhealth.local.processes import clean_environment, die_with_parent
from myhealth.local.server import HOST, NAME, STOP_SECONDS, USER, ConnectionInfo, Server

# Below the range that systems use for outgoing connections, so that our port stays free.
_PORTS = range(20_000, 30_000)
_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    # Statements and rows are health data, and must not be logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# Else glibc gives memory back after a statement, and asks for it again for the next: for statements
# that take a fraction of a millisecond that is most of the time.
_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "4194304"}

# Without the time before it, so that the same error has the same message.
_REASON = re.compile(r"(FATAL|PANIC): .*")

log = logging.getLogger("myhealth.local")


class _Keeper:
    """PostgreSQL's parent: restarts it when it dies, and stops it when nobody uses it."""

    def __init__(self, server: Server, own_lock: int) -> None:
        self.server = server
        self.own_lock = own_lock
        self.var = server.var
        self.postgres: subprocess.Popen[str] | None = None
        self.stopping = threading.Event()
        # Reentrant: a signal may arrive while the main thread holds it.
        self.lock = threading.RLock()
        self.last_error = ""
        self.state = read_state(server.var)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        for task in (self.stop_when_unused, self.watch):
            threading.Thread(target=task, daemon=True).start()
        failures = 0
        # A new server may have to wait for the remaining processes of one that was killed.
        while not self.stopping.is_set() and failures < 20:
            failures = 0 if self.serve() else failures + 1
            self.stopping.wait(0.25 if failures else 0)
        self.write_state(ready=False, problem=self.last_error)

    def fail(self, problem: str) -> None:
        """Stop PostgreSQL after an error of our own."""
        self.last_error = problem
        self.stop()
        if self.postgres:
            self.postgres.wait()
        self.write_state(problem=problem)

    def stop_when_unused(self) -> None:
        lock_file(self.var / "postgres.users", fcntl.LOCK_EX)
        self.stop()
        time.sleep(STOP_SECONDS)
        if self.postgres:
            self.postgres.send_signal(signal.SIGQUIT)

    def stop(self) -> None:
        with self.lock:
            self.stopping.set()
            self.write_state(ready=False)
            if self.postgres:
                self.postgres.send_signal(signal.SIGINT)

    def write_state(self, **changes: Any) -> None:
        """Write the state if that is possible; otherwise `watch` tries again."""
        with self.lock, contextlib.suppress(OSError):
            self.state |= changes
            if self.owns_folder() and read_state(self.var) != self.state:
                write_state(self.var, **self.state)

    def watch(self) -> None:
        """Write the state again after the disk was full, or the file was lost."""
        while not self.stopping.wait(1):
            self.write_state()
            if not self.owns_folder():
                self.stop()

    def owns_folder(self) -> bool:
        """Return whether var/ is still the folder of this keeper, neither deleted nor replaced."""
        return is_same_file(self.own_lock, self.var / "postgres.keeper")

    def serve(self) -> bool:
        """Run PostgreSQL until it ends, and return whether it was ever ready."""
        port = self.free_port()
        with self.lock:
            if self.stopping.is_set():
                return False
            self.postgres = self.spawn(port)
        threading.Thread(target=self.log_output, args=[self.postgres], daemon=True).start()
        was_ready = self.await_ready(self.postgres, port)
        self.postgres.wait()
        self.write_state(ready=False)
        return was_ready

    def spawn(self, port: int) -> subprocess.Popen[str]:
        settings = {**_OPTIONS, "port": str(port)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        return subprocess.Popen(
            self.server.command("postgres", "-D", str(self.server.data), *options),
            cwd="/",
            env=clean_environment() | _MEMORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=lambda: die_with_parent(signal.SIGINT),
            **self.server.process_options(),
        )

    def free_port(self) -> int:
        """Return the port of the last start, or another one if that is taken by now."""
        port: int = self.state["port"]
        while not _is_free(port):
            port = random.choice(_PORTS)
        self.write_state(port=port)
        return port

    def log_output(self, postgres: subprocess.Popen[str]) -> None:
        for line in postgres.stdout or []:
            log.info(line.rstrip())
            if found := _REASON.search(line):
                self.last_error = found[0]

    def await_ready(self, postgres: subprocess.Popen[str], port: int) -> bool:
        connection = ConnectionInfo(HOST, port, USER, self.state["password"], NAME)
        while postgres.poll() is None and not self.stopping.is_set():
            if self.accepts(port):
                ensure_database(self.server, connection)
                with self.lock:
                    self.write_state(ready=not self.stopping.is_set(), problem="")
                return True
            time.sleep(0.02)
        return False

    def accepts(self, port: int) -> bool:
        # With a user, as the one that this process runs as may have no name.
        command = self.server.command(
            "pg_isready", "-q", "-h", HOST, "-p", str(port), "-U", USER, "-d", NAME
        )
        return subprocess.run(command, env=clean_environment()).returncode == 0


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _run(var: Path, lock: int) -> None:
    """Become the keeper. `lock` is the descriptor of the keeper's lock, which is held already."""
    # Not a child of the first user, which may outlive the keeper.
    if os.fork():
        return
    os.chdir("/")
    os.umask(0o022)
    os.set_inheritable(lock, False)
    # Opened with the first line, so that a full disk costs lines and not the keeper.
    handler = logging.handlers.RotatingFileHandler(
        var / "postgres.log", maxBytes=1_000_000, backupCount=1, delay=True
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(message)s")
    keeper = _Keeper(locate(var), lock)
    try:
        keeper.run()
    except Exception as error:
        log.exception("the keeper failed")
        keeper.fail(str(error))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), int(sys.argv[2]))
