"""The sandbox's controls: people, faults, changes to days, request counts."""

import datetime
import threading
import time

import orjson
import pytest
from django.test import Client

from sandbox.people import named_people
from sandbox.store import documents_between
from tests.processes import wait_until
from tests.sandbox.sandboxed import (
    SEED,
    TODAY,
    Oura,
    day_with,
    documents_on,
    recompute,
    reset_sandbox,
)

CHANGING = ["daily_activity", "daily_readiness", "daily_sleep", "sleep"]


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings, days=60)


def test_people_list_starts_with_demo():
    results = Client().get("/_sandbox/people").json()
    assert results[0]["name"] == "demo"
    assert len(results) == 8
    assert all(set(item) == {"name", "user_id", "access_token"} for item in results)


def test_tokens_of_people_are_unique_and_stable():
    results = Client().get("/_sandbox/people").json()
    assert len({item["access_token"] for item in results}) == len(results)
    assert results[0]["access_token"] == named_people(SEED)["demo"].access_token


def test_listed_token_opens_personal_info():
    for item in Client().get("/_sandbox/people").json():
        answer = Oura(item["name"]).get("personal_info")
        assert answer.json()["id"] == item["user_id"]


# Faults -----------------------------------------------------------------------------------------


def test_rate_limit_has_all_headers(demo):
    demo.control("faults", fault="rate_limit", retry_after=7)
    answer = demo.get("sleep")
    assert (answer.status_code, answer["Retry-After"]) == (429, "7")
    assert answer["X-RateLimit-Limit"].isdigit()
    assert answer["X-RateLimit-Window"].isdigit()
    assert 0 < int(answer["X-RateLimit-Reset"]) - time.time() <= 8
    assert answer["X-RateLimit-Tier"]


def test_no_rate_limit_headers_without_fault(demo):
    assert "X-RateLimit-Limit" not in demo.get("sleep").headers


def test_server_errors_are_5xx_in_json_or_html(demo):
    demo.control("faults", fault="server_error", times=3)
    results = [demo.get("sleep") for _ in range(3)]
    assert [answer.status_code for answer in results] == [500, 502, 503]
    assert {answer["Content-Type"] for answer in results} == {"application/json", "text/html"}


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("forbidden", 403)])
def test_refused_personal_info_names_the_scope(demo, fault, status):
    demo.control("faults", fault=fault, path="personal_info")
    answer = demo.get("personal_info")
    assert answer.status_code == status
    assert answer.json() == {"detail": "Token is not authorized access personal scope."}


@pytest.mark.parametrize(
    ("fault", "status"), [("bad_request", 400), ("too_large", 413), ("unprocessable", 422)]
)
def test_rejected_requests_have_only_detail(demo, fault, status):
    demo.control("faults", fault=fault)
    answer = demo.get("sleep")
    assert (answer.status_code, set(answer.json())) == (status, {"detail"})


def test_gateway_timeout_comes_at_once(demo):
    demo.control("faults", fault="gateway_timeout")
    before = time.monotonic()
    assert demo.get("sleep").status_code == 504
    assert time.monotonic() - before < 30


def test_response_that_is_not_json_has_nan(demo):
    demo.control("faults", fault="not_json")
    answer = demo.get("sleep")
    assert answer.status_code == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("forbidden", 403)])
def test_refusals_have_only_detail(demo, fault, status):
    demo.control("faults", fault=fault)
    answer = demo.get("sleep")
    assert (answer.status_code, set(answer.json())) == (status, {"detail"})


def test_truncated_body_is_shorter_than_content_length(demo):
    demo.control("faults", fault="truncated")
    answer = demo.get("sleep", start_date="2026-11-01")
    assert answer.status_code == 200
    assert len(answer.content) < int(answer["Content-Length"])


def test_malformed_response_is_200_without_json(demo):
    demo.control("faults", fault="malformed", times=2)
    for _ in range(2):
        answer = demo.get("sleep")
        assert answer.status_code == 200
        with pytest.raises(ValueError, match=r"."):
            answer.json() if "json" in answer["Content-Type"] else int(answer.content)


def test_slow_response_is_late_and_complete(demo):
    right = demo.list("daily_sleep")
    demo.control("faults", fault="slow")
    before = time.monotonic()
    assert demo.list("daily_sleep") == right
    assert time.monotonic() - before > 0.9


def test_timeout_holds_until_faults_are_cleared(demo):
    demo.control("faults", fault="timeout")
    answers = []
    held_up = threading.Thread(target=lambda: answers.append(demo.get("sleep")))
    held_up.start()
    wait_until(lambda: Oura("ana").control("faults", method="GET").json()[0]["hits"] == 1)
    Oura("ana").control("faults", method="DELETE")
    held_up.join()
    assert answers[0].status_code == 504


def test_fault_hits_the_given_number_of_times(demo):
    demo.control("faults", fault="rate_limit", times=2)
    assert [demo.get("sleep").status_code for _ in range(3)] == [429, 429, 200]


