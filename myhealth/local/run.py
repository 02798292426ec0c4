"""`make run`: everything on one machine, started together and stopped together.

python -m myhealth.local.run                    database, services, hourly collection
python -m myhealth.local.run collect [OPTIONS]  one collection with the same settings
python -m myhealth.local.run backup [FILE]      the embedded database to a file
python -m myhealth.local.run restore [FILE]     and back
"""

import contextlib
import functools
import multiprocessing
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import environ
import honcho.manager
import requests
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from myhealth.local import backups, embedded, local_env
from myhealth.local.processes import die_with_parent
from myhealth.local.server import EmbeddedError

BASE_DIR = Path(__file__).resolve().parents[2]
PORTS = {"API_PORT": 8000, "PROCESSOR_PORT": 8001, "SANDBOX_PORT": 8002}
DEMO = "demo"
HOUR = 3600.0
COLLECTOR = "collector"
STOPPING = (signal.SIGTERM, signal.SIGINT)
FIRST_COLLECTED = "the first collection has ended"
SERVER = (
    "granian --interface wsgi myhealth.wsgi:application --host 127.0.0.1 --port {port} "
    "--workers 1 --blocking-threads 8 --no-ws --respawn-failed-workers --workers-kill-timeout 10 "
    "--log-level error"
)
# Granian gives a hung request 10 s; honcho's own 5 s would cut it off before.
honcho.manager.KILL_WAIT = 12


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


# Settings --------------------------------------------------------------------------------------


def var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").absolute()


def read_settings() -> None:
    """Fill the environment as the settings do, so that the services get what was decided here."""
    environ.Env.read_env(BASE_DIR / ".env")
    local_env = var_dir() / "local.env"
    if local_env.exists():
        environ.Env.read_env(local_env)


def ports() -> dict[str, int]:
    """The port of each service that will run, by its setting; SystemExit for a bad one."""
    wanted = {name: os.environ.get(name) or str(default) for name, default in PORTS.items()}
    if not demo():
        del wanted["SANDBOX_PORT"]
    for name, port in wanted.items():
        if not port.isdigit() or not 1 <= int(port) <= 65535:
            sys.exit(f"{name} must be a whole number from 1 to 65535, not '{port}'.")
    if len(set(wanted.values())) < len(wanted):
        sys.exit(f"{', '.join(wanted)} must differ from each other.")
    return {name: int(port) for name, port in wanted.items()}


def demo() -> bool:
    """Whether the sandbox's invented person is collected, for want of Oura credentials."""
    return not os.environ.get("OURA_API_KEY")


def connects_to_sandbox() -> bool:
    return demo() and not os.environ.get("OURA_CLIENT_ID")


def account() -> tuple[str, str]:
    """The name and password of the account that is collected into."""
    if demo():
        return DEMO, os.environ["DEMO_PASSWORD"]
    return os.environ.get("OURA_USER") or "me", os.environ["OURA_USER_PASSWORD"]


def address(name: str) -> str:
    return f"http://127.0.0.1:{ports()[name]}"


# Before the services start ---------------------------------------------------------------------


def check_ports() -> None:
    for name, port in ports().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError:
                sys.exit(f"Port {port} is reserved for root: choose another with {name}=….")
            except OSError:
                sys.exit(
                    f"Port {port} is in use: stop what uses it, or choose another, "
                    f"such as `make run {name}={port + 100}`."
                )


