"""Runs: what a collection stored, and the days that are missing after it."""

import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from ingest import reports, runs
from ingest.models import METRIC_MODELS, Run
from ingest.runs import MAX_RUNS_PER_PERSON, finish
from myhealth.days import ONE_DAY, Days, over_at
from myhealth.states import State
from tests.worlds import document, store_documents

pytestmark = pytest.mark.django_db

PATH = "/api/v1/runs"
FIRST = date(2026, 3, 1)
HOUR = timedelta(hours=1)
# After the first ten days were over.
NOW = datetime(2026, 3, 12, 6, tzinfo=UTC)


def day(number):
    return FIRST + number * ONE_DAY


def collect(user, numbers, type="sleep", *, run="run-1", at=NOW, **columns):
    """Store a complete fetch of the first ten days, in which Oura has data of these days."""
    documents = [document(day(n), f"{user.username} {type} {n}", **columns) for n in numbers]
    return store_documents(user, documents, type, at=at, fetched=(day(0), day(9)), run=run)


def report_failure(user, *, run="run-1", at=NOW, days=(0, 9)):
    failure = {"kind": "unavailable", "collection": "sleep", "status": 503, "page": 1}
    failed = [Days(*map(day, days))]
    reports.record_failure(user.pk, "sleep", failed, failure, asked_at=at, now=at, run=run)


# Counts -------------------------------------------------------------------------------------------


def counts(run="run-1"):
    """Return the counts of a run that are not zero."""
    stored = Run.objects.get(request_id=run)
    return {name: count for name in runs.COUNTERS if (count := getattr(stored, name))}


def test_run_counts_created_days(ana):
    collect(ana, range(10))
    assert counts() == {"created": 10}


def test_run_counts_days_of_several_requests(ana):
    collect(ana, range(10))
    collect(ana, range(7), "activity")
    assert counts() == {"created": 17}


