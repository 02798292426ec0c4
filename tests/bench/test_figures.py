"""How the benchmark reads what was measured, and makes up what it sends."""

import os
import signal
import sys
import uuid
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import orjson
import psutil
import pytest

from bench import collecting, items, load, machine, people, systems
from bench.database import statements_in
from bench.load import Figures, Request
from bench.people import Person, Tokens, Writing
from tests.processes import ROOT, wait_until

TOLD = {"requests": 100, "seconds": 2.0, "p50_ms": 1.5, "p99_ms": 9.0, "bad": 0}
FIGURES = load.figures(TOLD, services=0.5, database=0.25)


def test_report_of_the_script_is_found_among_wrks_lines():
    line = 'bench {"requests": 100, "seconds": 2.0, "p50_ms": 1.5, "p99_ms": 9.0, "bad": 0}'
    assert load.parse(f"Running 2s test @ http://127.0.0.1\n{line}\n") == TOLD


def test_wrk_that_failed_has_no_report():
    assert load.parse("unable to connect to 127.0.0.1:1 Connection refused\n") is None


def test_figures_are_per_request():
    assert Figures(100, 50.0, 1.5, 9.0, 0, cpu_ms=5.0, db_ms=2.5) == FIGURES


def test_figures_of_lists_are_per_document():
    figures = load.figures(TOLD, services=0.5, database=0.25, unit=1000)
    assert (figures.per_second, figures.cpu_ms, figures.db_ms) == (50_000, 0.005, 0.0025)


def test_no_request_divides_by_nothing():
    figures = load.figures({**TOLD, "requests": 0, "seconds": 0.0}, services=0.5, database=0.0)
    assert (figures.requests, figures.per_second) == (0, 0)


@pytest.mark.parametrize(
    ("rates", "median"), [([3], 3), ([1, 9, 5], 5), ([1, 9], 1), ([4, 2, 8, 6], 4)]
)
def test_median_round_is_one_of_the_rounds(rates, median):
    assert load.middle([replace(FIGURES, per_second=rate) for rate in rates]).per_second == median


def test_runs_together_count_by_their_requests():
    short = load.figures({**TOLD, "requests": 25}, services=0.25, database=0.0)
    both = load.together([FIGURES, short])
    assert (both.requests, both.per_second, both.bad) == (125, 125 / 4, 0)
    assert both.cpu_ms == pytest.approx(1000 * 0.75 / 125)
    assert both.db_ms == pytest.approx(1000 * 0.25 / 125)


def test_request_is_a_line_with_five_parts():
    request = Request("/api/v1/ingest", "POST", "a-token", body=b'{"type":"sleep"}')
    assert request.line() == b'POST\t/api/v1/ingest\ta-token\t\t{"type":"sleep"}'


def test_statements_are_those_before_the_last():
    log = (
        "2026-03-01 LOG:  statement: BEGIN\n"
        "2026-03-01 LOG:  execute _pg3_0: SELECT day\n\tFROM sleep_metrics\n"
        "2026-03-01 LOG:  execute <unnamed>: INSERT INTO fetches\n"
        "2026-03-01 DETAIL:  Parameters: $1 = 'a'\n"
        "2026-03-01 LOG:  checkpoint starting: time\n"
        "2026-03-01 LOG:  statement: SELECT 'the end'"
    )
    assert statements_in(log) == ["BEGIN", "SELECT day", "INSERT INTO fetches"]


def test_random_ranges_are_held_days_and_hardly_repeat():
    first, last = people.today() - timedelta(days=3652), people.today()
    for days in (30, 365, 3650):
        ranges = items.random_ranges(days, 3653, 2000)
        assert all(str(first) <= start <= end <= str(last) for start, end in ranges)
        assert len(set(ranges)) > 1800


def test_documents_are_never_written_twice():
    made = []

    def create(names):
        made.extend(names)
        return [Person(number, name) for number, name in enumerate(names)]

    writing = Writing(create, 1000)
    bodies = [orjson.loads(body) for count in (3, 300) for body in writing.bodies(count)]
    days = [(body["user"], document["day"]) for body in bodies for document in body["data"]]
    assert len(days) == len(set(days)) == 303_000
    assert {body["user"] for body in bodies} <= set(made)


def test_single_document_is_no_list():
    [body] = Writing(lambda names: [Person(1, name) for name in names], 1).bodies(1)
    assert orjson.loads(body)["data"]["day"] == "2011-01-01"


def test_yardstick_writes_no_days_that_are_read():
    [body] = Writing(
        lambda names: [Person(1, name) for name in names], 1, systems.Yardstick.first_written
    ).bodies(1)
    assert orjson.loads(body)["data"]["day"] > str(people.today() + timedelta(days=3653))


def test_command_ends_when_its_measuring_is_stopped(tmp_path):
    path = tmp_path / "pid"
    code = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()} '); time.sleep(60)"

    def stop():
        wait_until(lambda: path.exists() and path.read_text().endswith(" "))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    Thread(target=stop).start()
    try:
        with pytest.raises(SystemExit):
            command = [sys.executable, "-c", code, str(path)]
            collecting.run_measured(command, cwd=ROOT, env=dict(os.environ))
    finally:
        signal.signal(signal.SIGTERM, before)
    wait_until(lambda: not psutil.pid_exists(int(path.read_text())))


@pytest.mark.parametrize("id_", [7, "7"])
def test_token_is_like_another_but_for_the_person(id_):
    held = {"user_id": id_, "jti": "a", "iat": 100, "exp": 1000, "version": 1}
    new = [new_token(held, 8) for _ in range(2)]
    assert new[0]["user_id"] == type(id_)(8)
    assert new[0]["version"] == 1
    assert new[0]["exp"] - new[0]["iat"] == 900
    assert new[0]["jti"] != new[1]["jti"]


def test_token_of_another_person_has_that_persons_family():
    held = {"user_id": "7", "family": "a family", "iat": 100, "exp": 1000}
    assert new_token(held, 7)["family"] == "a family"
    assert new_token(held, 8)["family"] == str(uuid.UUID(int=8))


def new_token(held, id_):
    import jwt

    secret = "a secret of the test, which is long enough"
    tokens = Tokens(jwt.encode(held, secret, algorithm="HS256"), secret)
    return jwt.decode(tokens.new(Person(id_, "")), secret, algorithms=["HS256"])


def test_cpu_time_of_this_process_grows():
    before = machine.cpu_seconds([os.getpid()])
    sum(range(1_000_000))
    assert machine.cpu_seconds([os.getpid()]) > before


def test_machine_is_described():
    described = machine.describe()
    assert described["cores"] >= 1
    assert described["versions"]["Django"]