def test_fault_hits_only_its_path(demo):
    demo.control("faults", fault="rate_limit", times=9, path="sleep")
    assert demo.get("daily_sleep").status_code == 200
    assert demo.get("sleep").status_code == 429
    assert demo.get("sleep/some-id").status_code == 429


def test_faults_spare_the_controls(demo):
    demo.control("faults", fault="server_error", times=9)
    assert Client().get("/_sandbox/people").status_code == 200


def test_fault_hits_ouras_sandbox_too(demo):
    demo.control("faults", fault="rate_limit")
    headers = {"Authorization": "x"}
    answer = demo.http.get("/v2/sandbox/usercollection/sleep", headers=headers)
    assert answer.status_code == 429


def test_faults_apply_in_order(demo):
    demo.control("faults", fault="rate_limit")
    demo.control("faults", fault="forbidden")
    assert [demo.get("sleep").status_code for _ in range(3)] == [429, 403, 200]


def test_faults_are_listed_with_hits(demo):
    demo.control("faults", fault="rate_limit", times=3, path="sleep", retry_after=2)
    demo.get("sleep")
    expected = {"fault": "rate_limit", "times": 3, "path": "sleep", "retry_after": 2, "hits": 1}
    assert demo.http.get("/_sandbox/faults").json() == [expected]


def test_clearing_removes_all_faults(demo):
    demo.control("faults", fault="rate_limit", times=9)
    assert demo.control("faults", method="DELETE").json() == {"cleared": 1}
    assert demo.get("sleep").status_code == 200
    assert demo.http.get("/_sandbox/faults").json() == []


def test_header_requests_a_single_fault(demo):
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
        ({"fault": "slow", "times": 0}, "times must be an integer from 1"),
        ({"fault": "slow", "times": True}, "times must be an integer from 1"),
        ({"fault": "slow", "path": "daily"}, "path must be omitted or one of: daily_activity"),
        ({"fault": "rate_limit", "retry_after": "soon"}, "retry_after must be an integer"),
        ({"fault": "slow", "once": True}, "Unknown fields: once. Use only fault, times"),
    ],
)
def test_invalid_fault_is_400_with_reason(demo, body, expected):
    answer = demo.control("faults", **body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(expected)


@pytest.mark.parametrize("content", [" ", "[]", "{", "null"])
def test_body_must_be_a_json_object(content):
    answer = Client().post("/_sandbox/faults", content, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json() == {"detail": "The body must be a JSON object."}


TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_body_that_is_not_json_is_415(demo, method, content_type):
    body = '{"fault": "slow"}'
    answer = demo.http.generic(method, "/_sandbox/faults", body, content_type=content_type)
    assert answer.status_code == 415
    assert demo.http.get("/_sandbox/faults").json() == []


def test_json_may_name_its_charset(demo):
    content_type = "application/json; charset=utf-8"
    assert demo.http.post("/_sandbox/faults", {"fault": "slow"}, content_type).status_code == 200


def test_empty_body_needs_no_content_type(demo):
    assert demo.http.generic("DELETE", "/_sandbox/faults", content_type="").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8000", ""])
def test_page_of_another_site_is_refused(demo, origin):
    for method in ("GET", "POST", "DELETE"):
        headers = {"Origin": origin, "Content-Length": "2", "Content-Type": "application/json"}
        answer = demo.http.generic(method, "/_sandbox/faults", "{}", headers=headers)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer


def test_page_of_the_sandbox_may_use_controls(demo):
    headers = {"Host": "localhost:8002", "Origin": "http://localhost:8002"}
    assert demo.http.get("/_sandbox/faults", headers=headers).status_code == 200


def test_wrong_method_is_405_with_allow():
    answer = Client().get("/_sandbox/recompute")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# Changes to days --------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["daily_activity", "daily_readiness", "daily_sleep"])
def test_recomputing_changes_the_score_each_time(demo, collection):
    on = day_with(collection)
    scores = [documents_on(collection, on)[0]["score"]]
    for _ in range(20):
        recompute(demo, collection, on)
        scores.append(documents_on(collection, on)[0]["score"])
    assert len(set(scores)) == len(scores)
    assert all(1 <= score <= 100 for score in scores[1:])


def test_recomputing_sleep_moves_bedtimes_and_durations_still_add_up(demo):
    on = day_with("sleep")
    seen = [[(p["bedtime_start"], p["bedtime_end"]) for p in documents_on("sleep", on)]]
    for _ in range(20):
        recompute(demo, "sleep", on)
        periods = documents_on("sleep", on)
        seen.append([(p["bedtime_start"], p["bedtime_end"]) for p in periods])
        for period in periods:
            asleep = period["total_sleep_duration"]
            assert asleep + period["awake_time"] == period["time_in_bed"]
    assert all(seen.count(item) == 1 for item in seen)


@pytest.mark.parametrize("collection", CHANGING)
def test_recomputing_keeps_ids_unless_new_id_is_set(demo, collection):
    on = day_with(collection)
    before = {item["id"] for item in documents_on(collection, on)}
    recompute(demo, collection, on)
    assert {item["id"] for item in documents_on(collection, on)} <= before
    response = recompute(demo, collection, on, new_id=True)
    after = {item["id"] for item in documents_on(collection, on)}
    assert not before & after
    assert set(response["ids"]) == after


@pytest.mark.parametrize("collection", CHANGING)
def test_new_id_replaces_the_old_one(demo, collection):
    on = day_with(collection)
    old = documents_on(collection, on)[0]["id"]
    [new, *_] = recompute(demo, collection, on, new_id=True)["ids"]
    assert demo.get(f"{collection}/{old}").status_code == 404
    assert demo.get(f"{collection}/{new}").status_code == 200


def test_recomputing_changes_only_that_day(demo):
    on = day_with("daily_sleep")
    before = demo.list("daily_sleep", start_date="2026-01-01"), demo.list("sleep")
    recompute(demo, "daily_sleep", on, new_id=True)
    after = demo.list("daily_sleep", start_date="2026-01-01"), demo.list("sleep")
    changed = [b["day"] for b, a in zip(before[0], after[0], strict=True) if a != b]
    assert changed == [on]
    assert before[1] == after[1]


def test_removed_day_is_gone_until_restored(demo):
    on = day_with("daily_sleep")
    document, span = documents_on("daily_sleep", on)[0], {"start_date": on, "end_date": on}
    demo.control("remove", name="demo", type="daily_sleep", day=on)
    assert demo.list("daily_sleep", **span) == []
    assert demo.get(f"daily_sleep/{document['id']}").status_code == 404
    demo.control("restore", name="demo", type="daily_sleep", day=on)
    assert demo.list("daily_sleep", **span) == [document]


def test_removing_and_restoring_report_whether_they_changed_anything(demo):
    body = {"name": "demo", "type": "sleep", "day": day_with("sleep")}
    assert demo.control("remove", **body).json() == {**body, "removed": True}
    assert demo.control("remove", **body).json() == {**body, "removed": False}
    assert demo.control("restore", **body).json() == {**body, "restored": True}
    assert demo.control("restore", **body).json() == {**body, "restored": False}


def test_removed_day_keeps_its_recomputation(demo):
    on = day_with("daily_sleep")
    recompute(demo, "daily_sleep", on)
    document = documents_on("daily_sleep", on)
    demo.control("remove", name="demo", type="daily_sleep", day=on)
    demo.control("restore", name="demo", type="daily_sleep", day=on)
    assert documents_on("daily_sleep", on) == document


def test_removing_spares_other_people(demo):
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
        ({"day": "2020-01-01"}, 404, "2020-01-01 is outside the history"),
        ({"day": "yesterday"}, 400, "day must be a date as YYYY-MM-DD, not 'yesterday'."),
        ({"day": "20261120"}, 400, "day must be a date as YYYY-MM-DD, not '20261120'."),
        ({"day": 20261101}, 400, "day must be a string."),
        ({"when": "now"}, 400, "Unknown fields: when. Use only name, type, day"),
    ],
)
def test_unknown_day_fields_are_rejected_with_reason(demo, path, changed, status, expected):
    body = {"name": "demo", "type": "daily_sleep", "day": "2026-11-01"}
    answer = demo.control(path, **{**body, **changed})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)


