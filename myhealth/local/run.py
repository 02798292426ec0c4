"""`make run`: start and stop everything on one machine together.

python -m myhealth.local.run                    run database, services and hourly collection
python -m myhealth.local.run collect [OPTIONS]  collect once with the same settings
python -m myhealth.local.run password [NAME]    show a password, or how to set a new one
python -m myhealth.local.run open               show the address, and open it in a browser
python -m myhealth.local.run backup [FILE]      back up the embedded database to a file
python -m myhealth.local.run restore [FILE]     restore the embedded database from a file
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import myhealth.local.interrupts  # noqa: F401
from myhealth.local import backups, beside, embedded, instance, local_env, probes
from myhealth.local.collecting import FIRST_COLLECTION_ENDED, collect_forever
from myhealth.local.configuration import (
    BASE_DIR,
    DEMO,
    address,
    connects_to_sandbox,
    own_account,
    password_of,
    ports,
    source,
    uses_demo,
    var_dir,
)
from myhealth.local.ports import check_ports
from myhealth.local.progress import Progress
from myhealth.local.server import EmbeddedError, explained
from myhealth.local.services import STOP_SIGNALS, Services
from myhealth.local.terminal import STILL_WORKING, LinePrinter, read_all, say
from myhealth.secret_settings import exit_if, read_env_file
from myhealth.streams import accept_any_text

_COLLECTOR = "collector"
# The services of a `make run` that was killed may still be ending.
_SECONDS_AFTER_A_KILL = 15.0
# Longer than a stop takes.
EXIT_AGAIN_SECONDS = 13


# Settings --------------------------------------------------------------------------------------


def _read_env_files(*, warns: bool = False) -> None:
    """Read the same files as the settings, so that the services inherit these values."""
    problems = read_env_file(BASE_DIR / ".env", warns=warns)
    # The first file may say where the second one is.
    with explained(var_dir()):
        exit_if(problems + read_env_file(var_dir() / "local.env", warns=warns))


# Before the services start ---------------------------------------------------------------------


def _check_passwords() -> None:
    """Exit if a password that a person chose for an account would be refused."""
    accounts = {"DEMO_PASSWORD": DEMO} if uses_demo() else {}
    if not connects_to_sandbox():
        accounts["OURA_USER_PASSWORD"] = own_account()
    for setting, name in accounts.items():
        password = os.environ[setting]
        # Starting a command takes a second.
        if local_env.is_generated(password):
            continue
        if _manage("ensure_user", name, "--check", PASSWORD=password):
            sys.exit(
                f"{setting} must have at least 12 characters. It must not be only digits, a "
                "common password, or similar to the user name."
            )


def _manage(*arguments: str, **settings: str) -> str:
    """Run a management command and return its output. Exits if the command fails."""
    command = [sys.executable, "manage.py", *arguments]
    output = {"PYTHONIOENCODING": "utf-8", "LOG_FORMAT": os.environ.get("LOG_FORMAT") or "text"}
    with subprocess.Popen(
        command,
        cwd=BASE_DIR,
        env=os.environ | output | settings,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # Ctrl-C ends this process, which ends that one without a traceback. (No preexec_fn: with
        # it, Python would ignore what a signal's handler raises while it forks.)
        process_group=0,
    ) as process:
        try:
            printed = read_all(process)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        sys.exit(f"`manage.py {arguments[0]}` failed, so myhealth was not started.")
    return printed.strip()


def _prepare() -> bool:
    """Prepare what the services need: database, tables and accounts.

    Returns whether the account to sign in to is the demo's.
    """
    if not os.environ.get("DB_HOST"):
        say("Starting the embedded PostgreSQL")
        embedded.join(var_dir())
    say("Applying database migrations")
    _manage("migrate", "--noinput", "--verbosity", "0")
    has_demo = False
    if uses_demo():
        # Where the account was removed because there are real data, it does not come back.
        # Beside real data it is no administrator, who could read them.
        options = ["--sample"] if connects_to_sandbox() else ["--sample", "--no-admin"]
        password = os.environ["DEMO_PASSWORD"]
        options += local_env.reset_option(DEMO)
        done = _manage("ensure_user", DEMO, *options, PASSWORD=password)
        if done in ("not created", "other password"):
            os.environ["DEMO_PASSWORD"] = ""
        has_demo = done != "not created"
    shows_demo = has_demo and connects_to_sandbox()
    if not shows_demo:
        # An account for the person's own ring, as demo data and real data are never mixed.
        password = os.environ["OURA_USER_PASSWORD"]
        if _manage("ensure_user", own_account(), PASSWORD=password) == "other password":
            os.environ["OURA_USER_PASSWORD"] = ""
    return shows_demo


# Running ---------------------------------------------------------------------------------------


def _say_ready(*, shows_demo: bool) -> None:
    """Say where to go. The ready line is the last one of the start."""
    if os.environ.get("PUBLIC_URL") and (
        problem := probes.why_not_reached(address(), ports()["API_PORT"])
    ):
        say(problem)
    if address().startswith("https:") and not os.environ.get("TRUSTED_PROXIES"):
        say(
            "All devices count as one when passwords are guessed: write "
            "TRUSTED_PROXIES=127.0.0.1,::1 into .env to count each by itself."
        )
    name = DEMO if shows_demo else own_account()
    password = password_of(name)
    if not password:
        say(f"The password of {name} isn't in var/local.env. Forgotten? make password USER={name}")
    if uses_demo() and not connects_to_sandbox():
        say(f"To use your own ring, sign in as {name} and press Connect Oura.")
    if name != DEMO and password_of(DEMO):
        say(f"Sample data: {address()} (user {DEMO}, password {password_of(DEMO)})")
    say(f"myhealth is ready: {address()} (user {name}, password {password or 'as set before'})")


class _Start:
    """Takes the collector's lines that are not for the terminal as they are."""

    def __init__(self, *, shows_demo: bool) -> None:
        self.shows_demo = shows_demo
        self.progress = Progress("the sandbox" if uses_demo() else "Oura")

    def take(self, service: str, line: str, event: dict[str, Any]) -> bool:
        if service != _COLLECTOR:
            return False
        if line == STILL_WORKING:
            say(line)
            return True
        if line == FIRST_COLLECTION_ENDED:
            self.progress.end()
            _say_ready(shows_demo=self.shows_demo)
            return True
        return self.progress.take(event)


