"""The processes of `make run`: the services and the collector."""

import contextlib
import os
import shlex
import shutil
import signal
import sys
import threading
from typing import Any

import honcho.manager
from honcho.process import Popen, Process

from myhealth.local.configuration import (
    BASE_DIR,
    connects_to_sandbox,
    own_account,
    sandbox_settings,
    uses_demo,
    var_dir,
)
from myhealth.local.files import make_folder
from myhealth.local.processes import die_with_parent
from myhealth.local.server import explained
from myhealth.local.terminal import LinePrinter, say

# Granian gives hung requests 10 s to finish; honcho would kill it after 5 s.
honcho.manager.KILL_WAIT = 12
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _BoundProcess(Process):  # type: ignore[misc]
    """A honcho process that ends with the runner, even if the runner is killed."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        die_with_parent(signal.SIGKILL)
        # The runner takes care of its end.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._child_ctor = _spawn
        super().run(events, ignore_signals)


def _spawn(command: str, **options: Any) -> Popen:
    child = Popen(command, preexec_fn=_before_exec, **options)
    threading.Thread(target=_kill_group, args=[child], daemon=True).start()
    return child


def _before_exec() -> None:
    die_with_parent(signal.SIGTERM)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _kill_group(child: Popen) -> None:
    # A killed server leaves its workers running, and honcho waits until they close their output.
    child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


class Services(honcho.manager.Manager):  # type: ignore[misc]
    """All processes; when one of them ends, the others are stopped, too."""

    def __init__(self, printer: LinePrinter) -> None:
        super().__init__(printer)
        self._process_ctor = _BoundProcess
        self._has_said_so = False
        # The one that ended by itself.
        self.ended = ""

    @property
    def was_stopped_by_signal(self) -> bool:
        return self.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)

    def terminate(self) -> None:
        if self.was_stopped_by_signal and not self._has_said_so:
            say("Stopping myhealth.")
            self._has_said_so = True
            self._printer.mute()
        if not self.was_stopped_by_signal and not self.ended:
            self.ended = next(name for name, it in self._processes.items() if "returncode" in it)
        # At the very start, the PIDs of the processes are not known yet.
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()

    def add(self, name: str, command: str, **settings: str) -> None:
        # Without exec, only the shell would get the signals.
        line = f"exec {shlex.quote(sys.executable)} -m {command}"
        # The printer reads these lines, and writes them as the terminal wants them.
        output = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "LOG_FORMAT": "json"}
        env = os.environ | output | settings
        self.add_process(name, line, env=env, cwd=str(BASE_DIR))

    def serve(self, service: str, port: int) -> None:
        connecting = sandbox_settings() if connects_to_sandbox() else {}
        # The sandbox keeps its state in memory. For the collector, one is enough.
        own = {"WORKERS": "2" if service == "api" else "1"}
        if service == "sandbox":
            # Its requests would bury the lines of myhealth.
            own["LOG_LEVEL"] = os.environ.get("LOG_LEVEL") or "warn"
        else:
            own["PROMETHEUS_MULTIPROC_DIR"] = _metrics_folder(service)
        if service == "api":
            # Whose data come with the key, for its pages.
            own["OURA_USER"] = "" if uses_demo() else own_account()
        serving = {"HOST": "127.0.0.1", "PORT": str(port), "STOP_SECONDS": "10"}
        self.add(service, "myhealth.serve", SERVICE=service, **serving, **own, **connecting)

    def _start(self) -> None:
        super()._start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def loop(self) -> None:
        """Run until a signal arrives or a process ends, and all have ended.

        The signals that stop it must be blocked when this begins: a new process would act on one as
        if it were this one, until it ignores them.
        """
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # The terminal was closed.
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        super().loop()


def _metrics_folder(service: str) -> str:
    """Return an empty folder for the figures that the workers of a service share."""
    folder = var_dir() / "metrics" / service
    with explained(var_dir()):
        # Not ignoring errors: what another user left would count in the figures.
        if folder.exists():
            shutil.rmtree(folder)
        make_folder(folder)
    return str(folder)
