"""What `make run` runs: every service on this machine, and a collection each hour.

python -m myhealth.run                      everything, until Ctrl-C
python -m myhealth.run collect [options]    one collection, as the hourly one would be
"""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests
from honcho.manager import Manager
from honcho.printer import Printer

from myhealth import embedded, local

ROOT = Path(__file__).resolve().parent.parent
EVERY_SECONDS = 3600.0
START_SECONDS = 60.0
PORTS = {"api": "API_PORT", "processor": "PROCESSOR_PORT", "sandbox": "SANDBOX_PORT"}


class Plain(Exception):
    """A problem whose sentence says what to do."""


class Local:
    """The settings of this machine, read once `var/local.env` is there."""

    def __init__(self) -> None:
        var = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
        kept = {} if os.environ.get("DB_HOST") else local.ensure(var)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
        from django.conf import settings

        self.settings = settings
        self.var = var
        self.first = var / "first-collection"
        self.real = bool(settings.OURA_API_KEY)
        self.user = (settings.OURA_USER or "me") if self.real else "demo"
        secret = "OURA_USER_PASSWORD" if self.real else "DEMO_PASSWORD"
        self.password = os.environ.get(secret) or kept.get(secret, "")
        self.ports = {name: int(getattr(settings, port)) for name, port in PORTS.items()}

    @property
    def services(self) -> list[str]:
        return ["processor", "api"] if self.real else ["sandbox", "processor", "api"]

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def collecting(self) -> dict[str, str]:
        """The environment of a collection: from Oura with a key, else from the sandbox's demo."""
        if self.real:
            return {**os.environ, "OURA_USER": self.user}
        people = requests.get(f"{self.address('sandbox')}/_sandbox/people", timeout=10).json()
        token = next(person["access_token"] for person in people if person["name"] == "demo")
        return {
            **os.environ,
            "OURA_API_URL": self.address("sandbox"),
            "OURA_API_KEY": token,
            "OURA_USER": self.user,
        }


def manage(*arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env={**os.environ, **environment}
    )
    if done.returncode:
        raise Plain(f"manage.py {arguments[0]} failed; its message is above.")


def check_ports(here: Local) -> None:
    for service in here.services:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", here.ports[service]))
            except OSError:
                raise Plain(
                    f"Port {here.ports[service]} is in use: stop what uses it, or choose another "
                    f"with {PORTS[service]}, as in: make run {PORTS[service]}=9000"
                ) from None


def server(service: str, port: int) -> str:
    """The command line of one service's server.

    One worker: its threads share the metrics. It comes back if it dies, and ends a hung request
    when it is told to stop.
    """
    options = "--interface wsgi --workers 1 --blocking-threads 8 --no-ws --log-level warning"
    options += " --respawn-failed-workers --workers-kill-timeout 8"
    python = shlex.quote(sys.executable)
    address = f"--host 127.0.0.1 --port {port}"
    return f"exec {python} -m granian {options} {address} myhealth.wsgi:application"


def run() -> int:
    here = Local()
    check_ports(here)
    if here.settings.EMBEDDED_DATABASE:
        embedded.join(here.var)
    manage("migrate", "--noinput", "-v", "0")
    keep = ["--keep-password"] if here.real else []
    manage("ensure_user", here.user, "--superuser", *keep, PASSWORD=here.password)
    here.first.unlink(missing_ok=True)
    manager = Manager(Printer(sys.stdout))
    for service in here.services:
        command = server(service, here.ports[service])
        manager.add_process(service, command, env={**os.environ, "SERVICE": service}, cwd=ROOT)
    collector = f"exec {shlex.quote(sys.executable)} -m myhealth.run collect-forever"
    manager.add_process("collector", collector, env={**os.environ}, cwd=ROOT)
    threading.Thread(target=announce, args=(here,), daemon=True).start()
    manager.loop()
    # Told to stop (130, 143, or a server's -15) is how this is meant to end.
    return 0 if manager.returncode in (0, None, 130, 143, -2, -15) else 1


def announce(here: Local) -> None:
    """Print the last start-up line once the first collection is stored."""
    while not here.first.exists() or not here.first.read_text():
        time.sleep(0.1)
    if here.first.read_text() != "0":
        say("The first collection is not complete; what failed is named above, and tried hourly.")
    known = f"(user {here.user}, password {here.password})"
    say(f"myhealth is ready: http://localhost:{here.ports['api']}/ {known}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def collect_forever() -> None:
    here = Local()
    for service in here.services:
        wait_for(f"{here.address(service)}/health")
    while True:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "collect_oura"], env=here.collecting()
        )
        if not here.first.exists():
            here.first.write_text(str(done.returncode))
        time.sleep(EVERY_SECONDS)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.1)
    raise Plain(f"{url} does not answer; the messages above say why.")


def collect(arguments: list[str]) -> None:
    here = Local()
    try:
        environment = here.collecting()
    except requests.RequestException:
        raise Plain("Nothing to collect from: start everything with make run first.") from None
    command = [sys.executable, str(ROOT / "manage.py"), "collect_oura", *arguments]
    os.execve(command[0], command, environment)


def main() -> None:
    from django.core.exceptions import ImproperlyConfigured

    action, *rest = sys.argv[1:] or ["run"]
    try:
        if action == "collect":
            collect(rest)
        elif action == "collect-forever":
            collect_forever()
        else:
            sys.exit(run())
    except (Plain, embedded.EmbeddedError, ImproperlyConfigured) as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
