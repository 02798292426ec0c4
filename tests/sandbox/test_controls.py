"""The sandbox's own controls: people, faults, days that change, what was asked."""

import datetime
import threading
import time
from itertools import pairwise

import pytest
from django.test import Client

from sandbox.days import in_drawer
from sandbox.people import people
from sandbox.sleep import beds
from sandbox.store import documents, forget
from tests.sandbox.sandboxed import SEED, TODAY, Oura, start_afresh
from tests.sandbox.test_documents import validate

NAP_TYPES = ["rest", "sleep", "late_nap", "deleted"]
CHANGING = ["daily_activity", "daily_readiness", "daily_sleep", "sleep"]


@pytest.fixture(autouse=True)
def sandbox(settings):
    start_afresh(settings, days=60)


@pytest.fixture
def demo():
    return Oura("demo")


def day_with(collection):
    found = documents("demo", collection, datetime.date(2026, 1, 1), TODAY)
    return found[len(found) // 2]["day"]


def held(collection, on):
    return documents("demo", collection, *[datetime.date.fromisoformat(on)] * 2)


def test_people_are_listed_with_demo_first():
    found = Client().get("/_sandbox/people").json()
    assert found[0]["name"] == "demo"
    assert len(found) == 8
    assert all(set(each) == {"name", "user_id", "access_token"} for each in found)


def test_tokens_and_ids_of_people_are_theirs_alone_and_stable():
    found = Client().get("/_sandbox/people").json()
    assert len({each["access_token"] for each in found}) == len(found)
    assert found[0]["access_token"] == people(SEED)["demo"].access_token


def test_a_listed_person_opens_their_personal_info():
    for each in Client().get("/_sandbox/people").json():
        answer = Oura(each["name"]).get("personal_info")
        assert answer.json()["id"] == each["user_id"]


# Faults -----------------------------------------------------------------------------------------


def test_a_rate_limit_carries_all_its_headers(demo):
    demo.control("faults", fault="rate_limit", retry_after=7)
    answer = demo.get("sleep")
    assert (answer.status_code, answer["Retry-After"]) == (429, "7")
    assert answer["X-RateLimit-Limit"].isdigit()
    assert answer["X-RateLimit-Window"].isdigit()
    assert 0 < int(answer["X-RateLimit-Reset"]) - time.time() <= 8
    assert answer["X-RateLimit-Tier"]


def test_answers_without_fault_have_no_rate_headers(demo):
    assert "X-RateLimit-Limit" not in demo.get("sleep").headers


def test_server_errors_are_5xx_and_not_always_json(demo):
    demo.control("faults", fault="server_error", times=3)
    found = [demo.get("sleep") for _ in range(3)]
    assert [answer.status_code for answer in found] == [500, 502, 503]
    assert {answer["Content-Type"] for answer in found} == {"application/json", "text/html"}


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("forbidden", 403)])
def test_refusals_have_ouras_shape(demo, fault, status):
    demo.control("faults", fault=fault)
    answer = demo.get("sleep")
    assert (answer.status_code, set(answer.json())) == (status, {"detail"})


def test_a_truncated_answer_is_shorter_than_it_says(demo):
    demo.control("faults", fault="truncated")
    answer = demo.get("sleep", start_date="2026-11-01")
    assert answer.status_code == 200
    assert len(answer.content) < int(answer["Content-Length"])


def test_a_malformed_answer_is_200_and_no_json(demo):
    demo.control("faults", fault="malformed", times=2)
    for _ in range(2):
        answer = demo.get("sleep")
        assert answer.status_code == 200
        with pytest.raises(ValueError, match=r"."):
            answer.json() if "json" in answer["Content-Type"] else int(answer.content)


def test_a_slow_answer_is_the_right_one(demo):
    right = demo.list("daily_sleep")
    demo.control("faults", fault="slow")
    before = time.monotonic()
    assert demo.list("daily_sleep") == right
    assert time.monotonic() - before > 0.9


def test_a_timeout_holds_until_the_faults_are_cleared(demo):
    demo.control("faults", fault="timeout")
    answers = []
    held_up = threading.Thread(target=lambda: answers.append(demo.get("sleep")))
    held_up.start()
    held_up.join(0.2)
    assert held_up.is_alive()
    Oura("ana").control("faults", method="DELETE")
    held_up.join(5)
    assert answers[0].status_code == 504


