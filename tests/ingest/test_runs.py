"""What a collection brought, and how a person's days stood after it."""

import logging
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
from django.db import IntegrityError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from ingest import reports, runs
from ingest.models import METRIC_MODELS, Run
from ingest.runs import MAX_RUNS_PER_PERSON, finish
from ingest.upsert import Whole, store
from myhealth.days import ONE_DAY, Days, over_at
from myhealth.states import State
from tests.ingest.conftest import night

pytestmark = pytest.mark.django_db

PATH = "/api/v1/runs"
FIRST = date(2026, 3, 1)
HOUR = timedelta(hours=1)
# After the first ten days were over.
NOW = datetime(2026, 3, 12, 6, tzinfo=UTC)


def day(number):
    return FIRST + number * ONE_DAY


def collect(user, numbers, type="sleep", *, run="run-1", at=NOW, span=(0, 9), **columns):
    """These are all days that Oura has of the span."""
    documents = [
        orjson.dumps(night(day(n).isoformat(), f"{user.username} {type} {n}", **columns))
        for n in numbers
    ]
    whole = Whole(day(span[0]), day(span[1]), run)
    return store(METRIC_MODELS[type], user.pk, documents, fetched_at=at, now=at, whole=whole)


def fail(user, *, run="run-1", at=NOW, span=(0, 9), kind="unavailable"):
    failure = {"kind": kind, "collection": "sleep", "status": 503, "page": 1}
    days = [Days(day(span[0]), day(span[1]))]
    reports.record_failure(user.pk, "sleep", days, failure, asked_at=at, now=at, run=run)


# What it brought ----------------------------------------------------------------------------------


def figures(run="run-1"):
    found = Run.objects.get(request_id=run)
    return {name: each for name in runs.COUNTERS if (each := getattr(found, name))}


def test_a_run_counts_the_days_that_it_created(ana):
    collect(ana, range(10))
    assert figures() == {"created": 10}


def test_a_run_counts_what_several_requests_brought(ana):
    collect(ana, range(10))
    collect(ana, range(7), "activity")
    assert figures() == {"created": 17}


