"""Missing days and coverage of what is stored, and the routes for programs."""

from datetime import UTC, date, datetime

import pytest

from ingest.coverage import first_stored_days, missing_today, program_coverage, program_ledger
from ingest.models import METRIC_MODELS
from ingest.reports import record_failure
from myhealth.days import FIRST_DAY, ONE_DAY, Days, over_at
from tests.ingest.ledger.facts import day
from tests.ingest.ledger.stored import AFTER, fail_numbers, reject_number, store_numbers
from tests.worlds import store_days


@pytest.mark.django_db
def test_program_coverage_has_first_last_days_and_gaps(ana):
    store_numbers(ana, [3, 4, 8, 9, 12], fetched=(0, 20))
    assert program_coverage(ana.pk, now=AFTER)["sleep"] == {
        "first": day(3),
        "last": day(12),
        "days": 5,
        "missing": [[day(5), day(7)], [day(10), day(11)]],
    }


@pytest.mark.django_db
def test_program_coverage_of_type_without_rows_is_empty(ana):
    store_numbers(ana, [3])
    assert program_coverage(ana.pk, now=AFTER)["activity"] == {
        "first": None,
        "last": None,
        "days": 0,
        "missing": [],
    }


@pytest.mark.django_db
def test_gap_of_several_states_is_one_gap(ana):
    store_numbers(ana, [3, 9], fetched=(0, 12))
    reject_number(ana, 5)
    assert program_coverage(ana.pk, now=AFTER)["sleep"]["missing"] == [[day(4), day(8)]]


@pytest.mark.django_db
def test_partial_day_is_no_gap(ana):
    store_numbers(ana, [3, 4, 5], source={"daily_sleep": {"score": 80}, "sleep": []})
    found = program_coverage(ana.pk, now=AFTER)["sleep"]
    assert (found["days"], found["missing"]) == (3, [])


@pytest.mark.django_db
def test_missing_days_count_from_first_stored_to_today(ana):
    store_numbers(ana, [0, 1, 3], fetched=(0, 3))
    store_numbers(ana, [2], "activity", fetched=(0, 3))
    assert missing_today(ana.pk, over_at(day(3))) == {
        **dict.fromkeys(METRIC_MODELS, {"not_asked": 5}),
        "sleep": {"none": 1, "not_asked": 1},
        "activity": {"not_synced": 1, "not_asked": 1},
    }


@pytest.mark.django_db
def test_without_any_row_nothing_is_missing_today(ana):
    fail_numbers(ana, 0, 9)
    assert missing_today(ana.pk, AFTER) == {}


@pytest.mark.django_db
def test_complete_type_is_not_among_missing_today(ana):
    for type_ in METRIC_MODELS:
        store_numbers(ana, range(3), type_, fetched=(0, 2))
    assert missing_today(ana.pk, datetime(2026, 3, 3, 12, tzinfo=UTC)) == {}


@pytest.mark.django_db
def test_first_stored_days_are_of_that_person(ana, ben):
    store_numbers(ana, [7], fetched=(0, 9))
    store_numbers(ana, [5], "readiness", fetched=(0, 9))
    store_numbers(ben, [1], fetched=(0, 9))
    assert first_stored_days(ana.pk) == {"sleep": day(7), "readiness": day(5)}


@pytest.mark.django_db
def test_without_any_row_there_is_no_first_day(ana):
    assert first_stored_days(ana.pk) == {}


@pytest.mark.django_db
def test_program_ledger_has_all_that_planning_needs(ana):
    store_numbers(ana, [9, 12], fetched=(0, 12))
    fail_numbers(ana, 14, 15, at=AFTER)
    ranges = program_ledger(ana.pk, now=AFTER)["sleep"]
    none = next(each for each in ranges if each["from"] == day(10))
    assert none == {
        "from": day(10),
        "to": day(11),
        "state": "none",
        "why": "",
        "reason": none["reason"],
        "asked_at": AFTER,
        "next_at": None,
        "times": 1,
        "failing": None,
    }
    before = next(each for each in ranges if each["to"] == day(8))
    assert (before["why"], before["times"]) == ("before", 1)
    failed = next(each for each in ranges if each["state"] == "failed")
    assert (failed["from"], failed["to"], failed["asked_at"]) == (day(14), day(15), None)
    assert failed["next_at"] > AFTER
    assert all(each["reason"] for each in (none, before, failed))