def test_run_counts_updated_and_revised_days(ana):
    collect(ana, range(10), score=71)
    collect(ana, range(10), score=78, run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {"updated": 10, "revised": 10}


def test_removed_days_count_as_revised(ana):
    collect(ana, range(10))
    collect(ana, range(8), run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {"revised": 2}


def test_run_without_changes_counts_nothing(ana):
    collect(ana, range(10))
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {}


def test_runs_of_two_people_with_same_id_are_separate(ana, ben):
    collect(ana, range(10))
    collect(ben, range(4))
    assert {run.user: run.created for run in Run.objects.all()} == {ana: 10, ben: 4}


# Filled days --------------------------------------------------------------------------------------


def test_first_fetch_fills_no_days(ana):
    collect(ana, range(10))
    assert counts() == {"created": 10}


def test_day_absent_from_complete_fetch_and_stored_later_is_filled(ana):
    collect(ana, [n for n in range(10) if n != 5])
    outcome = collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert outcome.healed == 1
    assert counts("run-2") == {"created": 1, "healed": 1}


def test_day_of_failed_fetch_and_stored_later_is_filled(ana):
    report_failure(ana)
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {"created": 10, "healed": 10}


def test_day_fetched_before_it_was_over_is_not_filled(ana):
    collect(ana, range(9), at=over_at(day(9)) - HOUR)
    collect(ana, range(10), run="run-2", at=over_at(day(9)) + HOUR)
    assert counts("run-2") == {"created": 1}


def test_missing_day_of_another_person_is_not_filled(ana, ben):
    collect(ben, [])
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {"created": 10}


def test_missing_day_of_another_type_is_not_filled(ana):
    collect(ana, [], "activity")
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert counts("run-2") == {"created": 10}


def test_stored_day_that_changes_is_not_filled(ana):
    collect(ana, range(10), score=71)
    report_failure(ana, run="run-2", at=NOW + HOUR)
    collect(ana, range(10), score=78, run="run-3", at=NOW + 2 * HOUR)
    assert counts("run-3") == {"updated": 10, "revised": 10}


# Finished runs ------------------------------------------------------------------------------------


def test_finished_run_has_missing_days_by_type_and_state(ana):
    collect(ana, [n for n in range(10) if n not in (4, 5)])
    report_failure(ana, at=NOW + HOUR, days=(10, 11))
    run = finish(ana.pk, "run-1", NOW + HOUR)
    assert run.missing == {
        **dict.fromkeys(METRIC_MODELS, {"not_asked": 12}),
        "sleep": {"none": 2, "failed": 2},
    }
    assert (run.finished_at, run.created, run.failures) == (NOW + HOUR, 8, 1)


def test_finished_run_without_rows_has_no_missing_days(ana):
    assert finish(ana.pk, "run-1", NOW).missing == {}


def test_run_without_requests_can_be_finished(ana):
    run = finish(ana.pk, "run-1", NOW)
    assert (run.request_id, run.began_at, run.newest) == ("run-1", NOW, True)


def test_run_finished_twice_stays_one_with_its_counts(ana):
    collect(ana, range(10))
    finish(ana.pk, "run-1", NOW)
    run = finish(ana.pk, "run-1", NOW + HOUR)
    assert (run.created, run.finished_at, run.newest) == (10, NOW + HOUR, True)
    assert Run.objects.count() == 1


def test_only_last_finished_run_of_person_is_newest(ana):
    for number in range(3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    assert [run.request_id for run in Run.objects.filter(newest=True)] == ["run-2"]


def test_unfinished_run_is_not_newest(ana):
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert [run.request_id for run in Run.objects.filter(newest=True)] == ["run-1"]


def test_each_person_has_newest_run(ana, ben):
    finish(ana.pk, "run-1", NOW)
    finish(ben.pk, "run-2", NOW)
    assert Run.objects.filter(newest=True).count() == 2


def test_database_prevents_two_newest_runs_of_person(ana):
    finish(ana.pk, "run-1", NOW)
    with pytest.raises(IntegrityError):
        Run.objects.create(user=ana, request_id="run-2", newest=True)


def test_last_fifty_runs_of_person_are_kept(ana, ben):
    finish(ben.pk, "his", NOW - HOUR)
    for number in range(MAX_RUNS_PER_PERSON + 3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    kept = Run.objects.filter(user=ana).order_by("began_at")
    assert [kept[0].request_id, kept.count()] == ["run-3", 50]
    assert Run.objects.filter(user=ben).exists()


def test_at_most_fifty_unfinished_runs_are_kept(processor, ana):
    for _ in range(53):
        processor.send(read={"start": "2026-02-25", "end": "2026-03-05"})
    assert Run.objects.count() == 50


# The log ------------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog):
    """A function that returns the log lines of finished runs."""
    caplog.set_level(logging.INFO)
    return lambda: [each.msg for each in caplog.records if each.name == "ingest.runs"]


def test_first_run_of_day_is_logged_with_missing_days(ana, log):
    collect(ana, range(8))
    report_failure(ana, days=(8, 9))
    run = finish(ana.pk, "run-1", NOW)
    [line] = log()
    assert line["event"] == "days accounted for"
    assert (line["person"], line["missing"]) == (ana.pk, run.missing)
    assert (line["created"], line["failures"]) == (8, 1)


def test_later_run_of_same_day_is_not_logged(ana, log):
    collect(ana, range(8))
    for number in range(3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    assert len(log()) == 1


def test_first_run_of_next_day_is_logged(ana, log):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    finish(ana.pk, "run-2", NOW + ONE_DAY)
    assert len(log()) == 2


def test_first_run_of_day_is_logged_for_each_person(ana, ben, log):
    for user in (ana, ben):
        collect(user, range(8))
        finish(user.pk, "run-1", NOW)
    assert [line["person"] for line in log()] == [ana.pk, ben.pk]


def test_later_run_that_filled_day_is_logged(ana, log):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(9), run="run-2", at=NOW + HOUR)
    finish(ana.pk, "run-2", NOW + HOUR)
    assert log()[-1]["healed"] == 1


def test_later_run_that_revised_day_is_logged(ana, log):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(7), run="run-2", at=NOW + HOUR)
    finish(ana.pk, "run-2", NOW + HOUR)
    assert log()[-1]["revised"] == 1


def test_run_without_stored_or_missing_days_is_not_logged(ana, log):
    finish(ana.pk, "run-1", NOW)
    assert log() == []


def test_log_has_neither_names_nor_values(ana, log):
    collect(ana, range(8), score=87)
    collect(ana, range(9), run="run-2", at=NOW + HOUR, score=88)
    finish(ana.pk, "run-2", NOW + HOUR)
    [line] = log()
    assert set(line) - {"event", "level", "logger", "time", "service", "request_id"} == {
        "person",
        "missing",
        "created",
        "updated",
        "healed",
        "revised",
    }
    assert "ana" not in str(line)


# The route ----------------------------------------------------------------------------------------


def test_answer_has_counts_and_missing_days(processor, ana):
    collect(ana, range(10), run="a-run", at=datetime.now(UTC) - HOUR)
    answer = processor.post({"user": "ana"}, path=PATH, **{"X-Request-ID": "a-run"})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {*runs.COUNTERS, "missing"}
    assert (body["created"], body["healed"]) == (10, 0)
    assert body["missing"].keys() == METRIC_MODELS.keys()


def test_id_of_run_is_request_id(processor, ana):
    read = {"start": "2026-03-01", "end": "2026-03-09"}
    body = {"type": "sleep", "user": "ana", "data": document(), "read": read}
    processor.post(body, **{"X-Request-ID": "a-run"})
    processor.post({"user": "ana"}, path=PATH, **{"X-Request-ID": "a-run"})
    assert [(run.request_id, run.created, run.newest) for run in Run.objects.all()] == [
        ("a-run", 1, True)
    ]


def test_user_is_optional_with_one_account(processor, ana):
    assert processor.post({}, path=PATH).status_code == 200
    assert Run.objects.get().user == ana


@pytest.mark.parametrize(
    ("body", "field"),
    [({"user": "nobody"}, "user"), ({"user": 5}, "user"), ({"user": "ana", "more": 1}, "more")],
)
def test_invalid_field_is_named_and_no_run_recorded(processor, ana, body, field):
    answer = processor.post(body, path=PATH)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Run.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b"null", b"{"])
def test_body_other_than_object_is_400(processor, ana, body):
    assert processor.post(body, path=PATH).status_code == 400


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests"])
def test_run_without_valid_token_is_401(processor, ana, token):
    assert processor.post({"user": "ana"}, path=PATH, token=token).status_code == 401
    assert not Run.objects.exists()


# Prometheus ---------------------------------------------------------------------------------------


def gauge(processor):
    """Return the numbers of missing days by type and state."""
    samples = processor.samples("myhealth_days_missing")
    return {(each.labels["type"], each.labels["reason"]): each.value for each in samples}


def test_gauge_sums_missing_days_of_newest_runs(processor, ana, ben):
    now = timezone.now()
    for user, numbers, name in ((ana, (0, 4), "1"), (ben, (0, 9), "2"), (ben, (0, 5, 9), "3")):
        collect(user, numbers, run=name)
        finish(user.pk, name, now)
    assert gauge(processor)["sleep", "none"] == 3 + 7


def test_gauge_omits_people_without_run_for_a_week(processor, ana, ben):
    now = timezone.now()
    for user, ago in ((ana, timedelta(days=6, hours=23)), (ben, timedelta(days=7, hours=1))):
        collect(user, (0, 2))
        finish(user.pk, "run-1", now - ago)
    assert gauge(processor)["sleep", "none"] == 1


def test_gauge_omits_earlier_runs(processor, ana):
    earlier = {"user": ana, "request_id": "x", "missing": {"sleep": {"none": 5}}}
    Run.objects.create(**earlier, finished_at=timezone.now(), newest=False)
    assert gauge(processor)["sleep", "none"] == 0


def test_gauge_has_every_state_of_every_type_without_runs(processor, db):
    assert gauge(processor) == {
        (type_, state): 0 for type_ in METRIC_MODELS for state in State.values if state != "held"
    }


@pytest.mark.parametrize("name", ["healed", "revised"])
def test_filled_and_revised_days_are_counted(processor, ana, name):
    name = f"myhealth_days_{name}_total"
    read = {"start": "2026-03-01", "end": "2026-03-09"}
    before = processor.sample(name, type="sleep")
    for hour, documents in ((6, []), (7, [document(score=71)]), (8, [document(score=78)])):
        processor.send(*documents, read=read, fetched_at=f"2026-03-12T{hour:02}:00:00+00:00")
    assert processor.sample(name, type="sleep") == before + 1
