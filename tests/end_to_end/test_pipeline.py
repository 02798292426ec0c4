"""Sandbox to tables over real HTTP between real processes."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

COLLECTIONS = {
    "sleep": ("daily_sleep", "sleep"),
    "activity": ("daily_activity",),
    "readiness": ("daily_readiness",),
}
COUNTING = ("long_sleep", "sleep", "late_nap")


def minutes(seconds):
    return int(seconds / 60 + 0.5)


def known(values):
    """Contributors as they should be held: Oura's 0 stands for none."""
    return {name: value or None for name, value in values.items()}


def expected_days(pipeline, type_):
    """The days that should be held, by a reckoning independent of the mapping."""
    days = set()
    for collection in COLLECTIONS[type_]:
        days |= {
            document["day"]
            for document in pipeline.at_oura(collection)
            if collection != "sleep" or document["type"] in COUNTING
        }
    return days


def test_the_first_run_brings_the_whole_history_and_the_second_changes_nothing(pipeline):
    first = pipeline.collect()
    assert (first.code, first.report["status"]) == (0, "ok")
    held = {type_: set(pipeline.rows(type_)) for type_ in COLLECTIONS}
    assert held == {type_: expected_days(pipeline, type_) for type_ in COLLECTIONS}
    assert first.counts("created") == {type_: len(days) for type_, days in held.items()}
    again = pipeline.collect("--all")
    assert (again.code, again.counts("unchanged")) == (0, first.counts("created"))


def test_rows_equal_ouras_documents_field_by_field(pipeline):
    pipeline.collect("--type", "activity", "readiness", "sleep")
    activity = pipeline.rows("activity")
    for document in pipeline.at_oura("daily_activity"):
        row = activity[document["day"]]
        assert row["oura_id"] == document["id"]
        for name in ("score", "steps", "active_calories", "total_calories"):
            assert row[name] == document[name]
        for name in ("high", "medium", "low"):
            assert row[f"{name}_activity_minutes"] == minutes(document[f"{name}_activity_time"])
        assert row["contributors"] == known(document["contributors"])
    readiness = pipeline.rows("readiness")
    for document in pipeline.at_oura("daily_readiness"):
        row = readiness[document["day"]]
        for name in ("score", "temperature_deviation", "temperature_trend_deviation"):
            assert row[name] == document[name]
    sleep, asleep = pipeline.rows("sleep"), {}
    for period in pipeline.at_oura("sleep"):
        if period["type"] in COUNTING:
            asleep[period["day"]] = asleep.get(period["day"], 0) + period["total_sleep_duration"]
    for day, row in sleep.items():
        assert row["duration"] == asleep.get(day)
    for document in pipeline.at_oura("daily_sleep"):
        row = sleep[document["day"]]
        assert (row["oura_id"], row["score"]) == (document["id"], document["score"])


@pytest.mark.parametrize("page_size", ["7", "1"])
def test_pages_of_any_size_are_followed_to_the_last(pipeline, page_size):
    from tests.processes import Pipeline, Service

    small = Service(
        "sandbox",
        {"SANDBOX_DAYS": "20", "SANDBOX_PAGE_SIZE": page_size, "SANDBOX_TODAY": ""},
    ).start()
    try:
        paged = Pipeline(small, pipeline.processor)
        run = paged.collect("--type", "activity")
        days = {document["day"] for document in paged.at_oura("daily_activity")}
        assert (run.code, set(paged.rows("activity"))) == (0, days)
    finally:
        small.stop()


def test_killed_at_random_moments_and_run_once_more_it_is_complete(pipeline):
    chance = random.Random(7)
    for _ in range(6):
        process = pipeline.popen()
        threading.Event().wait(chance.uniform(1.0, 2.5))
        process.kill()
        process.communicate()
    assert pipeline.collect().code == 0
    for type_ in COLLECTIONS:
        assert set(pipeline.rows(type_)) == expected_days(pipeline, type_)


@pytest.mark.parametrize(
    "fault", ["rate_limit", "server_error", "slow", "truncated", "malformed", "timeout"]
)
def test_a_passing_fault_is_outlived(pipeline, fault):
    pipeline.fault(fault, times=2, retry_after=1)
    run = pipeline.collect("--days", "20")
    assert (run.code, run.report["status"]) == (0, "ok")


@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
def test_a_refusal_of_one_type_is_named_and_the_others_are_collected(pipeline, fault):
    pipeline.fault(fault, times=1000, path="daily_readiness")
    run = pipeline.collect()
    assert (run.code, run.report["status"]) == (1, "partial")
    assert {error["type"] for error in run.report["errors"]} == {"readiness"}
    assert run.counts("failed")["sleep"] == 0
    assert len(pipeline.rows("activity")) > 100


