"""`make run`: start and stop everything on one machine together.

python -m myhealth.local.run                    run database, services and hourly collection
python -m myhealth.local.run collect [OPTIONS]  collect once with the same settings
python -m myhealth.local.run backup [FILE]      back up the embedded database to a file
python -m myhealth.local.run restore [FILE]     restore the embedded database from a file
"""

import contextlib
import functools
import multiprocessing
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import honcho.manager
import requests
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from myhealth.local import backups, embedded, local_env
from myhealth.local.processes import die_with_parent
from myhealth.local.server import EmbeddedError, explained
from myhealth.secret_settings import exit_if, read_env_file

_BASE_DIR = Path(__file__).resolve().parents[2]
_PORTS = {"API_PORT": 8000, "PROCESSOR_PORT": 8001, "SANDBOX_PORT": 8002}
_DEMO = "demo"
_HOUR = 3600.0
_COLLECTOR = "collector"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FIRST_COLLECTION_ENDED = "the first collection has ended"
# Granian gives hung requests 10 s to finish; honcho would kill it after 5 s.
honcho.manager.KILL_WAIT = 12


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# Settings --------------------------------------------------------------------------------------


def _var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR") or _BASE_DIR / "var").absolute()


def _read_env_files() -> None:
    """Read the same files as the settings, so that the services inherit these values."""
    problems = read_env_file(_BASE_DIR / ".env")
    # The first file may say where the second one is.
    exit_if(problems + read_env_file(_var_dir() / "local.env"))


def _ports() -> dict[str, int]:
    """Return the ports of the services that will run, by setting. Exits if one is invalid."""
    wanted = {name: os.environ.get(name) or str(default) for name, default in _PORTS.items()}
    if not _uses_demo():
        del wanted["SANDBOX_PORT"]
    for name, port in wanted.items():
        if not port.isdigit() or not 1 <= int(port) <= 65535:
            sys.exit(f"{name} must be a whole number from 1 to 65535, not '{port}'.")
    if len(set(wanted.values())) < len(wanted):
        sys.exit(f"{', '.join(wanted)} must be different.")
    return {name: int(port) for name, port in wanted.items()}


def _uses_demo() -> bool:
    """Return whether demo data is collected from the sandbox, because there is no API key."""
    return not os.environ.get("OURA_API_KEY")


def _connects_to_sandbox() -> bool:
    return _uses_demo() and not os.environ.get("OURA_CLIENT_ID")


def _account() -> tuple[str, str]:
    """Return the name of the account that the data go to, and its password.

    The password is empty if the person has changed it.
    """
    if _uses_demo():
        return _DEMO, os.environ["DEMO_PASSWORD"]
    return os.environ.get("OURA_USER") or "me", os.environ["OURA_USER_PASSWORD"]


def _describe(password: str) -> str:
    return f"password {password}" if password else "with the password you set"


def _url(name: str) -> str:
    return f"http://127.0.0.1:{_ports()[name]}"


# Before the services start ---------------------------------------------------------------------


def _check_ports() -> None:
    for name, port in _ports().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError:
                sys.exit(f"Only root can use port {port}: choose another port with {name}=….")
            except OSError:
                sys.exit(
                    f"Port {port} is in use: stop the program that uses it, or choose another "
                    f"port, for example with `make run {name}={port + 100}`."
                )


def _check_passwords() -> None:
    """Exit if a password that a person chose for an account would be refused."""
    accounts = {"DEMO_PASSWORD": _DEMO} if _uses_demo() else {}
    if not _connects_to_sandbox():
        accounts["OURA_USER_PASSWORD"] = os.environ.get("OURA_USER") or "me"
    for setting, name in accounts.items():
        password = os.environ[setting]
        # Starting a command takes a second.
        if local_env.is_generated(password):
            continue
        if _manage("ensure_user", name, "--check", PASSWORD=password):
            sys.exit(
                f"{setting} must have at least 12 characters, not only digits, and be neither a "
                "common password nor like the user name."
            )


