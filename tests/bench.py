"""`make bench`: the cost of the usual work, as ratios measured in one run on one machine.

    make bench                 3,653 days of each type
    make bench ARGS="365"      another length
    make bench ARGS="everyone" fifty connected people in one run, three of them with errors

Times are relative to that of bare psycopg, which writes the same rows in the same run: machines
differ and are shared.
"""

import os
import sys
import time
from datetime import date, timedelta
from statistics import median

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
import tests.environment  # noqa: E402, F401  the settings read it

ROUNDS = 3
# What the collector sends at once, some 2 MiB.
BATCH = 250
COLLECT = (sys.executable, "manage.py", "collect_oura", "--output", "json")


def documents(type_, days):
    """Documents of plausible size: a source of some 8 kB a day, as Oura's are."""
    columns = {
        "sleep": {"duration": 27000, "time_in_bed": 30000, "average_hrv": 61, "efficiency": 90},
        "activity": {"steps": 9000, "active_calories": 400, "high_activity_minutes": 12},
        "readiness": {"temperature_deviation": -0.12},
    }[type_]
    source = {"items": [round(50 + n / 7, 1) for n in range(1400)]}
    return [
        {
            "id": f"{type_}-{n}",
            "day": str(date(2015, 1, 1) + timedelta(days=n)),
            "score": 40 + n % 60,
            "contributors": {"timing": 80, "latency": 70},
            "source": source,
            **columns,
        }
        for n in range(days)
    ]


def send_all(service, user, days):
    import orjson
    import requests

    from tests.processes import TOKEN

    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
    seconds = 0.0
    for type_ in ("sleep", "activity", "readiness"):
        rows = documents(type_, days)
        for start in range(0, days, BATCH):
            body = orjson.dumps({"type": type_, "user": user, "data": rows[start : start + BATCH]})
            began = time.perf_counter()
            answer = session.post(f"{service.url}/api/v1/ingest", data=body, timeout=120)
            seconds += time.perf_counter() - began
            assert answer.status_code == 201, answer.text
    return seconds


def write_bare(days):
    """Write the same rows with bare psycopg: COPY into a similar table; return the seconds."""
    import orjson
    import psycopg

    from tests.processes import database_environment

    where = database_environment()
    seconds = 0.0
    with psycopg.connect(
        host=where["DB_HOST"],
        port=where["DB_PORT"],
        user=where["DB_USER"],
        password=where["DB_PASSWORD"],
        dbname=where["DB_NAME"],
    ) as connection:
        connection.execute(
            "CREATE TEMP TABLE bare (id bigserial PRIMARY KEY, oura_id text UNIQUE, day date, "
            "score int, contributors jsonb, source jsonb)"
        )
        for type_ in ("sleep", "activity", "readiness"):
            rows = documents(type_, days)
            for start in range(0, days, BATCH):
                batch = rows[start : start + BATCH]
                began = time.perf_counter()
                with connection.cursor().copy(
                    "COPY bare (oura_id, day, score, contributors, source) FROM STDIN"
                ) as copy:
                    for each in batch:
                        copy.write_row(
                            (
                                each["id"],
                                each["day"],
                                each["score"],
                                orjson.dumps(each["contributors"]).decode(),
                                orjson.dumps(each["source"]).decode(),
                            )
                        )
                connection.commit()
                seconds += time.perf_counter() - began
        connection.execute("DROP TABLE bare")
    return seconds


def print_peak(name, bytes_):
    sys.stdout.write(f"peak memory of {name}: {bytes_ / 1e6:.0f} MB\n")