def test_a_run_counts_the_days_that_it_updated_and_revised(ana):
    collect(ana, range(10), score=71)
    collect(ana, range(10), score=78, run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {"updated": 10, "revised": 10}


def test_a_run_counts_the_days_that_went_as_revised(ana):
    collect(ana, range(10))
    collect(ana, range(8), run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {"revised": 2}


def test_a_run_that_brought_nothing_new_counts_nothing(ana):
    collect(ana, range(10))
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {}


def test_another_persons_run_of_the_same_id_is_another(ana, ben):
    collect(ana, range(10))
    collect(ben, range(4))
    assert {run.user: run.created for run in Run.objects.all()} == {ana: 10, ben: 4}


# What it healed -----------------------------------------------------------------------------------


def test_the_first_history_heals_nothing(ana):
    collect(ana, range(10))
    assert figures() == {"created": 10}


def test_a_day_that_was_asked_for_in_vain_and_came_is_healed(ana):
    collect(ana, [n for n in range(10) if n != 5])
    outcome = collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert outcome.healed == 1
    assert figures("run-2") == {"created": 1, "healed": 1}


def test_a_day_that_could_not_be_read_and_came_is_healed(ana):
    fail(ana)
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {"created": 10, "healed": 10}


def test_a_day_that_was_asked_for_before_it_was_over_and_came_is_not_healed(ana):
    collect(ana, range(9), at=over_at(day(9)) - HOUR)
    collect(ana, range(10), run="run-2", at=over_at(day(9)) + HOUR)
    assert figures("run-2") == {"created": 1}


def test_a_day_that_another_person_was_asked_for_in_vain_is_not_healed(ana, ben):
    collect(ben, [])
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {"created": 10}


def test_a_day_that_another_type_was_asked_for_in_vain_is_not_healed(ana):
    collect(ana, [], "activity")
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert figures("run-2") == {"created": 10}


def test_a_day_that_was_held_and_changes_is_not_healed(ana):
    collect(ana, range(10), score=71)
    fail(ana, run="run-2", at=NOW + HOUR)
    collect(ana, range(10), score=78, run="run-3", at=NOW + 2 * HOUR)
    assert figures("run-3") == {"updated": 10, "revised": 10}


# How the days stood after it ----------------------------------------------------------------------


def test_a_finished_run_tells_what_is_missing_by_type_and_state(ana):
    collect(ana, [n for n in range(10) if n not in (4, 5)])
    fail(ana, at=NOW + HOUR, span=(10, 11))
    run = finish(ana.pk, "run-1", NOW + HOUR)
    assert run.missing == {
        **dict.fromkeys(METRIC_MODELS, {"not_asked": 12}),
        "sleep": {"none": 2, "failed": 2},
    }
    assert (run.finished_at, run.created, run.failures) == (NOW + HOUR, 8, 1)


def test_where_nothing_is_held_a_finished_run_misses_nothing(ana):
    assert finish(ana.pk, "run-1", NOW).missing == {}


def test_a_run_may_be_finished_that_brought_nothing_at_all(ana):
    run = finish(ana.pk, "run-1", NOW)
    assert (run.request_id, run.began_at, run.newest) == ("run-1", NOW, True)


def test_a_run_finished_twice_is_one_run_with_what_it_brought(ana):
    collect(ana, range(10))
    finish(ana.pk, "run-1", NOW)
    again = finish(ana.pk, "run-1", NOW + HOUR)
    assert (again.created, again.finished_at, again.newest) == (10, NOW + HOUR, True)
    assert Run.objects.count() == 1


def test_only_the_last_finished_run_of_a_person_is_the_newest(ana):
    for number in range(3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    assert [run.request_id for run in Run.objects.filter(newest=True)] == ["run-2"]


def test_a_run_under_way_is_not_the_newest(ana):
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(10), run="run-2", at=NOW + HOUR)
    assert [run.request_id for run in Run.objects.filter(newest=True)] == ["run-1"]


def test_everybody_has_a_newest_run_of_their_own(ana, ben):
    finish(ana.pk, "run-1", NOW)
    finish(ben.pk, "run-2", NOW)
    assert Run.objects.filter(newest=True).count() == 2


def test_the_database_keeps_two_newest_runs_of_a_person_out(ana):
    finish(ana.pk, "run-1", NOW)
    with pytest.raises(IntegrityError):
        Run.objects.create(user=ana, request_id="run-2", newest=True)


def test_of_a_persons_runs_the_last_fifty_are_kept(ana, ben):
    finish(ben.pk, "his", NOW - HOUR)
    for number in range(MAX_RUNS_PER_PERSON + 3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    kept = Run.objects.filter(user=ana).order_by("began_at")
    assert [kept[0].request_id, kept.count()] == ["run-3", 50]
    assert Run.objects.filter(user=ben).exists()


# In the log ---------------------------------------------------------------------------------------


@pytest.fixture
def told(caplog):
    """The log's lines of runs that were finished."""
    caplog.set_level(logging.INFO)
    return lambda: [each.msg for each in caplog.records if each.name == "ingest.runs"]


def test_the_first_run_of_a_day_says_how_the_days_stand(ana, told):
    collect(ana, range(8))
    fail(ana, span=(8, 9))
    run = finish(ana.pk, "run-1", NOW)
    [line] = told()
    assert line["event"] == "days accounted for"
    assert (line["person"], line["missing"]) == (ana.pk, run.missing)
    assert (line["created"], line["failures"]) == (8, 1)


def test_a_later_run_of_the_day_says_nothing(ana, told):
    collect(ana, range(8))
    for number in range(3):
        finish(ana.pk, f"run-{number}", NOW + number * HOUR)
    assert len(told()) == 1


def test_the_first_run_of_the_next_day_says_how_the_days_stand_again(ana, told):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    finish(ana.pk, "run-2", NOW + ONE_DAY)
    assert len(told()) == 2


def test_another_persons_run_does_not_silence_the_first_of_a_day(ana, ben, told):
    for user in (ana, ben):
        collect(user, range(8))
        finish(user.pk, "run-1", NOW)
    assert [line["person"] for line in told()] == [ana.pk, ben.pk]


def test_a_later_run_that_healed_a_day_says_so(ana, told):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(9), run="run-2", at=NOW + HOUR)
    finish(ana.pk, "run-2", NOW + HOUR)
    assert told()[-1]["healed"] == 1


def test_a_later_run_that_revised_a_day_says_so(ana, told):
    collect(ana, range(8))
    finish(ana.pk, "run-1", NOW)
    collect(ana, range(7), run="run-2", at=NOW + HOUR)
    finish(ana.pk, "run-2", NOW + HOUR)
    assert told()[-1]["revised"] == 1


def test_where_nothing_came_and_nothing_is_missing_nothing_is_said(ana, told):
    finish(ana.pk, "run-1", NOW)
    assert told() == []


def test_no_line_has_a_name_or_a_value(ana, told):
    collect(ana, range(8), score=87)
    collect(ana, range(9), run="run-2", at=NOW + HOUR, score=88)
    finish(ana.pk, "run-2", NOW + HOUR)
    [line] = told()
    assert set(line) - {"event", "level", "logger", "time", "service", "request_id"} == {
        "person",
        "missing",
        "created",
        "updated",
        "healed",
        "revised",
    }
    assert "ana" not in str(line)


# Asked by a collector -----------------------------------------------------------------------------


def test_a_collector_is_told_what_its_run_brought_and_what_is_missing(processor, ana):
    collect(ana, range(10), run="a-run", at=datetime.now(UTC) - HOUR)
    answer = processor.post({"user": "ana"}, path=PATH, **{"X-Request-ID": "a-run"})
    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == {*runs.COUNTERS, "missing"}
    assert (told["created"], told["healed"]) == (10, 0)
    assert told["missing"].keys() == METRIC_MODELS.keys()


def test_a_run_is_known_by_the_request_id_of_its_requests(processor, ana):
    read = {"start": "2026-03-01", "end": "2026-03-09"}
    body = {"type": "sleep", "user": "ana", "data": night(), "read": read}
    processor.post(body, **{"X-Request-ID": "a-run"})
    processor.post({"user": "ana"}, path=PATH, **{"X-Request-ID": "a-run"})
    assert [(run.request_id, run.created, run.newest) for run in Run.objects.all()] == [
        ("a-run", 1, True)
    ]


def test_the_only_accounts_run_needs_no_name(processor, ana):
    assert processor.post({}, path=PATH).status_code == 200
    assert Run.objects.get().user == ana


@pytest.mark.parametrize(
    ("body", "field"),
    [({"user": "nobody"}, "user"), ({"user": 5}, "user"), ({"user": "ana", "more": 1}, "more")],
)
def test_a_bad_field_is_named_and_no_run_is_made(processor, ana, body, field):
    answer = processor.post(body, path=PATH)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Run.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b"null", b"{"])
