"""The collections of `make run`: now, every hour, and when somebody connects an account."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import orjson
import requests

from myhealth.local import embedded, instance, probes
from myhealth.local.configuration import (
    BASE_DIR,
    DEMO,
    connects_to_sandbox,
    own_account,
    sandbox_settings,
    url,
    uses_demo,
    var_dir,
)
from myhealth.local.processes import die_with_parent
from myhealth.local.server import EmbeddedError
from myhealth.local.terminal import STILL_WORKING, say

FIRST_COLLECTION_ENDED = "the first collection has ended"
_HOUR = 3600.0
# After the first, it is said which service is not ready; after the second, the start is given up.
_PATIENCE = (30.0, 300.0)
# Of which this process's own start takes some.
_SECONDS_OF_SILENCE = 5.0
_MOST_PROBLEMS = 5


def settings_of_runs() -> list[dict[str, str]]:
    """Return the settings of each run of the collector that a collection needs.

    Demo data come from the sandbox, even if people connect their own accounts. The last run is
    that of connected accounts. Raises requests.RequestException.
    """
    common = {
        "PROCESSOR_URL": url("PROCESSOR_PORT"),
        "OURA_USER": DEMO if uses_demo() else own_account(),
    }
    if not uses_demo():
        return [common]
    key = _settings_of_demo() if _has_demo() else {}
    if connects_to_sandbox():
        return [common | key | sandbox_settings()]
    connected = common | {"OURA_USER": ""}
    return [common | key | {"OURA_CLIENT_ID": ""}, connected] if key else [connected]


def _has_demo() -> bool:
    """Return whether there is a sample account: it may have been removed meanwhile."""
    token = os.environ.get("INGEST_TOKENS", "").split(",")[0].strip()
    path = f"/api/v1/metrics/sleep?user={DEMO}"
    answer = probes.get(f"{url('PROCESSOR_PORT')}{path}", timeout=10, token=token)
    return not (answer.status_code == 400 and answer.json().get("code") == "unknown_user")


def _settings_of_demo() -> dict[str, str]:
    sandbox = url("SANDBOX_PORT")
    people = probes.get(f"{sandbox}/_sandbox/people", timeout=10).json()
    [token] = [person["access_token"] for person in people if person["name"] == DEMO]
    return {"OURA_API_URL": sandbox, "OURA_API_KEY": token}


def collect_on_terminal(*options: str) -> int:
    """Collect once, and return the exit code, the highest one if it takes several runs."""
    quiet = {
        "LOG_FORMAT": os.environ.get("LOG_FORMAT") or "text",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL") or "warn",
    }
    command = [sys.executable, "manage.py", "collect_oura", *options]
    names_account = any(option.startswith("--u") for option in options)
    highest = 0
    for settings in settings_of_runs():
        code = subprocess.run(
            command,
            cwd=BASE_DIR,
            env=os.environ | quiet | settings,
            # Ctrl-C ends this process, which ends that one without a traceback.
            process_group=0,
        ).returncode
        highest = max(highest, code)
        # What one run can't use, none can, but for an account that only the other one has.
        if code == 2 and not names_account:
            break
    return highest


def collect_forever() -> NoReturn:
    """Collect now, then every hour, even if a collection fails, and when somebody asks for it."""
    _await_services()
    try:
        instance.add_settings(var_dir(), settings_of_runs()[-1])
    except (requests.RequestException, OSError) as error:
        say(f"Commands such as `make collect` won't find these services: {error}")
    announced = False
    while True:
        code = _collect()
        if code:
            say(f"The collection ended with exit code {code}. The next one starts in an hour.")
        if not announced:
            say(FIRST_COLLECTION_ENDED)
            announced = True
        next_at = time.time() + _HOUR
        while _is_wanted_before(next_at):
            # Anything else than a problem with Oura would come at once again.
            if _collect("--wanted") > 1:
                time.sleep(60)


def _collect(*options: str) -> int:
    """Collect, say in a line what came, and return the exit code.

    Who asks for a collection is connected, and so is collected by the last of several runs.
    """
    new: Counter[str] = Counter()
    changed, code = 0, 0
    try:
        runs = settings_of_runs()
    except requests.RequestException as error:
        say(f"The sandbox can't be reached: {error}")
        return 1
    for settings in runs[-1:] if options else runs:
        run_code, types = _run_collector(settings, *options)
        code = max(code, run_code)
        for name, tally in types.items():
            new[name] += tally["created"]
            changed += tally["updated"]
    days = days_in_words(new)
    parts = [f"new: {days}"] if days else []
    if changed:
        parts.append(f"changed: {changed}")
    if parts or not code:
        say(f"Collected, {'; '.join(parts) or 'nothing new'}.")
    return code


def days_in_words(days: Mapping[str, int]) -> str:
    """Return numbers of days by type in words, such as `1 day of sleep, 2 days of activity`."""
    found = ((name, count) for name, count in days.items() if count)
    return ", ".join(f"{count} day{'' if count == 1 else 's'} of {name}" for name, count in found)


def _run_collector(settings: dict[str, str], *options: str) -> tuple[int, dict[str, Any]]:
    """Run the collector, say its problems, and return its exit code and its figures by type."""
    command = [sys.executable, "manage.py", "collect_oura", "--output", "json", *options]
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=BASE_DIR,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        preexec_fn=functools.partial(die_with_parent, signal.SIGTERM),
    ) as process:
        try:
            reader = threading.Thread(target=_pass_on, args=[process.stderr, said])
            reader.start()
            output = process.stdout.read() if process.stdout else ""
            reader.join()
        except BaseException:
            process.terminate()
            raise
    try:
        report = orjson.loads((output.splitlines() or [""])[-1])
        types = report["types"]
        # Often one reason ends all types.
        by_error: dict[str, list[str]] = {}
        for each in report["errors"]:
            by_error.setdefault(each["error"], []).append(each["type"])
        problems = [
            f"{', '.join(dict.fromkeys(names))}: {error}" for error, names in by_error.items()
        ]
    except (ValueError, KeyError, TypeError):
        problems, types = said, {}
    for problem in problems[:_MOST_PROBLEMS]:
        say(problem)
    if len(problems) > _MOST_PROBLEMS:
        say(f"and {len(problems) - _MOST_PROBLEMS} more problems")
    return process.returncode, types


def _pass_on(lines: IO[str], said: list[str]) -> None:
    """Pass on log lines, and keep the others, which repeat the report's problems."""
    for line in lines:
        if line.startswith("{"):
            say(line.rstrip())
        elif line.strip():
            said.append(line.rstrip())


