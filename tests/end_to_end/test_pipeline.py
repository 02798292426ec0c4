"""Sandbox to tables over real HTTP between real processes."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.core.management import execute_from_command_line

from metrics import TYPES
from tests.processes import PATIENCE, Pipeline, Service, database_environment, wait_until
from tests.scale import full_only, scaled

COLLECTIONS = {name: each.collections for name, each in TYPES.items()}
COUNTING = ("long_sleep", "sleep", "late_nap")
SUMS = {
    "duration": "total_sleep_duration",
    "time_in_bed": "time_in_bed",
    "deep_sleep_duration": "deep_sleep_duration",
    "light_sleep_duration": "light_sleep_duration",
    "rem_sleep_duration": "rem_sleep_duration",
    "awake_time": "awake_time",
}
OF_THE_MAIN_PERIOD = ["latency", "efficiency", "average_heart_rate", "lowest_heart_rate"]
OF_THE_MAIN_PERIOD += ["average_hrv", "average_breath", "bedtime_start", "bedtime_end"]


def importance(period):
    return (
        period["type"] == "long_sleep",
        period["type"] == "sleep",
        period["total_sleep_duration"],
    )


def sentinel(name, value):
    return None if (name, value) == ("lowest_heart_rate", 255) else value


def minutes(seconds):
    return int(seconds / 60 + 0.5)


def known(values):
    """Contributors as they should be held: Oura's 0 stands for none."""
    return {name: value or None for name, value in values.items()}


def days_ago(pipeline, number):
    """A day before the last of the sandbox's."""
    today = date.fromisoformat(pipeline.sandbox.environment["SANDBOX_TODAY"])
    return (today - timedelta(days=number)).isoformat()


def expected_days(pipeline, type_, start=""):
    """The days that should be held from a day on, by a reckoning independent of the mapping."""
    days = set()
    for collection in COLLECTIONS[type_]:
        days |= {
            document["day"]
            for document in pipeline.at_oura(collection)
            if collection != "sleep" or document["type"] in COUNTING
        }
    return {day for day in days if day >= start}


def test_first_run_stores_history_and_second_changes_nothing(pipeline):
    first = pipeline.collect()
    assert (first.code, first.report["status"]) == (0, "ok")
    held = {type_: set(pipeline.rows(type_)) for type_ in COLLECTIONS}
    assert held == {type_: expected_days(pipeline, type_) for type_ in COLLECTIONS}
    assert first.counts("created") == {type_: len(days) for type_, days in held.items()}
    again = pipeline.collect("--all")
    assert (again.code, again.counts("unchanged")) == (0, first.counts("created"))


def another(pipeline, **changed):
    """A pipeline from another sandbox into the same account, for a fixture to yield."""
    service = Service("sandbox", {**pipeline.sandbox.environment, **changed}).start()
    yield Pipeline(service, pipeline.processor)
    service.stop()


@pytest.fixture
def years(pipeline):
    """A long history, to be collected into the same account."""
    yield from another(pipeline, SANDBOX_DAYS="1600")


@full_only
def test_rows_equal_ouras_documents_field_by_field(years):
    pipeline = years
    assert pipeline.collect().code == 0
    activity = pipeline.rows("activity")
    assert set(activity) == expected_days(pipeline, "activity")
    for document in pipeline.at_oura("daily_activity"):
        row = activity[document["day"]]
        assert row["oura_id"] == document["id"]
        for name in ("score", "steps", "active_calories", "total_calories"):
            assert row[name] == document[name]
        assert row["equivalent_walking_distance"] == document["equivalent_walking_distance"]
        for name in ("high", "medium", "low"):
            assert row[f"{name}_activity_minutes"] == minutes(document[f"{name}_activity_time"])
        for name in ("sedentary", "resting"):
            assert row[f"{name}_minutes"] == minutes(document[f"{name}_time"])
        assert row["contributors"] == known(document["contributors"])
    readiness = pipeline.rows("readiness")
    for document in pipeline.at_oura("daily_readiness"):
        row = readiness[document["day"]]
        for name in ("score", "temperature_deviation", "temperature_trend_deviation"):
            assert row[name] == document[name]
        assert (row["oura_id"], row["contributors"]) == (
            document["id"],
            known(document["contributors"]),
        )
    sleep, periods = pipeline.rows("sleep"), {}
    for period in pipeline.at_oura("sleep"):
        if period["type"] in COUNTING:
            periods.setdefault(period["day"], []).append(period)
    for day, row in sleep.items():
        held = periods.get(day, [])
        for column, name in SUMS.items():
            assert row[column] == (sum(period[name] for period in held) if held else None)
        main = max(held, key=importance, default=None)
        for name in OF_THE_MAIN_PERIOD:
            assert row[name] == (sentinel(name, main[name]) if main else None)
    for document in pipeline.at_oura("daily_sleep"):
        row = sleep[document["day"]]
        assert (row["oura_id"], row["score"]) == (document["id"], document["score"])
        assert row["contributors"] == known(document["contributors"])
    before = {type_: len(pipeline.rows(type_)) for type_ in COLLECTIONS}
    again = pipeline.collect("--all")
    assert again.counts("unchanged") == before
    assert again.counts("updated") == again.counts("created") == dict.fromkeys(COLLECTIONS, 0)