def _run_services() -> int:
    """Run all services until a signal arrives or one of them ends, and return the exit code."""
    # The commands beside it would say the same again.
    _read_env_files(warns=True)
    try:
        with instance.claim(
            var_dir(), ports=ports(), address=address(), source=source()
        ) as was_killed:
            local_env.ensure(var_dir())
            _read_env_files()
            _check_passwords()
            check_ports(ports(), patience=_SECONDS_AFTER_A_KILL if was_killed else 0)
            return _run_until_stopped(shows_demo=_prepare())
    except instance.AlreadyRunning as running:
        say(str(running))
        return 0


def _log_file() -> Path:
    return var_dir() / "log" / "myhealth.log"


def _run_until_stopped(*, shows_demo: bool) -> int:
    say("Starting the services")
    # Until the services take it. Python ignores what a signal's handler raises in a callback, as
    # there is one at the end of each import, and the signal would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    printer = LinePrinter(_log_file(), _Start(shows_demo=shows_demo).take)
    with contextlib.closing(printer):
        services = Services(printer)
        for name, port in ports().items():
            services.serve(name.removesuffix("_PORT").lower(), port)
        services.add(_COLLECTOR, "myhealth.local.run collect-forever")
        services.loop()
    embedded.leave(var_dir())
    if services.was_stopped_by_signal:
        return 0
    say(
        f"The {services.ended} stopped unexpectedly, so everything was shut down. See its last "
        f"lines, here or in {_log_file()}."
    )
    return 1


# The command line ------------------------------------------------------------------------------


def _move_data(action: str, *files: str) -> int:
    """Back up or restore the embedded database."""
    _read_env_files()
    if os.environ.get("DB_HOST"):
        remedy = "pg_dump to back up" if action == "backup" else "pg_restore to restore"
        sys.exit(f"DB_HOST is set, so use {remedy} your own PostgreSQL server.")
    file = Path(files[0]).expanduser() if files and files[0] else None
    with explained(file.parent, "FILE") if file else explained(var_dir()):
        if action == "backup":
            say(f"Backed up to {backups.backup(var_dir(), file)}")
            say(
                f"Also keep a copy of {var_dir()}/local.env elsewhere: it has the keys, which are "
                "not in the backup."
            )
        else:
            local_env.ensure(var_dir())
            _read_env_files()
            ask = backups.ask_on_terminal
            if not (restored := backups.restore(var_dir(), file, confirm=ask, say=say)):
                sys.exit("Nothing was changed.")
            say(f"Restored from {restored}")
    embedded.leave(var_dir())
    return 0


def _exit(_signal: int, _frame: object) -> NoReturn:
    say("Stopping myhealth.")
    sys.exit(0)


def _exit_silently(_signal: int, _frame: object) -> NoReturn:
    # Python ignores what a handler raises during a callback, such as one of `fork`: then again.
    signal.signal(signal.SIGALRM, _exit_silently)
    signal.alarm(EXIT_AGAIN_SECONDS)
    sys.exit(0)


def _exit_as_failed(number: int, _frame: object) -> NoReturn:
    # Unlike stopped services, an interrupted backup has failed.
    say("Stopped.")
    sys.exit(128 + number)


def _on_stop(handler: Any) -> None:
    for number in STOP_SIGNALS:
        # With nohup, it goes on when the terminal is closed.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def main(arguments: list[str]) -> int:
    accept_any_text()
    _on_stop(_exit_as_failed)
    # The default since Python 3.14 would start one more process.
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    try:
        match arguments:
            case []:
                _on_stop(_exit)
                return _run_services()
            case ["collect-forever"]:
                _on_stop(_exit_silently)
                collect_forever()
            case ["collect" | "password" | "open" as name, *options]:
                _read_env_files()
                return beside.run(name, *options)
            case ["backup" | "restore" as action, *files]:
                return _move_data(action, *files)
    except EmbeddedError as error:
        sys.exit(str(error))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