def test_a_body_that_is_no_object_is_400(processor, ana, body):
    assert processor.post(body, path=PATH).status_code == 400


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests"])
def test_without_its_token_a_run_is_401(processor, ana, token):
    assert processor.post({"user": "ana"}, path=PATH, token=token).status_code == 401
    assert not Run.objects.exists()


# For operators ------------------------------------------------------------------------------------


def gauge(processor):
    """Days missing by type and reason, as a scrape tells them."""
    text = processor.client.get("/metrics").content.decode()
    [family] = [
        each
        for each in text_string_to_metric_families(text)
        if each.name == "myhealth_days_missing"
    ]
    return {(each.labels["type"], each.labels["reason"]): each.value for each in family.samples}


def test_the_gauge_sums_what_everybodys_newest_run_left_missing(processor, ana, ben):
    now = timezone.now()
    for user, numbers, name in ((ana, (0, 4), "1"), (ben, (0, 9), "2"), (ben, (0, 5, 9), "3")):
        collect(user, numbers, run=name)
        finish(user.pk, name, now)
    assert gauge(processor)["sleep", "none"] == 3 + 7


def test_the_gauge_forgets_whoever_has_not_been_collected_for_a_week(processor, ana, ben):
    now = timezone.now()
    for user, ago in ((ana, timedelta(days=6, hours=23)), (ben, timedelta(days=7, hours=1))):
        collect(user, (0, 2))
        finish(user.pk, "run-1", now - ago)
    assert gauge(processor)["sleep", "none"] == 1


def test_the_gauge_tells_of_no_run_but_the_newest(processor, ana):
    earlier = {"user": ana, "request_id": "x", "missing": {"sleep": {"none": 5}}}
    Run.objects.create(**earlier, finished_at=timezone.now(), newest=False)
    assert gauge(processor)["sleep", "none"] == 0


def test_the_gauge_has_every_reason_of_every_type_from_the_start(processor, db):
    assert gauge(processor) == {
        (type_, state): 0 for type_ in METRIC_MODELS for state in State.values if state != "held"
    }


@pytest.mark.parametrize("what", ["healed", "revised"])
def test_operators_see_how_many_days_came_after_all_or_changed(processor, ana, what):
    def seen():
        text = processor.client.get("/metrics").content.decode()
        name = f"myhealth_days_{what}_total"
        found = [
            sample.value
            for each in text_string_to_metric_families(text)
            for sample in each.samples
            if sample.name == name and sample.labels == {"type": "sleep"}
        ]
        return sum(found)

    read = {"start": "2026-03-01", "end": "2026-03-09"}
    before = seen()
    for hour, documents in ((6, []), (7, [night(score=71)]), (8, [night(score=78)])):
        processor.send(*documents, read=read, fetched_at=f"2026-03-12T{hour:02}:00:00+00:00")
    assert seen() == before + 1