@pytest.fixture(params=["7", "1"])
def small_pages(request, pipeline):
    yield from another(pipeline, SANDBOX_DAYS="20", SANDBOX_PAGE_SIZE=request.param)


@full_only
def test_pages_of_any_size_are_followed_to_the_last(small_pages):
    run = small_pages.collect("--type", "activity")
    days = {document["day"] for document in small_pages.at_oura("daily_activity")}
    assert (run.code, set(small_pages.rows("activity"))) == (0, days)


@pytest.fixture
def many_pages(pipeline):
    yield from another(pipeline, SANDBOX_PAGE_SIZE="10")


@full_only
def test_run_after_kills_is_complete(many_pages):
    chance, killed = random.Random(7), many_pages
    killed.collect("--all", "--dry-run")
    whole = killed.requests()
    for _ in range(scaled(5, 10)):
        # A moment told by how far it came, since machines differ in speed.
        until = killed.requests() + chance.randint(1, whole // 2)
        process = killed.popen("--all")
        wait_until(lambda: killed.requests() >= until)  # noqa: B023
        process.kill()
        process.communicate()
    assert any(killed.rows(type_) for type_ in COLLECTIONS)
    assert killed.collect().code == 0
    for type_ in COLLECTIONS:
        assert set(killed.rows(type_)) == expected_days(killed, type_)
    assert killed.collect("--all").counts("updated") == dict.fromkeys(COLLECTIONS, 0)


@full_only
def test_a_processor_killed_in_the_middle_leaves_nothing_half_written(pipeline):
    mortal = Service("processor", database_environment()).start()
    doomed = Pipeline(pipeline.sandbox, mortal)
    process = doomed.popen()
    wait_until(lambda: len(doomed.rows("sleep")) > 0)
    mortal.kill()
    stdout, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "processor can't be reached" in stdout
    assert pipeline.collect().code == 0
    for type_ in COLLECTIONS:
        assert set(pipeline.rows(type_)) == expected_days(pipeline, type_)


@full_only
@pytest.mark.parametrize(
    "fault", ["rate_limit", "server_error", "slow", "truncated", "malformed", "timeout"]
)
def test_a_passing_fault_is_outlived_and_costs_no_day(pipeline, fault):
    start = days_ago(pipeline, 19)
    pipeline.fault(fault, times=2, retry_after=1)
    run = pipeline.collect("--start", start, COLLECTOR_TIMEOUT="3")
    assert [each["hits"] for each in pipeline.faults()] == [2]
    assert (run.code, run.report["status"]) == (0, "ok")
    for type_ in COLLECTIONS:
        assert set(pipeline.rows(type_)) == expected_days(pipeline, type_, start)


@full_only
def test_a_rate_limit_is_waited_for(pipeline):
    pipeline.fault("rate_limit", retry_after=3)
    began = time.monotonic()
    assert pipeline.collect("--days", "2", "--type", "activity").code == 0
    assert time.monotonic() - began >= 3


def test_rate_limit_of_an_hour_ends_run_at_once(pipeline):
    pipeline.fault("rate_limit", times=1000, retry_after=3600)
    before = pipeline.requests()
    run = pipeline.collect()
    assert (run.code, run.report["status"]) == (1, "failed")
    assert run.counts("failed") == dict.fromkeys(COLLECTIONS, 1)
    assert pipeline.requests() == before + 1


@full_only
@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
def test_refused_type_is_named_and_others_are_collected(pipeline, fault):
    pipeline.fault(fault, times=1000, path="daily_readiness")
    run = pipeline.collect()
    assert (run.code, run.report["status"]) == (1, "partial")
    assert {error["type"] for error in run.report["errors"]} == {"readiness"}
    assert run.counts("failed")["sleep"] == 0
    assert len(pipeline.rows("activity")) > 100


@full_only
def test_lasting_failure_is_named_and_repaired_by_next_run(pipeline):
    pipeline.fault("server_error", times=1000, path="daily_activity")
    # As many days as are one request, since each fails only after all its tries.
    run = pipeline.collect("--type", "activity", "readiness", "--start", days_ago(pipeline, 79))
    assert run.code == 1
    assert len(pipeline.rows("readiness")) > 50
    pipeline.clear_faults()
    assert pipeline.collect().code == 0
    assert set(pipeline.rows("activity")) == expected_days(pipeline, "activity")


@full_only
def test_all_faults_together_end_complete_or_named(pipeline):
    start = days_ago(pipeline, 29)
    expected = {type_: expected_days(pipeline, type_, start) for type_ in COLLECTIONS}
    for fault in ("rate_limit", "server_error", "truncated", "malformed", "slow"):
        for path in ("daily_sleep", "daily_activity", "daily_readiness"):
            pipeline.fault(fault, path=path, retry_after=1)
    run = pipeline.collect("--start", start)
    named = {error["type"] for error in run.report["errors"]}
    for type_ in COLLECTIONS:
        assert (set(pipeline.rows(type_)) == expected[type_]) != (type_ in named)
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


@pytest.fixture
def a_month_ago(pipeline):
    yield from another(pipeline, SANDBOX_TODAY=days_ago(pipeline, 30))


@full_only
def test_days_that_were_not_over_are_updated_after_pause(pipeline, a_month_ago):
    a_month_ago.collect("--type", "readiness")
    day = max(pipeline.rows("readiness"))
    pipeline.control("recompute", name="demo", type="daily_readiness", day=day)
    run = pipeline.collect("--type", "readiness")
    document = next(each for each in pipeline.at_oura("daily_readiness") if each["day"] == day)
    assert run.counts("updated") == {"readiness": 1}
    assert pipeline.rows("readiness")[day]["score"] == document["score"]


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
    run = pipeline.collect("--days", "14", "--dry-run")
    assert run.code == 0
    assert run.counts("fetched")["activity"] > 0
    assert pipeline.rows("activity") == {}


@full_only
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
        ("--end", "0001-01-05"),
        ("--start", "9999-01-01"),
        ("--start", "9999-01-01", "--end", "9999-12-31"),
        ("--user", "ben"),
    ],
)
def test_wrong_usage_is_code_2(settings, arguments):
    settings.OURA_API_KEY, settings.OURA_USER = "a-token-for-tests", "ana"
    settings.OURA_API_URL = settings.PROCESSOR_URL = "http://127.0.0.1:9"
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "collect_oura", *arguments])
    assert ended.value.code == 2


