"""Several accounts in one run: a failure of one does not affect the others."""

import threading
from dataclasses import dataclass, field
from datetime import date

import pytest
import structlog
from django.db import OperationalError

from metrics import TYPES
from myhealth.days import Days
from oura.accounts import KeyAccount
from oura.client import OuraClient
from oura.collecting import collect_accounts
from oura.plan import CollectOptions
from tests.oura.answering import Reply

ALL_STORED = {
    "from": "2010-01-01",
    "to": "2030-01-01",
    "state": "held",
    "why": "",
    "reason": None,
    "asked_at": "2026-10-27T00:00:00Z",
    "next_at": None,
    "times": 0,
}


@dataclass(frozen=True)
class Account(KeyAccount):
    """Records in `calls` how its client was requested; `broken` raises an error."""

    url: str
    calls: list[object]
    broken: Exception | None = None
    noted: list[str] = field(default_factory=list)

    def begin(self, *, is_whole):
        self.noted.append("began" if is_whole else "began a part")

    def finish(self, report, *, is_whole):
        self.noted.append("finished" if is_whole else "finished a part")

    def client(self, retry_time):
        fields = structlog.contextvars.get_contextvars()
        self.calls.append((self.user, fields.get("request_id"), threading.current_thread()))
        if self.broken:
            raise self.broken
        return OuraClient(self.url, self.key, retry_time=retry_time)


@pytest.fixture
def run(serve, settings):
    """Collect accounts by their names; `broken` is one of them, and raises `error`."""
    oura = serve(lambda request: Reply({"data": [], "next_token": None, "id": "an-id"}))
    processor = serve(
        lambda request: (
            Reply(dict.fromkeys(TYPES, [ALL_STORED]))
            if request.method == "GET"
            else Reply({"created": 0, "updated": 0, "unchanged": 0, "rejected": []}, 201)
        )
    )
    settings.PROCESSOR_URL, settings.OURA_API_URL = processor.url, oura.url

    def run(*names, broken=None, error=None, calls=None, progress=lambda *_: None):
        calls = [] if calls is None else calls
        error = error or ZeroDivisionError()
        accounts = [
            Account(name, "key", oura.url, calls, error if name == broken else None)
            for name in names
        ]
        return collect_accounts(accounts, list(TYPES), CollectOptions(), "a-run", progress), calls

    return run


def test_run_without_accounts_is_ok(run):
    assert run()[0].status == "ok"


def test_one_account_is_collected_in_the_main_thread(run):
    _, [(_, _, thread)] = run("ana")
    assert thread is threading.main_thread()


def test_several_accounts_are_collected_in_threads(run):
    _, calls = run("ana", "ben")
    assert {name for name, *_ in calls} == {"ana", "ben"}
    assert threading.main_thread() not in {thread for *_, thread in calls}


@pytest.mark.parametrize("names", [["ana"], ["ana", "ben"]])
def test_every_thread_logs_the_runs_request_id(run, names):
    assert {request_id for _, request_id, _ in run(*names)[1]} == {"a-run"}


@pytest.mark.parametrize("names", [["ana"], ["ana", "ben", "cem"]])
def test_unexpected_error_affects_one_account_only(run, names):
    report, calls = run(*names, broken="ana")
    [problem] = report.problems
    assert (problem.user, problem.type, problem.kind) == ("ana", "all", "error")
    assert "Unexpected ZeroDivisionError" in problem.error
    assert {name for name, *_ in calls} == set(names)
    assert all(tally.failed == 0 for tally in report.tallies.values())


def test_database_that_fails_is_named_without_traceback(run, caplog):
    report, _ = run("ana", broken="ana", error=OperationalError("the connection is lost"))
    [problem] = report.problems
    assert problem.error.startswith("No PostgreSQL server answers: check DB_HOST")
    assert not any(record.exc_info for record in caplog.records)


def test_interrupted_run_begins_nobody_else(run, settings):
    settings.COLLECTOR_THREADS = 1
    calls = []

    def interrupt(work, done, total):
        if done:
            raise KeyboardInterrupt

    names = [f"person{number}" for number in range(20)]
    with pytest.raises(KeyboardInterrupt):
        run(*names, calls=calls, progress=interrupt)
    assert 0 < len(calls) < len(names)


@pytest.mark.parametrize(
    ("types", "options", "noted"),
    [
        (TYPES, {}, ["began", "finished"]),
        (TYPES, {"everything": True}, ["began", "finished"]),
        (["sleep"], {}, ["began a part", "finished a part"]),
        (
            TYPES,
            {"days": Days(date(2026, 3, 1), date(2026, 3, 2))},
            ["began a part", "finished a part"],
        ),
        (TYPES, {"dry_run": True}, []),
        (TYPES, {"plan_only": True}, []),
    ],
)
def test_collections_that_store_are_noted(run, settings, types, options, noted):
    account = Account("ana", "key", settings.OURA_API_URL, [])
    collect_accounts([account], list(types), CollectOptions(**options), "a-run", lambda *_: None)
    assert account.noted == noted