def _manage(*arguments: str, **settings: str) -> str:
    """Run a management command and return its output. Exits if the command fails."""
    command = [sys.executable, "manage.py", *arguments]
    result = subprocess.run(
        command, cwd=_BASE_DIR, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    if result.returncode:
        sys.exit(f"`manage.py {arguments[0]}` failed, so myhealth was not started.")
    return result.stdout.strip()


def _prepare() -> None:
    """Prepare what the services need: secrets, database, tables and accounts."""
    local_env.ensure(_var_dir())
    _read_env_files()
    _check_passwords()
    _check_ports()
    if not os.environ.get("DB_HOST"):
        _print("Starting the embedded PostgreSQL …")
        embedded.join(_var_dir())
    _print("Applying database migrations …")
    _manage("migrate", "--noinput", "--verbosity", "0")
    name, password = _account()
    # The demo account always gets this password, but a password that a person chose stays.
    reset = ["--reset"] if _uses_demo() else []
    if _manage("ensure_user", name, *reset, PASSWORD=password) == "other password":
        os.environ["OURA_USER_PASSWORD"] = ""
    if _uses_demo() and not _connects_to_sandbox():
        _prepare_own_account()


def _prepare_own_account() -> None:
    """Create an account for the person's own ring, as demo data and real data are never mixed."""
    name, password = os.environ.get("OURA_USER") or "me", os.environ["OURA_USER_PASSWORD"]
    if _manage("ensure_user", name, PASSWORD=password) == "other password":
        password = ""
    _print(
        f"To use your own ring, sign in as {name} ({_describe(password)}) and press Connect Oura."
    )


# Running ---------------------------------------------------------------------------------------


class _BoundProcess(Process):  # type: ignore[misc]
    """A honcho process that ends with the runner, even if the runner is killed."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        die_with_parent(signal.SIGKILL)
        self._child_ctor = _spawn
        super().run(events, ignore_signals)


def _spawn(command: str, **options: Any) -> Popen:
    set_death_signal = functools.partial(die_with_parent, signal.SIGTERM)
    child = Popen(command, preexec_fn=set_death_signal, **options)
    threading.Thread(target=_kill_group, args=[child], daemon=True).start()
    return child


def _kill_group(child: Popen) -> None:
    # A killed server leaves its workers running, and honcho waits until they close their output.
    child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


class _ReadyPrinter(Printer):  # type: ignore[misc]
    """Print the lines of the services, and the ready line after the first collection."""

    def write(self, message: Message) -> None:
        line = message.data
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else str(line)
        if message.name != _COLLECTOR or text.strip() != _FIRST_COLLECTION_ENDED:
            super().write(message)
            return
        name, password = _account()
        port = _ports()["API_PORT"]
        _print(f"myhealth is ready: http://localhost:{port}/ (user {name}, {_describe(password)})")


class _Services(honcho.manager.Manager):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(_ReadyPrinter(sys.stdout))
        self._process_ctor = _BoundProcess

    def terminate(self) -> None:
        # At the very start, the PIDs of the processes are not known yet.
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()

    def add(self, name: str, command: str, **settings: str) -> None:
        # Without exec, only the shell would get the signals.
        line = f"exec {shlex.quote(sys.executable)} -m {command}"
        env = os.environ | {"PYTHONUNBUFFERED": "1"} | settings
        self.add_process(name, line, env=env, cwd=str(_BASE_DIR))

    def serve(self, service: str, port: int) -> None:
        connecting = _sandbox_settings() if _connects_to_sandbox() else {}
        if service == "sandbox":
            # It keeps its state in memory, and its requests would bury the lines of myhealth.
            own = {"WORKERS": "1", "LOG_LEVEL": os.environ.get("LOG_LEVEL") or "warn"}
        else:
            own = {"WORKERS": "2", "PROMETHEUS_MULTIPROC_DIR": _metrics_folder(service)}
        serving = {"HOST": "127.0.0.1", "PORT": str(port), "STOP_SECONDS": "10"}
        self.add(service, "myhealth.serve", SERVICE=service, **serving, **own, **connecting)


def _metrics_folder(service: str) -> str:
    """Return an empty folder for the figures that the workers of a service share."""
    folder = _var_dir() / "metrics" / service
    with explained(_var_dir()):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return str(folder)


def _run_services() -> int:
    """Run all services until a signal arrives or one of them ends, and return the exit code."""
    _read_env_files()
    _prepare()
    services = _Services()
    for name, port in _ports().items():
        services.serve(name.removesuffix("_PORT").lower(), port)
    services.add(_COLLECTOR, "myhealth.local.run collect-forever")
    services.loop()
    embedded.leave(_var_dir())
    stopped_by_signal = services.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    if not stopped_by_signal:
        _print(
            "A service stopped unexpectedly, so everything was shut down. Its last lines say why."
        )
    return 0 if stopped_by_signal else 1


# Collecting ------------------------------------------------------------------------------------


def _collector_settings() -> list[dict[str, str]]:
    """Return the settings of each run of the collector that a collection needs.

    Demo data come from the sandbox, even if people connect their own accounts.
    """
    common = {"PROCESSOR_URL": _url("PROCESSOR_PORT"), "OURA_USER": _account()[0]}
    if not _uses_demo():
        return [common]
    sandbox = _url("SANDBOX_PORT")
    people = requests.get(f"{sandbox}/_sandbox/people", timeout=10).json()
    [token] = [person["access_token"] for person in people if person["name"] == _DEMO]
    key = {"OURA_API_URL": sandbox, "OURA_API_KEY": token}
    if _connects_to_sandbox():
        return [common | key | _sandbox_settings()]
    return [common | key | {"OURA_CLIENT_ID": ""}, common | {"OURA_USER": ""}]


def _sandbox_settings() -> dict[str, str]:
    """Return the settings that connect accounts to the sandbox instead of Oura."""
    sandbox = _url("SANDBOX_PORT")
    discovery = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
    return {
        "OURA_API_URL": sandbox,
        "OURA_OAUTH_DISCOVERY_URL": f"{sandbox}/{discovery}",
        "OURA_CLIENT_ID": "myhealth-sandbox",
        "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
    }


def _collect(*options: str) -> int:
    """Run one collection and return its exit code, the highest one if it needs several runs."""
    command = [sys.executable, "manage.py", "collect_oura", *options]
    return max(
        subprocess.run(command, cwd=_BASE_DIR, env=os.environ | settings).returncode
        for settings in _collector_settings()
    )


def _collect_forever() -> NoReturn:
    """Collect now and then every hour, even if a collection fails."""
    _await_services()
    announced = False
    while True:
        code = _collect_once()
        if code:
            _print(f"The collection ended with exit code {code}. The next one starts in an hour.")
        if not announced:
            _print(_FIRST_COLLECTION_ENDED)
            announced = True
        _wait_for_next(_HOUR)


def _wait_for_next(seconds: float) -> None:
    """Wait for `seconds`, or until a new connection is to be collected at once."""
    command = [sys.executable, "manage.py", "await_connection", "--seconds", str(int(seconds))]
    try:
        # The last run is the one for connected accounts.
        environment = os.environ | _collector_settings()[-1]
    except requests.RequestException:
        time.sleep(60)
        return
    set_death_signal = functools.partial(die_with_parent, signal.SIGTERM)
    waiting = subprocess.Popen(command, cwd=_BASE_DIR, env=environment, preexec_fn=set_death_signal)
    try:
        # Meanwhile restart the database if need be, also if nobody asks a service for anything.
        told = ""
        while waiting.poll() is None:
            if not os.environ.get("DB_HOST"):
                try:
                    embedded.join(_var_dir())
                    told = ""
                except EmbeddedError as error:
                    if told != str(error):
                        told = str(error)
                        _print(told)
            time.sleep(1)
    finally:
        waiting.terminate()
        waiting.wait()
    if waiting.returncode:
        time.sleep(60)


def _collect_once() -> int:
    try:
        return _collect()
    except requests.RequestException as error:
        _print(f"The sandbox can't be reached: {error}")
        return 1


def _await_services() -> None:
    """Wait until all services answer. If one of them ends, the runner stops this process, too."""
    urls = [f"{_url(name)}/health/ready" for name in ("API_PORT", "PROCESSOR_PORT")]
    if _uses_demo():
        urls.append(f"{_url('SANDBOX_PORT')}/_sandbox/people")
    for url in urls:
        while not _is_up(url):
            time.sleep(0.1)


def _is_up(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _collect_now(*options: str) -> int:
    _read_env_files()
    if not _is_up(f"{_url('PROCESSOR_PORT')}/health"):
        sys.exit(f"myhealth is not running at {_url('PROCESSOR_PORT')}: start it with `make run`.")
    return _collect(*options)


# The command line ------------------------------------------------------------------------------


def _move_data(action: str, *files: str) -> int:
    """Back up or restore the embedded database."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _exit_as_failed)
    _read_env_files()
    if os.environ.get("DB_HOST"):
        remedy = "pg_dump to back up" if action == "backup" else "pg_restore to restore"
        sys.exit(f"DB_HOST is set, so use {remedy} your own PostgreSQL server.")
    file = Path(files[0]).expanduser() if files and files[0] else None
    with explained(file.parent, "FILE") if file else explained(_var_dir()):
        if action == "backup":
            _print(f"Backed up to {backups.backup(_var_dir(), file)}")
            _print(
                f"Keep a copy of {_var_dir()}/local.env elsewhere: the keys are not in the backup."
            )
        else:
            local_env.ensure(_var_dir())
            _read_env_files()
            ask = backups.ask_on_terminal
            if not (restored := backups.restore(_var_dir(), file, confirm=ask, say=_print)):
                sys.exit("Nothing was changed.")
            _print(f"Restored from {restored}")
    embedded.leave(_var_dir())
    return 0


def _exit(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _exit_as_failed(number: int, _frame: object) -> NoReturn:
    # Unlike stopped services, an interrupted backup has failed.
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    for number in _STOP_SIGNALS:
        signal.signal(number, _exit)
    # The default since Python 3.14 would start one more process.
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    try:
        match arguments:
            case []:
                return _run_services()
            case ["collect-forever"]:
                _collect_forever()
            case ["collect", *options]:
                return _collect_now(*options)
            case ["backup" | "restore" as action, *files]:
                return _move_data(action, *files)
    except EmbeddedError as error:
        sys.exit(str(error))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