def test_missing_configuration_is_code_2_and_named(pipeline):
    run = pipeline.collect(OURA_API_KEY="")
    assert run.code == 2
    assert "OURA_API_KEY" in run.stderr


@full_only
@pytest.mark.parametrize("token", ["abc…defghijklmnop", "abc defghijklmnop", "abc\ndefghijklmnop"])
@pytest.mark.parametrize("name", ["OURA_API_KEY", "INGEST_TOKENS"])
def test_token_that_no_header_allows_is_code_2(pipeline, name, token):
    run = pipeline.collect(**{name: token})
    assert run.code == 2
    assert name in run.stderr
    assert token not in run.stderr


def test_a_setting_of_no_sense_is_code_2_and_named(pipeline):
    run = pipeline.collect(LOG_LEVEL="loud")
    assert run.code == 2
    assert "LOG_LEVEL" in run.stderr


def test_no_token_is_ever_logged(pipeline):
    pipeline.fault("unauthorized", times=2)
    run = pipeline.collect("--days", "3", LOG_LEVEL="debug")
    key = pipeline.environment()["OURA_API_KEY"]
    assert key not in run.stdout + run.stderr


@full_only
def test_run_figures_are_written_for_prometheus_and_counted_on(pipeline, tmp_path):
    file = tmp_path / "collector.prom"
    pipeline.collect("--days", "3", METRICS_TEXTFILE=str(file))
    pipeline.collect("--days", "3", METRICS_TEXTFILE=str(file))
    assert 'collector_runs_total{status="ok"} 2.0' in file.read_text()
    assert "collector_last_successful_run_timestamp_seconds" in file.read_text()


def test_a_dry_run_tells_prometheus_nothing(pipeline, tmp_path):
    file = tmp_path / "collector.prom"
    pipeline.collect("--days", "3", "--dry-run", METRICS_TEXTFILE=str(file))
    assert not file.exists()


def test_figures_that_nobody_takes_change_nothing(pipeline):
    nowhere = {"PUSHGATEWAY_URL": "http://127.0.0.1:9", "METRICS_TEXTFILE": "/nonexistent/x.prom"}
    run = pipeline.collect("--days", "3", **nowhere)
    assert (run.code, run.report["status"]) == (0, "ok")
    assert "figures not published" in run.stderr