def manage(*arguments: str, **settings: str) -> str:
    """Run a management command and return what it said; SystemExit when it fails."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=BASE_DIR, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"`manage.py {arguments[0]}` failed, so nothing was started.")
    return done.stdout.strip()


def prepare() -> None:
    """Bring up all that the services rely on: secrets, database, tables, account."""
    local_env.ensure(var_dir())
    read_settings()
    check_ports()
    if not os.environ.get("DB_HOST"):
        say("Starting the embedded PostgreSQL …")
        embedded.join(var_dir())
    say("Bringing the tables up to date …")
    manage("migrate", "--noinput", "--verbosity", "0")
    name, password = account()
    # The demo's password is ours to say; a person's own is theirs to change.
    reset = ["--reset"] if demo() else []
    if manage("ensure_user", name, *reset, PASSWORD=password) == "other password":
        os.environ["OURA_USER_PASSWORD"] = "as you changed it"
    if demo() and not connects_to_sandbox():
        prepare_own_account()


def prepare_own_account() -> None:
    """An account for the person's own ring: the demo's holds invented days, which never mix."""
    name, password = os.environ.get("OURA_USER") or "me", os.environ["OURA_USER_PASSWORD"]
    if manage("ensure_user", name, PASSWORD=password) == "other password":
        password = "as you changed it"
    say(f"For your own ring: sign in as {name}, password {password}, and press Connect Oura.")


# Running ---------------------------------------------------------------------------------------


class Mortal(Process):  # type: ignore[misc]
    """A honcho process that does not outlive the runner, even one that is killed."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        die_with_parent(signal.SIGKILL)
        self._child_ctor = spawn
        super().run(events, ignore_signals)


def spawn(command: str, **options: Any) -> Popen:
    last_wish = functools.partial(die_with_parent, signal.SIGTERM)
    child = Popen(command, preexec_fn=last_wish, **options)
    threading.Thread(target=end_group, args=[child], daemon=True).start()
    return child


def end_group(child: Popen) -> None:
    # A server that is killed leaves its workers, and honcho waits until they close their output.
    child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


class Announcer(Printer):  # type: ignore[misc]
    """Prints the services' lines, and the ready line when the collector says that it is time."""

    def write(self, message: Message) -> None:
        line = message.data
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else str(line)
        if message.name != COLLECTOR or text.strip() != FIRST_COLLECTED:
            super().write(message)
            return
        name, password = account()
        port = ports()["API_PORT"]
        say(f"myhealth is ready: http://localhost:{port}/ (user {name}, password {password})")


class Services(honcho.manager.Manager):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(Announcer(sys.stdout))
        self._process_ctor = Mortal

    def terminate(self) -> None:
        # A signal in the first moments finds processes whose number is not known yet.
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()

    def add(self, name: str, command: str, **settings: str) -> None:
        # Without exec, signals would reach a shell.
        line = f"exec {shlex.quote(sys.executable)} -m {command}"
        env = os.environ | {"PYTHONUNBUFFERED": "1"} | settings
        self.add_process(name, line, env=env, cwd=str(BASE_DIR))

    def serve(self, service: str, port: int) -> None:
        connecting = sandbox_application() if connects_to_sandbox() else {}
        # Whoever watches wants to see myhealth, not each request to its stand-in for Oura.
        level = {"LOG_LEVEL": os.environ.get("LOG_LEVEL") or "warn"} if service == "sandbox" else {}
        self.add(service, SERVER.format(port=port), SERVICE=service, **level, **connecting)


def run() -> int:
    """Run all services until a signal comes or one of them ends; the exit code."""
    read_settings()
    prepare()
    services = Services()
    for name, port in ports().items():
        services.serve(name.removesuffix("_PORT").lower(), port)
    services.add(COLLECTOR, "myhealth.local.run collect-forever")
    services.loop()
    embedded.leave(var_dir())
    asked = services.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    if not asked:
        say("One of the services ended by itself, so all were stopped; its last lines say why.")
    return 0 if asked else 1


# Collecting ------------------------------------------------------------------------------------


def collector_settings() -> list[dict[str, str]]:
    """What the collector needs to know: a set of settings for each run that is to be made.

    The demo comes from the sandbox, whomever the application of the settings connects.
    """
    known = {"PROCESSOR_URL": address("PROCESSOR_PORT"), "OURA_USER": account()[0]}
    if not demo():
        return [known]
    sandbox = address("SANDBOX_PORT")
    people = requests.get(f"{sandbox}/_sandbox/people", timeout=10).json()
    [token] = [person["access_token"] for person in people if person["name"] == DEMO]
    key = {"OURA_API_URL": sandbox, "OURA_API_KEY": token}
    if connects_to_sandbox():
        return [known | key | sandbox_application()]
    return [known | key | {"OURA_CLIENT_ID": ""}, known | {"OURA_USER": ""}]