def _is_wanted_before(moment: float) -> bool:
    """Wait until a moment, and return whether somebody asks for a collection before."""
    seconds = min(_HOUR, moment - time.time())
    if seconds <= 0:
        return False
    command = [sys.executable, "manage.py", "await_connection", "--seconds", str(int(seconds))]
    try:
        # The last run is the one for connected accounts.
        environment = os.environ | settings_of_runs()[-1]
    except requests.RequestException:
        time.sleep(60)
        return False
    set_death_signal = functools.partial(die_with_parent, signal.SIGTERM)
    waiting = subprocess.Popen(command, cwd=BASE_DIR, env=environment, preexec_fn=set_death_signal)
    problem = ""
    try:
        # Meanwhile restart the database if need be, also if nobody asks a service for anything.
        while waiting.poll() is None:
            try:
                if not os.environ.get("DB_HOST"):
                    embedded.join(var_dir())
                problem = ""
            except EmbeddedError as error:
                if str(error) != problem:
                    say(problem := str(error))
            time.sleep(1)
    finally:
        waiting.terminate()
        waiting.wait()
    if waiting.returncode:
        time.sleep(60)
        return False
    return time.time() < moment - 1


def _await_services() -> None:
    """Wait until all services are ready. Exits with the reason if that takes too long.

    If a service ends, the runner stops this process, too.
    """
    probed = {
        "API": f"{url('API_PORT')}/health/ready",
        "processor": f"{url('PROCESSOR_PORT')}/health/ready",
    }
    if uses_demo():
        probed["sandbox"] = f"{url('SANDBOX_PORT')}/_sandbox/people"
    began = said_at = time.monotonic()
    was_said = False
    for name, address in probed.items():
        while reason := probes.why_not_ready(address):
            waited = time.monotonic() - began
            sentence = f"The {name} is still not ready after {waited:.0f} seconds: {reason}."
            if waited > _PATIENCE[1]:
                sys.exit(sentence)
            if waited > _PATIENCE[0] and not was_said:
                say(f"{sentence} Still waiting.")
                was_said, said_at = True, time.monotonic()
            if time.monotonic() - said_at > _SECONDS_OF_SILENCE:
                say(STILL_WORKING)
                said_at = time.monotonic()
            time.sleep(0.1)
