"""Collecting from the sandbox: a long history, and many people in one run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import requests

from bench.load import Clock
from bench.session import Session
from bench.systems import PASSWORD, Django, await_answer, environment

_DISCOVERY = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
# A process starts with the peak of the one that it was forked from, which must be a small one.
_MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
measure = {"code": code, "cpu": used.ru_utime + used.ru_stime, "peak": peak}
print(json.dumps(measure), file=sys.stderr)
"""


@dataclass(frozen=True)
class Collection:
    """A run of the collector: its exit code and report, CPU seconds, peak bytes, and seconds."""

    code: int
    report: dict[str, Any]
    cpu: float
    processor_cpu: float
    database_cpu: float
    peak: int
    seconds: float


def collect(session: Session, system: Django, *options: str, **settings: str) -> Collection:
    """Run the collector once, and measure it beside the processor."""
    command = [system.python, "manage.py", "collect_oura", "--output", "json", *options]
    env = environment(**{**system.settings, "PROCESSOR_URL": system.urls["processor"], **settings})
    clock = Clock([system.processes["processor"].pid], session.server.pid)
    began = time.perf_counter()
    ended = run_measured(command, cwd=system.root, env=env)
    seconds = time.perf_counter() - began
    processor, database = clock.read()
    lines = ended.output.splitlines()
    report = json.loads(lines[-1]) if lines else {}
    if not report:
        raise RuntimeError(f"The collector failed: {ended.errors[-500:]}")
    return Collection(ended.code, report, ended.cpu, processor, database, ended.peak, seconds)


class Ended(NamedTuple):
    """A command that has ended: its CPU seconds, and its peak memory in bytes."""

    output: str
    errors: str
    code: int
    cpu: float
    peak: int


def run_measured(command: Sequence[str], *, cwd: Path, env: dict[str, str]) -> Ended:
    """Run a command, and return what became of it.

    If something stops us, the command ends as well: a collector would go on trying.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _MEASURE, *command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    errors, _, measure = errors.rstrip("\n").rpartition("\n")
    return Ended(output, errors, **json.loads(measure))


def measure_history(session: Session, system: Django) -> None:
    """Collect a long history of all types, new and again."""
    sandbox = _start_sandbox(system, session.options.days)
    try:
        [token] = [
            person["access_token"]
            for person in requests.get(f"{sandbox}/_sandbox/people", timeout=30).json()
            if person["name"] == "demo"
        ]
        system.create_accounts(["collected"])
        settings = {
            "OURA_API_KEY": token,
            "OURA_API_URL": sandbox,
            "OURA_USER": "collected",
            # With a key, the collector needs no database.
            "DB_HOST": "nowhere.invalid",
        }
        runs: dict[str, list[Collection]] = {"new": [], "again": []}
        for _ in range(session.options.rounds):
            for name, found in runs.items():
                found.append(collect(session, system, "--all", **settings))
                if found[-1].code:
                    raise RuntimeError(f"The collection failed: {found[-1].report} ({name})")
            _forget(system, "collected")
    finally:
        system.stop("sandbox")
    for name, found in runs.items():
        text = f"collect {session.options.days} days, {name}"
        session.keep(f"{text}: collector CPU", system, [each.cpu for each in found], "s")
        session.keep(f"{text}: processor CPU", system, [each.processor_cpu for each in found], "s")
        session.keep(f"{text}: PostgreSQL CPU", system, [each.database_cpu for each in found], "s")
        session.keep(f"{text}: in all", system, [each.seconds for each in found], "s")
        session.keep(f"{text}: collector, peak", system, [each.peak / 1e6 for each in found], "MB")


def _forget(system: Django, name: str) -> None:
    """Delete a person's days."""
    requests.delete(
        f"{system.urls['processor']}/api/v1/people/{name}",
        headers={"Authorization": f"Bearer {system.control_token}"},
        timeout=120,
    ).raise_for_status()


def _start_sandbox(system: Django, days: int) -> str:
    settings = {"SANDBOX_DAYS": str(days), "LOG_LEVEL": "error"}
    process = system.serve("sandbox", workers=1, settings=settings)
    await_answer(f"{system.urls['sandbox']}/_sandbox/people", process)
    return system.urls["sandbox"]


