"""Plans, repairs, reasons and revisions, through the real processes."""

from datetime import date, timedelta

import pytest
import requests

from ingest.models import Fetch, Revision, Run
from metrics import TYPES
from tests.processes import TOKEN
from tests.scale import full_only
from tests.worlds import PASSWORDS


def day_ago(pipeline, number):
    today = date.fromisoformat(pipeline.sandbox.environment["SANDBOX_TODAY"])
    return (today - timedelta(days=number)).isoformat()


def day_with_readiness(pipeline, ago=3):
    """Return the newest day with readiness that is at least so many days ago."""
    end = day_ago(pipeline, ago)
    return max(document["day"] for document in pipeline.at_oura("daily_readiness", end=end))


def ledger(pipeline, type_="readiness"):
    answer = requests.get(
        f"{pipeline.processor.url}/api/v1/metrics/ledger",
        params={"user": "ana"},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    return answer.json()[type_]


def state(pipeline, day, type_="readiness"):
    [match] = [each for each in ledger(pipeline, type_) if each["from"] <= day <= each["to"]]
    return match


@pytest.fixture
def api(api_process, ana):
    """A function that sends GET requests to the API as ana."""
    login = {"username": "ana", "password": PASSWORDS["ana"]}
    token = requests.post(f"{api_process.url}/auth/login", json=login).json()["token"]

    def get(path, **query):
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(
            f"{api_process.url}/api/v1/{path}", params=query, headers=headers
        ).json()

    return get


def test_plan_lists_ranges_with_reasons_and_sends_no_request(pipeline):
    before = pipeline.requests()
    run = pipeline.collect("--plan", "--type", "sleep")
    [plan] = run.report["plans"]
    assert (run.code, pipeline.requests()) == (0, before)
    assert [(each["from"], each["why"]) for each in plan["types"]["sleep"]][1:] == [
        ("2010-01-01", "never fetched")
    ]


def test_plan_is_readable_as_text(pipeline):
    process = pipeline.popen("--plan", "--type", "sleep", "--output", "text")
    stdout, _ = process.communicate(timeout=60)
    assert stdout.splitlines()[0].endswith("the last 14 days")
    assert "sleep: 2010-01-01 to " in stdout


@full_only
def test_denied_access_is_no_permission_with_status(pipeline):
    pipeline.fault("forbidden", times=1000, path="daily_readiness")
    pipeline.collect("--type", "readiness")
    result = state(pipeline, day_ago(pipeline, 3))
    assert result["state"] == "no_permission"
    assert "access to the day's readiness (HTTP status 403)" in result["reason"]


@full_only
def test_failure_has_its_page_and_time_of_next_try(pipeline):
    pipeline.fault("server_error", times=1000, path="daily_readiness")
    pipeline.collect("--type", "readiness", "--days", "9")
    result = state(pipeline, day_ago(pipeline, 3))
    assert (result["state"], result["next_at"] is not None) == ("failed", True)
    assert (
        "the day's readiness failed on page 1: no answer from Oura (HTTP status 50"
        in result["reason"]
    )


@full_only
def test_repair_fetches_day_before_its_next_try(pipeline):
    day = day_with_readiness(pipeline, 150)
    pipeline.control("remove", name="demo", type="daily_readiness", day=day)
    for _ in range(3):
        pipeline.collect("--type", "readiness")
    pipeline.control("restore", name="demo", type="daily_readiness", day=day)
    pipeline.collect("--type", "readiness")
    assert state(pipeline, day)["state"] == "none"
    run = pipeline.collect("--type", "readiness", "--repair")
    assert (run.code, run.counts("created")) == (0, {"readiness": 1})
    assert state(pipeline, day)["state"] == "held"


@full_only
def test_repair_and_all_exclude_each_other(pipeline):
    assert pipeline.collect("--repair", "--all").code == 2


def test_api_says_why_day_is_missing(pipeline, api):
    day = day_with_readiness(pipeline, 20)
    pipeline.control("remove", name="demo", type="daily_readiness", day=day)
    pipeline.collect()
    [result] = api("coverage", start=day, end=day)["readiness"]["ranges"]
    pipeline.control("restore", name="demo", type="daily_readiness", day=day)
    assert result == {
        "from": day,
        "to": day,
        "state": "none",
        "reason": "Oura has no data that counts, although the ring has synced since.",
    }


@full_only
def test_recomputed_day_has_revision_with_earlier_value(pipeline, api):
    day = day_with_readiness(pipeline)
    pipeline.collect("--type", "readiness")
    before = pipeline.rows("readiness")[day]["score"]
    pipeline.control("recompute", name="demo", type="daily_readiness", day=day)
    pipeline.collect("--type", "readiness")
    [revision] = api(f"days/{day}")["revisions"]
    after = pipeline.rows("readiness")[day]["score"]
    assert (revision["kind"], revision["changes"]["score"]) == ("changed", [before, after])


@full_only
def test_day_removed_at_oura_becomes_revision(pipeline, api):
    day = day_with_readiness(pipeline)
    pipeline.collect("--type", "readiness")
    row = pipeline.rows("readiness")[day]
    pipeline.control("remove", name="demo", type="daily_readiness", day=day)
    pipeline.collect("--type", "readiness")
    body = api(f"days/{day}")
    pipeline.control("restore", name="demo", type="daily_readiness", day=day)
    assert body["readiness"] is None
    [revision] = body["revisions"]
    assert (revision["kind"], revision["values"]["score"]) == ("removed", row["score"])
    assert revision["source"]["daily_readiness"]["id"] == row["oura_id"]


def test_run_is_recorded_with_its_counts(pipeline):
    pipeline.collect()
    [run] = Run.objects.all()
    assert (run.newest, run.failures, run.healed) == (True, 0, 0)
    assert run.created == sum(len(pipeline.rows(type_)) for type_ in TYPES)
    assert Fetch.objects.filter(run=run.request_id).exists()


def test_second_run_changes_nothing(pipeline):
    pipeline.collect()
    before = {(each["from"], each["state"]) for each in ledger(pipeline, "sleep")}
    pipeline.collect()
    after = {(each["from"], each["state"]) for each in ledger(pipeline, "sleep")}
    assert {each for each in before if each[1] != "held"} <= after
    assert not Revision.objects.exists()