@pytest.mark.django_db
def test_program_ledger_names_missing_collection(ana):
    store_numbers(ana, [3], source={"daily_sleep": {"score": 80}, "sleep": []})
    [partial] = [
        each for each in program_ledger(ana.pk, now=AFTER)["sleep"] if each["state"] == "partial"
    ]
    assert partial["why"] == "sleep"


def failing(user, day):
    ranges = program_ledger(user.pk, now=AFTER)["sleep"]
    [found] = [each for each in ranges if each["from"] <= day <= each["to"]]
    return found["state"], found["failing"], found["next_at"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "kind", "state"),
    [
        (True, "unavailable", "held"),
        (True, "forbidden", "held"),
        (False, "unavailable", "failed"),
        (False, "forbidden", "no_permission"),
    ],
)
def test_program_ledger_tells_failures_of_every_state(ana, stored, kind, state):
    if stored:
        store_numbers(ana, [10], at=AFTER - ONE_DAY)
    since = AFTER - 40 * ONE_DAY
    fail_numbers(ana, 10, 10, kind=kind, attempts=12, alike=10, since=since)
    found, failure, next_at = failing(ana, day(10))
    assert found == state
    assert failure == {
        "attempts": 12,
        "alike": 10,
        "since": since,
        "lasting": True,
        "kind": kind,
        "status": 503,
        "collection": "sleep",
    }
    assert next_at > AFTER


@pytest.mark.django_db
def test_program_ledger_tells_failures_of_rejected_day(ana):
    reject_number(ana, 10)
    record_failure(
        ana.pk,
        "sleep",
        [Days(day(10), day(10))],
        {"kind": "unavailable"},
        asked_at=AFTER + ONE_DAY,
        now=AFTER + ONE_DAY,
        run="a run",
    )
    state, failure, _ = failing(ana, day(10))
    assert (state, failure["kind"], failure["lasting"]) == ("rejected", "unavailable", False)


@pytest.mark.django_db
def test_failure_of_older_version_began_with_its_last_attempt(ana):
    fail_numbers(ana, 10, 10, alike=0, since=None)
    _, failure, _ = failing(ana, day(10))
    assert (failure["alike"], failure["since"]) == (1, AFTER)


@pytest.mark.django_db
def test_day_stored_after_failed_fetch_does_not_fail(ana):
    fail_numbers(ana, 8, 12)
    store_days(ana, [day(9), day(10)], at=AFTER)
    assert [failing(ana, day(n))[0] for n in (8, 9, 10, 11)] == ["failed", "held", "held", "failed"]
    assert [failing(ana, day(n))[1] for n in (9, 10)] == [None, None]


LEDGER, COVERAGE = "/api/v1/metrics/ledger", "/api/v1/metrics/coverage"


@pytest.mark.django_db
def test_ledger_route_has_each_day_from_2010_to_tomorrow(processor, eventful):
    body = processor.get(LEDGER, user="ana").json()
    assert body.keys() == METRIC_MODELS.keys()
    for found in body.values():
        spans = [
            (date.fromisoformat(each["from"]), date.fromisoformat(each["to"])) for each in found
        ]
        assert spans[0][0] == FIRST_DAY
        assert spans[-1][1] == datetime.now(UTC).date() + ONE_DAY
        for one, other in zip(spans, spans[1:], strict=False):
            assert one[1] + ONE_DAY == other[0]


@pytest.mark.django_db
def test_ledger_route_has_reason_and_next_attempt_of_failure(processor, ana):
    fail_numbers(ana, 10, 12)
    [found] = [each for each in processor.get(LEDGER).json()["sleep"] if each["state"] == "failed"]
    assert (found["from"], found["to"]) == ("2026-03-11", "2026-03-13")
    assert found["reason"].startswith("Fetching the details of the night failed on page 2")
    assert datetime.fromisoformat(found["next_at"]) > AFTER


@pytest.mark.django_db
def test_coverage_route_has_four_fields_per_type(processor, ana):
    store_numbers(ana, [3, 4, 8], fetched=(0, 20))
    body = processor.get(COVERAGE, user="ana").json()
    assert body["sleep"] == {
        "first": "2026-03-04",
        "last": "2026-03-09",
        "days": 3,
        "missing": [["2026-03-06", "2026-03-08"]],
    }
    assert all(each.keys() == body["sleep"].keys() for each in body.values())


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
def test_wrong_token_is_401(processor, ana, path):
    assert processor.get(path, token="wrong", user="ana").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
@pytest.mark.parametrize("query", [{"user": "nobody"}, {"user": "ana", "start": "2026-03-01"}])
def test_unknown_user_or_parameter_is_400(processor, ana, path, query):
    assert processor.get(path, **query).status_code == 400