# People who are connected to Oura ----------------------------------------------------------------


def measure_people(
    session: Session, system: Django, count: int, *, days: int, troubled: bool = False
) -> None:
    """Collect for many connected people in one run.

    If `troubled`, one of them has withdrawn the consent, one gets bad answers, and one none.
    """
    sandbox = _start_sandbox(system, days)
    own = {
        "OURA_API_URL": sandbox,
        "OURA_OAUTH_DISCOVERY_URL": f"{sandbox}/{_DISCOVERY}",
        "OURA_CLIENT_ID": "myhealth-sandbox",
        "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
        "COLLECTOR_TIMEOUT": "10",
    }
    names = [f"member{number}" for number in range(1, count + 1)]
    try:
        system.stop("api")
        process = system.serve("api", settings=own)
        await_answer(f"{system.urls['api']}/health/ready", process)
        _connect(system, names)
        if troubled:
            _control(sandbox, "grants/revoke", name=names[0])
            bad = {"fault": "malformed", "name": names[1], "path": "daily_readiness"}
            _control(sandbox, "faults", **bad, times=100_000)
            _control(sandbox, "faults", fault="timeout", name=names[2], times=100_000)
        else:
            for name in names:
                _control(sandbox, "limits", name=name, page_size=None, fields=False)
        done = collect(session, system, **own)
    finally:
        # Without patience for the requests that get no answer.
        system.stop("sandbox", patience=0)
        system.database.run(
            "DELETE FROM oura_connections"
            " WHERE user_id IN (SELECT id FROM accounts_user WHERE username LIKE 'member%')"
        )
    for name in names:
        _forget(system, name)
    text = f"{count} people, {days} days"
    stored = sum(tally["created"] for tally in done.report["types"].values())
    session.keep(f"{text}: in all", system, [done.seconds], "s")
    session.keep(f"{text}: collector CPU", system, [done.cpu], "s")
    session.keep(f"{text}: processor CPU", system, [done.processor_cpu], "s")
    session.keep(f"{text}: collector, peak", system, [done.peak / 1e6], "MB")
    session.keep(f"{text}: stored", system, [stored], "days")
    failed = {error["user"] for error in done.report["errors"]}
    session.keep(f"{text}: people with errors", system, [len(failed)], "")


def _control(sandbox: str, path: str, /, **body: object) -> None:
    requests.post(f"{sandbox}/_sandbox/{path}", json=body, timeout=30).raise_for_status()


def _connect(system: Django, names: Sequence[str]) -> None:
    """Create accounts, and connect each to the person of that name, as a browser does."""
    present = {name for (name,) in system.database.rows("SELECT username FROM accounts_user")}
    system.create_accounts([name for name in names if name not in present])
    site = system.urls["api"].replace("127.0.0.1", "localhost")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: _connect_one(site, name), names))


def _connect_one(site: str, name: str) -> None:
    with requests.Session() as browser:
        browser.trust_env = False

        def post(path: str, **form: str) -> requests.Response:
            token = browser.cookies["csrftoken"]
            data = {"csrfmiddlewaretoken": token, **form}
            headers = {"Referer": site}
            answer = browser.post(
                site + path, data, headers=headers, allow_redirects=False, timeout=60
            )
            if answer.status_code != 302:
                raise RuntimeError(f"{path} answered {answer.status_code}.")
            return answer

        browser.get(f"{site}/accounts/login/", timeout=60)
        post("/accounts/login/", username=name, password=PASSWORD)
        consent = post("/connect/oura/").headers["Location"]
        asked = {key: values[0] for key, values in parse_qs(urlsplit(consent).query).items()}
        answer = requests.post(
            consent.partition("?")[0],
            data={
                **asked,
                "person": name,
                # Without the prefix that Oura's own names have.
                "granted": [each.rpartition(":")[2] for each in asked["scope"].split()],
                "decision": "allow",
            },
            allow_redirects=False,
            timeout=60,
        )
        done = browser.get(answer.headers["Location"], allow_redirects=False, timeout=60)
        if done.status_code != 302:
            raise RuntimeError(f"Connecting {name} answered {done.status_code}.")