def sandbox_application() -> dict[str, str]:
    """Settings by which people connect to the sandbox's people, for want of a real application."""
    sandbox = address("SANDBOX_PORT")
    document = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
    return {
        "OURA_API_URL": sandbox,
        "OURA_OAUTH_DISCOVERY_URL": f"{sandbox}/{document}",
        "OURA_CLIENT_ID": "myhealth-sandbox",
        "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
    }


def collect(*options: str) -> int:
    """Run one collection; its exit code, the worst of them where several runs are needed."""
    command = [sys.executable, "manage.py", "collect_oura", *options]
    return max(
        subprocess.run(command, cwd=BASE_DIR, env=os.environ | settings).returncode
        for settings in collector_settings()
    )


def collect_forever() -> NoReturn:
    """Collect at once and then every hour, whatever becomes of a single collection."""
    await_services()
    announced = False
    while True:
        code = collect_once()
        if code:
            say(f"The collection ended with exit code {code}; the next one is in an hour.")
        if not announced:
            say(FIRST_COLLECTED)
            announced = True
        rest(HOUR)


def rest(seconds: float) -> None:
    """Wait until the time is over, or somebody has connected whose history is to come at once."""
    command = [sys.executable, "manage.py", "await_connection", "--seconds", str(int(seconds))]
    try:
        # The last of the runs is the one that serves who has connected.
        environment = os.environ | collector_settings()[-1]
    except requests.RequestException:
        time.sleep(60)
        return
    last_wish = functools.partial(die_with_parent, signal.SIGTERM)
    waiting = subprocess.Popen(command, cwd=BASE_DIR, env=environment, preexec_fn=last_wish)
    try:
        # Meanwhile see that the database is there: the services' pools only reconnect.
        while waiting.poll() is None:
            if not os.environ.get("DB_HOST"):
                try:
                    embedded.join(var_dir())
                except EmbeddedError as error:
                    say(str(error))
            time.sleep(1)
    finally:
        waiting.terminate()
        waiting.wait()
    if waiting.returncode:
        time.sleep(60)


def collect_once() -> int:
    try:
        return collect()
    except requests.RequestException as error:
        say(f"The sandbox does not answer: {error}")
        return 1


def await_services() -> None:
    """Wait until the services answer: the one who starts them ends all when one of them dies."""
    urls = [f"{address(name)}/health/ready" for name in ("API_PORT", "PROCESSOR_PORT")]
    if demo():
        urls.append(f"{address('SANDBOX_PORT')}/_sandbox/people")
    for url in urls:
        while not is_up(url):
            time.sleep(0.1)


def is_up(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def collect_now(*options: str) -> int:
    read_settings()
    if not is_up(f"{address('PROCESSOR_PORT')}/health"):
        sys.exit(f"Nothing answers at {address('PROCESSOR_PORT')}: start it with `make run`.")
    return collect(*options)


# The command line ------------------------------------------------------------------------------


def move(what: str, *files: str) -> int:
    """Back the embedded database up, or restore it."""
    for how in STOPPING:
        signal.signal(how, give_up)
    read_settings()
    if os.environ.get("DB_HOST"):
        sys.exit(f"DB_HOST is set: {what} that PostgreSQL with its own pg_dump and pg_restore.")
    file = Path(files[0]).expanduser() if files and files[0] else None
    if what == "backup":
        say(f"Backed up to {backups.backup(var_dir(), file)}")
    else:
        say(f"Restored from {backups.restore(var_dir(), file)}")
    embedded.leave(var_dir())
    return 0


def stop(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def give_up(how: int, _frame: object) -> NoReturn:
    # Unlike services that are stopped, a backup that is interrupted has failed.
    sys.exit(128 + how)


def main(arguments: list[str]) -> int:
    for how in STOPPING:
        signal.signal(how, stop)
    # Its default from Python 3.14 on would start one more process.
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    try:
        match arguments:
            case []:
                return run()
            case ["collect-forever"]:
                collect_forever()
            case ["collect", *options]:
                return collect_now(*options)
            case ["backup" | "restore" as what, *files]:
                return move(what, *files)
    except EmbeddedError as error:
        sys.exit(str(error))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