def peak_of_tree(pid):
    """Return the highest peak memory of the process and its children, on Linux, in bytes."""
    from pathlib import Path

    tree = [pid, *(int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    peaks = []
    for each in tree:
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        peaks.append(
            next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
        )
    return max(peaks)


def main():
    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    from tests.processes import Service, database_environment
    from tests.worlds import person

    arguments = sys.argv[1:]
    if arguments[:1] == ["everyone"]:
        return measure_everyone(int(arguments[1]) if len(arguments) > 1 else 365)
    days = int(arguments[0]) if arguments else 3653
    databases = setup_databases(verbosity=0, interactive=False)
    where = database_environment()
    services = [
        Service("processor", where).start(),
        Service("api", where).start(),
        Service("sandbox", {"SANDBOX_DAYS": str(days)}).start(),
    ]
    try:
        person("ana")
        sys.stdout.write(f"3 x {days} documents, median of {ROUNDS} rounds\n")
        base = measure_ingest(services[0], days)
        measure_pipeline(*services, base)
        measure_ledger()
        measure_eight(services[0], services[2], where)
    finally:
        for service in services:
            service.stop()
        teardown_databases(databases, verbosity=0)


def print_ratio(name, seconds, base):
    sys.stdout.write(f"{name:<34}{seconds:>8.2f} s   {seconds / base:>6.2f} x bare\n")


def measure_ingest(processor, days):
    """Print the processor's figures; return the seconds of the bare write."""
    figures = {"bare psycopg": [], "ingest over HTTP, new": [], "ingest over HTTP, again": []}
    for _ in range(ROUNDS):
        bare, new, again = figures.values()
        bare.append(write_bare(days))
        new.append(send_all(processor, "ana", days))
        again.append(send_all(processor, "ana", days))
        forget(processor)
    base = median(figures["bare psycopg"])
    for name, seconds in figures.items():
        print_ratio(name, median(seconds), base)
    return base


def measure_pipeline(processor, api, sandbox, base):
    """Print the figures of a collection from the sandbox, and of reading the rows from the API."""
    import subprocess

    from tests.processes import ROOT, Pipeline, measured, peak_bytes
    from tests.worlds import PASSWORDS

    pipeline = Pipeline(sandbox, processor)
    for name in ("collect the history, new", "collect it all again (--all)"):
        began = time.perf_counter()
        done = subprocess.run(
            measured([*COLLECT, "--all"]),
            cwd=ROOT,
            env=pipeline.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        print_ratio(name, time.perf_counter() - began, base)
    access = api.post("/auth/login", username="ana", password=PASSWORDS["ana"])["access"]
    for name in ("sleep?start=2010-01-01", "dashboard"):
        began = time.perf_counter()
        read(api, name, access)
        print_ratio(f"GET /api/v1/{name}", time.perf_counter() - began, base)
    print_peak("the collector", peak_bytes(done.stderr))
    for service in (processor, api, sandbox):
        print_peak(f"the {service.name}", peak_of_tree(service.process.pid))


def measure_ledger():
    """Print the time of the full ledger, relative to a bare read of the stored days."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.utils import timezone

    from ingest.facts import facts_parameters, facts_query
    from ingest.ledger import full_ledger
    from ingest.models import METRIC_MODELS, Fetch
    from myhealth.days import FIRST_DAY

    ana = get_user_model().objects.get(username="ana")

    def bare():
        for model in METRIC_MODELS.values():
            days = model.objects.filter(user_id=ana.pk).order_by("day")
            list(days.values_list("day", "missing_collection", "created_at"))

    def full():
        full_ledger(ana.pk, now=timezone.now())

    def query():
        with connection.cursor() as cursor:
            cursor.execute(facts_query(), facts_parameters(ana.pk, FIRST_DAY))
            cursor.fetchall()

    times = {
        name: milliseconds(work)
        for name, work in (
            ("days stored, bare", bare),
            ("ledger, its query", query),
            ("ledger, in full", full),
        )
    }
    for name, each in times.items():
        base = times["days stored, bare"]
        sys.stdout.write(f"{name:<34}{each:>8.1f} ms  {each / base:>6.2f} x bare\n")
    sys.stdout.write(f"fetches kept: {Fetch.objects.filter(user=ana).count()}\n")


def milliseconds(work):
    times = []
    for _ in range(21):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return median(times)


def read(api, path, access):
    import requests

    headers = {"Authorization": f"Bearer {access}"}
    answer = requests.get(f"{api.url}/api/v1/{path}", headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def connect(at_oura, names):
    """Make accounts that are connected to these people; return the collector's settings."""
    from cryptography.fernet import Fernet
    from django.test import override_settings

    from oura import connections
    from tests.processes import TOKEN
    from tests.worlds import person

    key = Fernet.generate_key().decode()
    with override_settings(**at_oura.settings(), TOKEN_ENCRYPTION_KEYS=[key]):
        for name in names:
            user = person(name, password_of="ana")
            connections.connect(user, at_oura.code(person=name), "v" * 50)
    return {**at_oura.settings(), "TOKEN_ENCRYPTION_KEYS": key, "INGEST_TOKENS": TOKEN}


def measure_eight(processor, sandbox, where):
    """Print the collector's memory for eight people at once, whose lists are one page each."""
    import subprocess

    from tests.oura.provided import Provider
    from tests.processes import ROOT, measured, peak_bytes

    at_oura = Provider(sandbox)
    names = [f"member{number}" for number in range(1, 9)]
    own = connect(at_oura, names)
    for name in names:
        at_oura.control("limits", name=name, page_size=None, fields=False)
    done = subprocess.run(
        measured(COLLECT),
        cwd=ROOT,
        env={**os.environ, **where, **own, "PROCESSOR_URL": processor.url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    print_peak("the collector, eight people at once", peak_bytes(done.stderr))


def measure_everyone(days, count=50):
    """Collect for `count` connected people; one is revoked, one gets bad data, one is slow."""
    import json
    import subprocess

    from django.test.utils import setup_databases, teardown_databases

    from ingest.models import ReadinessMetric, SleepMetric
    from tests.oura.provided import Provider
    from tests.processes import ROOT, Service, database_environment

    databases = setup_databases(verbosity=0, interactive=False)
    where = database_environment()
    processor = Service("processor", where).start()
    sandbox = Service("sandbox", {"SANDBOX_DAYS": str(days)}).start()
    at_oura = Provider(sandbox)
    names = [f"member{number}" for number in range(1, count + 1)]
    try:
        own = connect(at_oura, names)
        at_oura.control("grants/revoke", name="member1")
        at_oura.control(
            "faults", fault="malformed", name="member2", path="daily_readiness", times=100_000
        )
        at_oura.control("faults", fault="timeout", name="member3", times=100_000)
        own |= {"PROCESSOR_URL": processor.url, "COLLECTOR_TIMEOUT": "10"}
        began = time.perf_counter()
        done = subprocess.run(
            COLLECT,
            cwd=ROOT,
            env={**os.environ, **where, **own},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        report = json.loads(done.stdout.splitlines()[-1])
        names_with_errors = sorted({error["user"] for error in report["errors"]})
        complete = [
            name
            for name in names
            if SleepMetric.objects.filter(user__username=name).count() > days / 2
            and ReadinessMetric.objects.filter(user__username=name).count() > days / 2
        ]
        sys.stdout.write(
            f"{count} people x {days} days x 3 types in one run: {seconds:.0f} s, "
            f"{sum(tally['created'] for tally in report['types'].values())} days stored\n"
            f"exit code {done.returncode}; complete: {len(complete)}; "
            f"with errors: {', '.join(names_with_errors)}\n"
        )
    finally:
        processor.stop()
        sandbox.kill()
        teardown_databases(databases, verbosity=0)


def forget(service):
    import requests

    answer = requests.delete(
        f"{service.url}/api/v1/people/ana",
        headers={"Authorization": "Bearer control-token-for-tests"},
        timeout=60,
    )
    assert answer.status_code == 204


if __name__ == "__main__":
    main()