def test_recomputing_day_without_document_is_404(demo, settings):
    settings.SANDBOX_DAYS = 400
    have = {
        e["day"] for e in documents_between("demo", "daily_sleep", datetime.date(2025, 1, 1), TODAY)
    }
    days = (TODAY - datetime.timedelta(days=n) for n in range(400))
    missing = next(item.isoformat() for item in days if item.isoformat() not in have)
    answer = demo.control("recompute", name="demo", type="daily_sleep", day=missing)
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"demo has no daily_sleep on {missing}."


def test_recomputing_removed_day_is_404(demo):
    body = {"name": "demo", "type": "daily_sleep", "day": day_with("daily_sleep")}
    demo.control("remove", **body)
    assert demo.control("recompute", **body).status_code == 404


def test_recomputing_collection_without_score_is_400(demo):
    answer = demo.control("recompute", name="demo", type="daily_stress", day="2026-11-12")
    assert answer.status_code == 400
    assert "daily_sleep" in answer.json()["detail"]


def test_new_id_must_be_boolean(demo):
    body = {"name": "demo", "type": "daily_sleep", "day": day_with("daily_sleep")}
    answer = demo.control("recompute", **body, new_id="yes")
    assert (answer.status_code, answer.json()["detail"]) == (400, "new_id must be true or false.")


# Request counts ---------------------------------------------------------------------------------


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


def test_request_counts_can_be_reset(demo):
    demo.get("sleep")
    demo.control("requests", method="DELETE")
    assert demo.http.get("/_sandbox/requests").json() == {"total": 0, "paths": {}}


def test_requests_with_faults_are_counted(demo):
    demo.control("faults", fault="rate_limit")
    demo.get("sleep")
    assert demo.http.get("/_sandbox/requests").json()["total"] == 1