def test_a_lasting_failure_of_one_collection_is_named_and_mended_by_the_next_run(pipeline):
    pipeline.fault("server_error", times=1000, path="daily_activity")
    run = pipeline.collect("--type", "activity", "readiness")
    assert run.code == 1
    assert len(pipeline.rows("readiness")) > 100
    pipeline.clear_faults()
    assert pipeline.collect().code == 0
    assert set(pipeline.rows("activity")) == expected_days(pipeline, "activity")


def test_all_faults_together_end_complete_or_named(pipeline):
    for fault in ("rate_limit", "server_error", "truncated", "malformed", "slow"):
        pipeline.fault(fault, times=3, retry_after=1)
    run = pipeline.collect("--days", "30")
    assert run.code == (1 if run.report["errors"] else 0)
    pipeline.clear_faults()
    assert pipeline.collect().code == 0
    for type_ in COLLECTIONS:
        assert set(pipeline.rows(type_)) == expected_days(pipeline, type_)


def test_a_recomputed_day_is_brought_up_to_date(pipeline):
    pipeline.collect("--days", "20")
    day = sorted(pipeline.rows("readiness"))[-3]
    pipeline.control("recompute", name="demo", type="daily_readiness", day=day, new_id=True)
    run = pipeline.collect("--type", "readiness")
    document = next(each for each in pipeline.at_oura("daily_readiness") if each["day"] == day)
    row = pipeline.rows("readiness")[day]
    assert run.counts("updated") == {"readiness": 1}
    assert (row["oura_id"], row["score"]) == (document["id"], document["score"])


def test_a_day_that_synced_late_arrives_however_late(pipeline):
    day = sorted(document["day"] for document in pipeline.at_oura("daily_readiness"))[20]
    pipeline.control("remove", name="demo", type="daily_readiness", day=day)
    pipeline.collect("--type", "readiness")
    assert day not in pipeline.rows("readiness")
    pipeline.control("restore", name="demo", type="daily_readiness", day=day)
    pipeline.collect("--type", "readiness")
    assert day in pipeline.rows("readiness")


def test_two_collectors_at_once_do_no_harm(pipeline):
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: pipeline.collect(), range(2)))
    assert [run.code for run in runs] == [0, 0]
    created = sum(sum(run.counts("created").values()) for run in runs)
    assert created == sum(len(pipeline.rows(type_)) for type_ in COLLECTIONS)


def test_a_dry_run_stores_nothing(pipeline):
    run = pipeline.collect("--days", "5", "--dry-run")
    assert run.code == 0
    assert run.counts("fetched")["activity"] > 0
    assert pipeline.rows("activity") == {}


def test_the_processor_away_is_told_with_what_to_do(pipeline):
    run = pipeline.collect("--days", "2", PROCESSOR_URL="http://127.0.0.1:9")
    assert (run.code, run.report["status"]) == (1, "failed")
    assert "PROCESSOR_URL" in run.report["errors"][0]["error"]


def test_a_wrong_ingest_token_is_told_with_what_to_do(pipeline):
    run = pipeline.collect("--days", "2", INGEST_TOKENS="not-the-right-token-at-all")
    assert run.code == 1
    assert "INGEST_TOKENS" in run.report["errors"][0]["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--start", "yesterday"),
        ("--days", "0"),
        ("--type", "mood"),
        ("--days", "3", "--all"),
        ("--start", "2026-02-02", "--end", "2026-02-01"),
        ("--user", "ben"),
    ],
)
def test_wrong_usage_is_code_2(pipeline, arguments):
    assert pipeline.collect(*arguments).code == 2


def test_missing_configuration_is_code_2_and_named(pipeline):
    run = pipeline.collect(OURA_API_KEY="")
    assert run.code == 2
    assert "OURA_API_KEY" in run.stderr


def test_no_token_is_ever_logged(pipeline):
    pipeline.fault("unauthorized", times=2)
    run = pipeline.collect("--days", "3", LOG_LEVEL="debug")
    key = pipeline.environment()["OURA_API_KEY"]
    assert key not in run.stdout + run.stderr


def test_run_figures_are_written_for_prometheus_and_counted_on(pipeline, tmp_path):
    file = tmp_path / "collector.prom"
    pipeline.collect("--days", "3", METRICS_TEXTFILE=str(file))
    pipeline.collect("--days", "3", METRICS_TEXTFILE=str(file))
    assert 'collector_runs_total{status="ok"} 2.0' in file.read_text()
    assert "collector_last_successful_run_timestamp_seconds" in file.read_text()
