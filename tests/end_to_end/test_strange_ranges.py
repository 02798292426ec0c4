"""Ranges that Oura refuses, or fails to answer: one bad day costs one day."""

import pytest

from metrics import TYPES, collection_in_words
from tests.end_to_end.strange import COLLECTIONS
from tests.scale import full_only, scaled

DAYS = 190
BAD_DAYS = scaled([("poison", "sleep")], [("poison", "sleep"), ("nan", "daily_sleep")])


# A limit on the length of a range -----------------------------------------------------------------


@full_only
@pytest.mark.parametrize(("limit", "factor", "more"), [(30, 1.3, 10), (14, 2, 0)])
def test_limit_of_days_costs_no_day(strange, limit, factor, more):
    expected = {type_: strange.truth.days(type_, strange.ago(DAYS - 1)) for type_ in TYPES}
    strange.limit(max_days=limit)
    run, asked = strange.collect_counting("--days", str(DAYS))
    assert (run.code, run.report["errors"]) == (0, [])
    assert {type_: set(strange.rows(type_)) for type_ in TYPES} == expected
    assert asked <= factor * len(COLLECTIONS) * -(-DAYS // limit) + more


@full_only
@pytest.mark.parametrize("limit", [30, 14])
@pytest.mark.parametrize(("status", "retries"), [(413, 0), (422, 0), (500, 4), (504, 4)])
def test_limit_of_days_is_recognized_by_any_status(strange, limit, status, retries):
    # What may be a passing error is asked for again before it is divided.
    strange.limit(max_days=limit, status=status)
    run, asked = strange.collect_counting("--days", str(DAYS), "--type", "readiness")
    expected = strange.truth.days("readiness", strange.ago(DAYS - 1))
    assert (run.code, set(strange.rows("readiness"))) == (0, expected)
    assert asked <= 2 * -(-DAYS // limit) + retries


@full_only
def test_limit_of_days_costs_first_run_nothing(strange):
    expected = strange.truth.days("activity")
    strange.limit(max_days=30)
    run = strange.collect("--type", "activity")
    assert (run.code, set(strange.rows("activity"))) == (0, expected)
    assert strange.failed_days("activity") == set()


@full_only
def test_ignored_fields_cost_first_run_nothing(strange):
    expected = strange.truth.days("readiness")
    strange.limit(fields=False)
    run = strange.collect("--type", "readiness")
    assert (run.code, set(strange.rows("readiness"))) == (0, expected)


# One bad day --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("oddity", "of_sleep"), BAD_DAYS)
def test_one_bad_day_costs_one_day(strange, oddity, of_sleep):
    days = dict(zip(TYPES, strange.plain_days(3, from_ago=18), strict=True))
    collections = {"sleep": of_sleep, "activity": "daily_activity", "readiness": "daily_readiness"}
    for type_, day in days.items():
        strange.make_odd(collections[type_], day, oddity)
    run = strange.collect("--days", "60")
    assert (run.code, run.report["status"]) == (1, "partial")
    for type_, day in days.items():
        assert set(strange.rows(type_)) == strange.truth.days(type_, strange.ago(59)) - {day}
        assert strange.failed_days(type_) == {day}
        state, reason = strange.state(day, type_)
        assert state == "failed"
        assert f"Fetching {collection_in_words(collections[type_])} failed" in reason


@full_only
def test_standing_bad_day_is_named_when_not_its_turn(strange):
    [day] = strange.plain_days(1, from_ago=18)
    strange.make_odd("sleep", day, "poison")
    strange.collect("--days", "40", "--type", "sleep")
    run = strange.collect("--days", "3", "--type", "sleep")
    assert run.code == 1
    assert any(day in each["error"] and each["type"] == "sleep" for each in run.report["errors"])


@full_only
def test_bad_day_of_history_costs_first_run_one_day(strange):
    [day] = strange.plain_days(1, from_ago=100)
    expected = strange.truth.days("readiness") - {day}
    strange.make_odd("daily_readiness", day, "poison")
    run = strange.collect("--type", "readiness")
    assert (run.code, set(strange.rows("readiness"))) == (1, expected)
    assert strange.failed_days("readiness") == {day}


@full_only
def test_bad_day_that_recovers_is_fetched_by_next_run(strange):
    [day] = strange.plain_days(1, from_ago=30)
    strange.make_odd("sleep", day, "poison")
    strange.collect("--days", "40", "--type", "sleep")
    strange.undo()
    run = strange.collect("--type", "sleep")
    assert (run.code, strange.state(day)[0]) == (0, "held")


@full_only
def test_two_bad_days_apart_cost_two_days(strange):
    days = strange.plain_days(2, from_ago=16, in_a_row=3)
    for day in days:
        strange.make_odd("daily_readiness", day, "poison")
    start = strange.day_after(days[1], -5)
    run = strange.collect("--start", start, "--type", "readiness")
    assert run.code == 1
    assert strange.failed_days("readiness") == set(days)


@full_only
def test_two_bad_days_in_a_row_cost_two_days(strange):
    [day] = strange.plain_days(1, from_ago=20)
    after = strange.day_after(day)
    for each in (after, day):
        strange.make_odd("daily_readiness", each, "poison")
    strange.collect("--days", "40", "--type", "readiness")
    assert strange.failed_days("readiness") == {after, day}


@full_only
def test_bad_newest_day_is_one_failed_day(strange):
    newest = strange.ago(0)
    expected = strange.truth.days("readiness", strange.ago(19)) - {newest}
    strange.make_odd("daily_readiness", newest, "poison")
    run = strange.collect("--days", "20", "--type", "readiness")
    assert (run.code, set(strange.rows("readiness"))) == (1, expected)
    assert strange.failed_days("readiness") <= {newest}
    assert strange.state(newest, "readiness")[0] == "failed"


@full_only
def test_bad_day_under_limit_of_days_costs_one_day(strange):
    [day] = strange.plain_days(1, from_ago=30)
    strange.limit(max_days=30)
    strange.make_odd("sleep", day, "poison")
    strange.collect("--days", "90", "--type", "sleep")
    assert strange.failed_days() == {day}


@full_only
def test_stored_row_stays_when_one_collection_fails(strange):
    [day] = strange.plain_days(1)
    strange.collect("--days", "20", "--type", "sleep")
    before = strange.rows("sleep")[day]
    strange.control("recompute", name="demo", type="daily_sleep", day=day)
    strange.make_odd("sleep", day, "poison")
    run = strange.collect("--days", "20", "--type", "sleep")
    assert (run.code, strange.rows("sleep")[day]) == (1, before)
    state, reason = strange.state(day)
    assert state == "held"
    assert "the last attempt to fetch it again failed (the details of the night" in reason


# A server that is down ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", scaled(["bad_request"], ["server_error", "not_json", "bad_request"])
)
def test_server_down_ends_run_after_twelve_requests(strange, fault):
    for collection in COLLECTIONS:
        strange.fault(fault, times=10**6, path=collection)
    run, asked = strange.collect_counting()
    assert (run.code, run.report["status"]) == (1, "failed")
    assert asked <= 12
    assert run.counts("failed") == dict.fromkeys(TYPES, 1)


@full_only
def test_server_down_altogether_ends_run_after_twelve_requests(strange):
    strange.fault("server_error", times=10**6)
    before = strange.requests()
    run = strange.collect()
    assert (run.code, strange.requests() - before <= 12) == (1, True)


@full_only
def test_run_after_server_was_down_is_complete(strange):
    for collection in COLLECTIONS:
        strange.fault("server_error", times=10**6, path=collection)
    strange.collect()
    strange.clear_faults()
    run = strange.collect()
    expected = {type_: strange.truth.days(type_) for type_ in TYPES}
    assert (run.code, {type_: set(strange.rows(type_)) for type_ in TYPES}) == (0, expected)
    assert [strange.failed_days(type_) for type_ in TYPES] == [set()] * 3


@full_only
def test_one_collection_down_costs_its_type_alone(strange):
    strange.fault("server_error", times=10**6, path="sleep")
    run = strange.collect("--days", "40")
    assert run.code == 1
    assert {each["type"] for each in run.report["errors"]} == {"sleep"}
    assert len(strange.rows("readiness")) > 20
    assert strange.rows("sleep") == {}


@full_only
def test_lost_single_requests_cost_no_day(strange):
    for _ in range(5):
        strange.fault("server_error", times=1, path="daily_activity")
    assert strange.collect("--days", "90").code == 0