def test_a_fault_lasts_as_many_times_as_asked(demo):
    demo.control("faults", fault="rate_limit", times=2)
    assert [demo.get("sleep").status_code for _ in range(3)] == [429, 429, 200]


def test_a_fault_hits_its_path_alone(demo):
    demo.control("faults", fault="rate_limit", times=9, path="sleep")
    assert demo.get("daily_sleep").status_code == 200
    assert demo.get("sleep").status_code == 429
    assert demo.get("sleep/some-id").status_code == 429


def test_faults_leave_the_controls_alone(demo):
    demo.control("faults", fault="server_error", times=9)
    assert Client().get("/_sandbox/people").status_code == 200


def test_a_fault_hits_ouras_sandbox_too(demo):
    demo.control("faults", fault="rate_limit")
    headers = {"Authorization": "x"}
    answer = demo.http.get("/v2/sandbox/usercollection/sleep", headers=headers)
    assert answer.status_code == 429


def test_faults_are_suffered_one_after_the_other(demo):
    demo.control("faults", fault="rate_limit")
    demo.control("faults", fault="forbidden")
    assert [demo.get("sleep").status_code for _ in range(3)] == [429, 403, 200]


def test_faults_are_listed_with_their_hits(demo):
    demo.control("faults", fault="rate_limit", times=3, path="sleep", retry_after=2)
    demo.get("sleep")
    expected = {"fault": "rate_limit", "times": 3, "path": "sleep", "retry_after": 2, "hits": 1}
    assert demo.http.get("/_sandbox/faults").json() == [expected]


def test_cleared_faults_are_gone(demo):
    demo.control("faults", fault="rate_limit", times=9)
    assert demo.control("faults", method="DELETE").json() == {"cleared": 1}
    assert demo.get("sleep").status_code == 200
    assert demo.http.get("/_sandbox/faults").json() == []


def test_a_request_can_ask_for_its_own_fault(demo):
    headers = {"X-Sandbox-Fault": "rate_limit", "X-Sandbox-Retry-After": "5"}
    answer = demo.get("sleep", headers=headers)
    assert (answer.status_code, answer["Retry-After"]) == (429, "5")
    assert demo.get("sleep").status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "fault must be one of: rate_limit"),
        ({"fault": "flood"}, "fault must be one of: rate_limit"),
        ({"fault": ["slow"]}, "fault must be one of: rate_limit"),
        ({"fault": "slow", "times": 0}, "times must be a whole number from 1"),
        ({"fault": "slow", "times": True}, "times must be a whole number from 1"),
        ({"fault": "slow", "path": "daily"}, "path must be left out or one of: daily_activity"),
        ({"fault": "rate_limit", "retry_after": "soon"}, "retry_after must be a whole number"),
        ({"fault": "slow", "once": True}, "Unknown: once; expected fault, times"),
    ],
)
def test_a_bad_fault_is_told_what_is_expected(demo, body, expected):
    answer = demo.control("faults", **body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(expected)


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_body_that_is_no_object_is_told_so(content):
    answer = Client().post("/_sandbox/faults", content, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json() == {"detail": "The body must be a JSON object."}


def test_a_control_tells_its_methods():
    answer = Client().get("/_sandbox/recompute")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# Days that change -------------------------------------------------------------------------------


def recompute(demo, collection, on, **more):
    answer = demo.control("recompute", name="demo", type=collection, day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.parametrize("collection", ["daily_activity", "daily_readiness", "daily_sleep"])
def test_a_recomputed_day_has_another_score_each_time(demo, collection):
    on = day_with(collection)
    scores = [held(collection, on)[0]["score"]]
    for _ in range(20):
        recompute(demo, collection, on)
        scores.append(held(collection, on)[0]["score"])
    assert len(set(scores)) == len(scores)
    assert all(1 <= score <= 100 for score in scores[1:])


def test_a_recomputed_sleep_moves_its_bedtimes_each_time_and_still_adds_up(demo):
    on = day_with("sleep")
    seen = [[(p["bedtime_start"], p["bedtime_end"]) for p in held("sleep", on)]]
    for _ in range(20):
        recompute(demo, "sleep", on)
        periods = held("sleep", on)
        seen.append([(p["bedtime_start"], p["bedtime_end"]) for p in periods])
        for period in periods:
            asleep = period["total_sleep_duration"]
            assert asleep + period["awake_time"] == period["time_in_bed"]
    assert all(seen.count(each) == 1 for each in seen)


@pytest.mark.parametrize("collection", CHANGING)
def test_recomputing_keeps_the_ids_unless_new_ones_are_asked(demo, collection):
    on = day_with(collection)
    before = {each["id"] for each in held(collection, on)}
    recompute(demo, collection, on)
    assert {each["id"] for each in held(collection, on)} <= before
    told = recompute(demo, collection, on, new_id=True)
    after = {each["id"] for each in held(collection, on)}
    assert not before & after
    assert set(told["ids"]) == after


@pytest.mark.parametrize("collection", CHANGING)
def test_an_old_id_is_gone_and_the_new_one_is_there(demo, collection):
    on = day_with(collection)
    old = held(collection, on)[0]["id"]
    [new, *_] = recompute(demo, collection, on, new_id=True)["ids"]
    assert demo.get(f"{collection}/{old}").status_code == 404
    assert demo.get(f"{collection}/{new}").status_code == 200


def test_recomputing_one_day_leaves_all_else_as_it_was(demo):
    on = day_with("daily_sleep")
    before = demo.list("daily_sleep", start_date="2026-01-01"), demo.list("sleep")
    recompute(demo, "daily_sleep", on, new_id=True)
    after = demo.list("daily_sleep", start_date="2026-01-01"), demo.list("sleep")
    changed = [b["day"] for b, a in zip(before[0], after[0], strict=True) if a != b]
    assert changed == [on]
    assert before[1] == after[1]


def test_a_removed_day_is_gone_from_list_and_single_until_restored(demo):
    on = day_with("daily_sleep")
    document, span = held("daily_sleep", on)[0], {"start_date": on, "end_date": on}
    demo.control("remove", name="demo", type="daily_sleep", day=on)
    assert demo.list("daily_sleep", **span) == []
    assert demo.get(f"daily_sleep/{document['id']}").status_code == 404
    demo.control("restore", name="demo", type="daily_sleep", day=on)
    assert demo.list("daily_sleep", **span) == [document]


def test_removing_and_restoring_tell_what_was_done(demo):
    body = {"name": "demo", "type": "sleep", "day": day_with("sleep")}
    assert demo.control("remove", **body).json() == {**body, "removed": True}
    assert demo.control("remove", **body).json() == {**body, "removed": False}
    assert demo.control("restore", **body).json() == {**body, "restored": True}
    assert demo.control("restore", **body).json() == {**body, "restored": False}


def test_a_removed_day_keeps_its_recomputation(demo):
    on = day_with("daily_sleep")
    recompute(demo, "daily_sleep", on)
    document = held("daily_sleep", on)
    demo.control("remove", name="demo", type="daily_sleep", day=on)
    demo.control("restore", name="demo", type="daily_sleep", day=on)
    assert held("daily_sleep", on) == document


def test_another_person_keeps_the_day(demo):
    on, ana = "2026-11-12", Oura("ana")
    before = ana.list("daily_stress", start_date=on, end_date=on)
    demo.control("remove", name="demo", type="daily_stress", day=on)
    assert ana.list("daily_stress", start_date=on, end_date=on) == before


@pytest.mark.parametrize("path", ["recompute", "remove", "restore"])
@pytest.mark.parametrize(
    ("changed", "status", "expected"),
    [
        ({"name": "nobody"}, 404, "There is no person 'nobody'"),
        ({"type": "mood"}, 404, "There is no type 'mood'"),
        ({"day": "2020-01-01"}, 404, "2020-01-01 lies outside the history"),
        ({"day": "yesterday"}, 400, "day: 'yesterday' is not a date; expected YYYY-MM-DD."),
        ({"day": 20261101}, 400, "day must be a text."),
        ({"when": "now"}, 400, "Unknown: when; expected name, type, day"),
    ],
)
def test_what_is_unknown_is_told_in_a_sentence(demo, path, changed, status, expected):
    body = {"name": "demo", "type": "daily_sleep", "day": "2026-11-01"}
    answer = demo.control(path, **{**body, **changed})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)


def test_a_day_without_a_document_is_404(demo, settings):
    settings.SANDBOX_DAYS = 400
    have = {e["day"] for e in documents("demo", "daily_sleep", datetime.date(2025, 1, 1), TODAY)}
    days = (TODAY - datetime.timedelta(days=n) for n in range(400))
    missing = next(each.isoformat() for each in days if each.isoformat() not in have)
    answer = demo.control("recompute", name="demo", type="daily_sleep", day=missing)
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"demo has no daily_sleep on {missing}."


def test_a_removed_day_cannot_be_recomputed(demo):
    body = {"name": "demo", "type": "daily_sleep", "day": day_with("daily_sleep")}
    demo.control("remove", **body)
    assert demo.control("recompute", **body).status_code == 404


def test_what_has_no_score_cannot_be_recomputed(demo):
    answer = demo.control("recompute", name="demo", type="daily_stress", day="2026-11-12")
    assert answer.status_code == 400
    assert "daily_sleep" in answer.json()["detail"]


def test_new_id_must_be_a_truth(demo):
    body = {"name": "demo", "type": "daily_sleep", "day": day_with("daily_sleep")}
    answer = demo.control("recompute", **body, new_id="yes")
    assert (answer.status_code, answer.json()["detail"]) == (400, "new_id must be true or false.")


# Naps and deletions -----------------------------------------------------------------------------

DELTAS = {"readiness_score_delta", "sleep_score_delta"}


def asked(demo, path, on, **more):
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def nap_of(demo, on, kind="sleep"):
    """The day's one more period after a nap was asked."""
    before = {each["id"] for each in held("sleep", on)}
    told = asked(demo, "nap", on, type=kind)
    [new] = [each for each in held("sleep", on) if each["id"] not in before]
    assert told == {"name": "demo", "type": "sleep", "day": on, "ids": told["ids"]}
    assert told["ids"] == [each["id"] for each in held("sleep", on)]
    return new


def without(period, *names):
    return {name: value for name, value in period.items() if name not in names}


def ringless(settings):
    """A day in the drawer, with the history long enough to have it."""
    settings.SANDBOX_DAYS = 1500
    days = (TODAY - datetime.timedelta(days=n) for n in range(1500))
    return next(each.isoformat() for each in days if in_drawer(people(SEED)["demo"], each))


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_a_nap_is_one_more_period_and_leaves_the_others_as_they_were(demo, kind):
    on = day_with("sleep")
    before = held("sleep", on)
    nap = nap_of(demo, on, kind)
    assert (nap["type"], nap["day"], nap["period"]) == (kind, on, len(before))
    assert [each for each in held("sleep", on) if each != nap] == before


@pytest.mark.parametrize("name", ["demo", "ben", "greta"])
def test_naps_of_every_day_add_up_and_validate_and_overlap_nothing(settings, name):
    settings.SANDBOX_TODAY += datetime.timedelta(days=1)
    for number in range(50):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        body = {"name": name, "day": on, "type": NAP_TYPES[number % 4]}
        assert Oura(name).control("nap", **body).status_code == 200
    found = documents(name, "sleep", datetime.date(2026, 1, 1), settings.SANDBOX_TODAY)
    for period in found:
        check_period(period)
    times = [bedtimes(each) for each in found]
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    answer = Oura(name).get("sleep", start_date="2026-09-01", end_date="2026-11-22").json()
    validate(answer, "MultiDocumentResponse_PublicModifiedSleepModel_")
    assert len(answer["data"]) == len(found)


def bedtimes(period):
    edges = (period["bedtime_start"], period["bedtime_end"])
    return tuple(map(datetime.datetime.fromisoformat, edges))


def check_period(period):
    begin, end = bedtimes(period)
    in_bed, total = period["time_in_bed"], period["total_sleep_duration"]
    stages = [period[f"{stage}_sleep_duration"] for stage in ("deep", "light", "rem")]
    assert total == sum(stages)
    assert total + period["awake_time"] == in_bed == (end - begin).total_seconds()
    assert period["efficiency"] == round(100 * total / in_bed)
    assert len(period["movement_30_sec"]) == len(period["sleep_phase_30_sec"]) == in_bed / 30
    assert len(period["sleep_phase_5_min"]) == -(-in_bed // 300)


def test_periods_count_in_the_order_of_time_beside_a_nap(demo):
    for number in range(60):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        asked(demo, "nap", on, type="rest")
        found = sorted(held("sleep", on), key=lambda each: each["bedtime_start"])
        assert [each["period"] for each in found] == list(range(len(found)))


def test_a_nap_asked_again_changes_its_type_and_deltas_alone(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on, "rest")
    for kind in ("sleep", "late_nap", "deleted", "rest"):
        asked(demo, "nap", on, type=kind)
        again = held("sleep", on)[-1]
        assert again["type"] == kind
        assert without(again, "type", *DELTAS) == without(nap, "type", *DELTAS)


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_only_a_confirmed_nap_has_moved_scores(demo, kind):
    nap = nap_of(demo, day_with("sleep"), kind)
    assert [nap[delta] is not None for delta in DELTAS] == [kind in ("sleep", "late_nap")] * 2


@pytest.mark.parametrize("recomputed", [False, True])
def test_single_documents_beside_a_nap_equal_those_of_the_list(demo, recomputed):
    on = day_with("sleep")
    asked(demo, "nap", on, type="rest")
    if recomputed:
        recompute(demo, "sleep", on, new_id=True)
    found = held("sleep", on)
    assert demo.between("sleep", on, on) == found
    assert [demo.get(f"sleep/{each['id']}").json() for each in found] == found


def test_a_nap_is_all_that_a_day_without_the_ring_has(demo, settings):
    on = ringless(settings)
    assert held("sleep", on) == []
    nap = nap_of(demo, on)
    assert (nap["period"], held("sleep", on)) == (0, [nap])
    assert demo.get(f"sleep/{nap['id']}").json() == nap


def test_a_nap_without_a_night_moves_when_it_is_recomputed(demo, settings):
    on = ringless(settings)
    seen = [nap_of(demo, on)]
    for _ in range(5):
        recompute(demo, "sleep", on)
        seen += held("sleep", on)
        check_period(seen[-1])
    assert len({each["bedtime_start"] for each in seen}) == 6
    assert len({each["id"] for each in seen}) == 1


def test_a_nap_without_a_night_can_be_removed_and_restored(demo, settings):
    on = ringless(settings)
    nap, body = nap_of(demo, on), {"name": "demo", "type": "sleep", "day": on}
    assert demo.control("remove", **body).json()["removed"]
    assert held("sleep", on) == []
    assert demo.control("restore", **body).json()["restored"]
    assert held("sleep", on) == [nap]


def test_a_recomputed_night_keeps_its_nap(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on)
    told = recompute(demo, "sleep", on)
    assert held("sleep", on)[-1] == nap
    assert told["ids"][-1] == nap["id"]


def test_a_nap_keeps_its_id_when_the_night_swallows_an_earlier_period(demo):
    person = people(SEED)["demo"]
    days = (TODAY - datetime.timedelta(days=n) for n in range(60))
    on = next(d.isoformat() for d in days if len(beds(person, d, 9)) < len(beds(person, d)))
    nap = nap_of(demo, on)
    for _ in range(9):
        recompute(demo, "sleep", on)
    assert held("sleep", on)[-1] == {**nap, "period": nap["period"] - 1}


def test_new_ids_are_a_naps_too(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on)
    recompute(demo, "sleep", on, new_id=True)
    assert without(held("sleep", on)[-1], "id") == without(nap, "id")
    assert demo.get(f"sleep/{nap['id']}").status_code == 404


def test_deleted_periods_keep_all_but_their_type_and_deltas(demo):
    on = day_with("sleep")
    before = [*held("sleep", on), nap_of(demo, on)]
    told = asked(demo, "periods", on, deleted=True)
    after = held("sleep", on)
    expected = {"name": "demo", "type": "sleep", "day": on, "ids": [e["id"] for e in before]}
    assert told == expected
    assert [each["type"] for each in after] == ["deleted"] * len(before)
    assert {each[delta] for each in after for delta in DELTAS} == {None}
    kept = [[without(each, "type", *DELTAS) for each in found] for found in (before, after)]
    assert kept[0] == kept[1]


def test_deleted_periods_get_their_own_types_again(demo):
    on = day_with("sleep")
    asked(demo, "nap", on, type="late_nap")
    before = held("sleep", on)
    asked(demo, "periods", on, deleted=True)
    told = asked(demo, "periods", on, deleted=False)
    assert held("sleep", on) == before
    assert told["ids"] == [each["id"] for each in before]


def test_a_rest_does_not_count_and_is_not_deleted(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on, "rest")
    asked(demo, "periods", on, deleted=True)
    assert held("sleep", on)[-1] == nap


def test_a_nap_asked_after_a_deletion_has_the_type_that_was_asked(demo):
    on = day_with("sleep")
    asked(demo, "periods", on, deleted=True)
    asked(demo, "nap", on, type="sleep")
    kinds = [each["type"] for each in held("sleep", on)]
    assert (set(kinds[:-1]), kinds[-1]) == ({"deleted"}, "sleep")


def test_a_recomputed_day_stays_deleted(demo):
    on = day_with("sleep")
    asked(demo, "periods", on, deleted=True)
    before = held("sleep", on)
    recompute(demo, "sleep", on, new_id=True)
    after = held("sleep", on)
    assert {each["type"] for each in after} == {"deleted"}
    assert before[0]["bedtime_start"] != after[0]["bedtime_start"]


def test_a_removed_day_keeps_its_nap_and_its_deletion(demo):
    on = day_with("sleep")
    asked(demo, "nap", on, type="rest")
    asked(demo, "periods", on, deleted=True)
    before = held("sleep", on)
    demo.control("remove", name="demo", type="sleep", day=on)
    assert held("sleep", on) == []
    demo.control("restore", name="demo", type="sleep", day=on)
    assert held("sleep", on) == before


@pytest.mark.parametrize(
    ("path", "more"), [("nap", {"type": "rest"}), ("periods", {"deleted": True})]
)
def test_a_removed_day_can_be_given_no_other_types(demo, path, more):
    on = day_with("sleep")
    demo.control("remove", name="demo", type="sleep", day=on)
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"demo's sleep of {on} is removed; restore it first."


def test_forgetting_undoes_naps_and_deletions(demo):
    on = day_with("sleep")
    before = held("sleep", on)
    asked(demo, "nap", on, type="sleep")
    asked(demo, "periods", on, deleted=True)
    assert held("sleep", on) != before
    forget()
    assert held("sleep", on) == before


def test_deleting_the_periods_of_a_day_without_any_is_404(demo, settings):
    on = ringless(settings)
    answer = demo.control("periods", name="demo", day=on, deleted=True)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"demo has no sleep on {on}.")


def test_another_person_and_another_day_have_no_nap(demo):
    on, ana = day_with("sleep"), Oura("ana")
    span = {"start_date": "2026-09-01", "end_date": "2026-11-22"}
    before, others = demo.list("sleep", **span), ana.list("sleep", **span)
    nap = nap_of(demo, on)
    assert [each for each in demo.list("sleep", **span) if each != nap] == before
    assert ana.list("sleep", **span) == others


@pytest.mark.parametrize(
    ("path", "changed", "status", "expected"),
    [
        ("nap", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("nap", {"name": 7}, 400, "name must be a text."),
        ("nap", {"day": "2020-01-01"}, 404, "2020-01-01 lies outside the history"),
        ("nap", {"day": "2026-11-21"}, 404, "2026-11-21 lies outside the history"),
        ("nap", {"day": "noon"}, 400, "day: 'noon' is not a date; expected YYYY-MM-DD."),
        (
            "nap",
            {"type": "long_sleep"},
            400,
            "type must be one of: rest, sleep, late_nap, deleted.",
        ),
        ("nap", {"type": None}, 400, "type must be a text."),
        ("nap", {"deleted": True}, 400, "Unknown: deleted; expected name, day, type."),
        ("periods", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("periods", {"day": "2020-01-01"}, 404, "2020-01-01 lies outside the history"),
        ("periods", {"day": 20261101}, 400, "day must be a text."),
        ("periods", {"deleted": "yes"}, 400, "deleted must be true or false."),
        ("periods", {"deleted": None}, 400, "deleted must be true or false."),
        ("periods", {"type": "sleep"}, 400, "Unknown: type; expected name, day, deleted."),
    ],
)
def test_a_bad_nap_or_deletion_is_told_in_a_sentence(demo, path, changed, status, expected):
    own = {"type": "rest"} if path == "nap" else {"deleted": True}
    answer = demo.control(path, **{"name": "demo", "day": "2026-11-01", **own, **changed})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)


# What was asked ---------------------------------------------------------------------------------


def test_requests_are_counted_by_route(demo):
    demo.get("sleep")
    demo.get("sleep")
    demo.get("sleep/some-id")
    expected = {
        "total": 3,
        "paths": {
            "/v2/usercollection/sleep": 2,
            "/v2/usercollection/sleep/<document_id>": 1,
        },
    }
    assert demo.http.get("/_sandbox/requests").json() == expected


def test_the_count_can_begin_anew(demo):
    demo.get("sleep")
    demo.control("requests", method="DELETE")
    assert demo.http.get("/_sandbox/requests").json() == {"total": 0, "paths": {}}


def test_faulty_requests_count_too(demo):
    demo.control("faults", fault="rate_limit")
    demo.get("sleep")
    assert demo.http.get("/_sandbox/requests").json()["total"] == 1
