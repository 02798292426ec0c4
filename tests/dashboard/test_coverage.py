"""GET /api/v1/coverage, and the coverage in the dashboard."""

import datetime
from itertools import pairwise

import pytest
from django.utils import timezone

from ingest.models import METRIC_MODELS
from tests.conftest import Api
from tests.worlds import days_ago, failed_fetch, fetch_completely, reject_document, store_days

pytestmark = pytest.mark.django_db
MARCH = {"start": "2026-03-01", "end": "2026-03-10"}
HOUR = datetime.timedelta(hours=1)
FETCHED_AT = datetime.datetime(2026, 3, 20, 8, 30, tzinfo=datetime.UTC)


def ranges(api, type_="sleep", **query):
    return api.get("coverage", **(query or MARCH)).json()[type_]["ranges"]


def test_each_type_has_ranges_oldest_first(ana, api):
    store_days(ana, ["2026-03-02", "2026-03-03"])
    body = api.get("coverage", **MARCH).json()
    assert list(body) == list(METRIC_MODELS)
    assert [(each["from"], each["to"], each["state"]) for each in body["sleep"]["ranges"]] == [
        ("2026-03-01", "2026-03-01", "not_asked"),
        ("2026-03-02", "2026-03-03", "held"),
        ("2026-03-04", "2026-03-10", "not_asked"),
    ]


def test_stored_days_have_no_reason_and_others_have_one(ana, api):
    store_days(ana, ["2026-03-01"])
    stored, other = ranges(api)
    assert stored["reason"] is None
    assert other["reason"] == "myhealth has not asked Oura yet."


def test_each_day_is_in_exactly_one_range(ana, api):
    store_days(ana, ["2026-03-02"])
    result = ranges(api, start="0001-01-01", end="9999-12-31")
    assert (result[0]["from"], result[-1]["to"]) == ("0001-01-01", "9999-12-31")
    for earlier, later in pairwise(result):
        last = datetime.date.fromisoformat(earlier["to"])
        assert later["from"] == str(last + datetime.timedelta(days=1))


def test_default_range_is_last_30_days(api):
    [only] = ranges(api, format="json")
    assert (only["from"], only["to"]) == (str(days_ago(29)), str(days_ago(0)))


def test_ranges_that_differ_in_fetch_only_are_merged(ana, api):
    store_days(ana, ["2026-03-01", "2026-03-10"])
    fetch_completely(ana, "2026-03-01", "2026-03-05", at=FETCHED_AT)
    fetch_completely(ana, "2026-03-06", "2026-03-10", at=FETCHED_AT + datetime.timedelta(hours=1))
    states = [(each["from"], each["to"], each["state"]) for each in ranges(api)]
    assert states[1] == ("2026-03-02", "2026-03-09", "not_synced")


def test_failure_is_reason(ana, api):
    details = {"kind": "forbidden", "status": 403, "collection": "sleep"}
    failed_fetch(ana, "2026-03-01", "2026-03-10", **details)
    [only] = ranges(api)
    assert only["state"] == "no_permission"
    assert only["reason"].startswith(
        "Oura denied access to the details of the night (HTTP status 403)"
    )


def test_day_without_ring_is_stored_and_has_reason(ana, api):
    store_days(ana, ["2026-03-01", "2026-03-03"], "activity", non_wear_minutes=50)
    store_days(ana, ["2026-03-02"], "activity", non_wear_minutes=1440)
    reason = "The ring was off for 24 h 00 min of the day."
    found = ranges(api, "activity", start="2026-03-01", end="2026-03-03")
    assert [(each["state"], each["reason"]) for each in found] == [
        ("held", None),
        ("held", reason),
        ("held", None),
    ]
    day = api.get("days/2026-03-02").json()["coverage"]["activity"]
    assert day == {"state": "held", "reason": reason}


def test_unchanged_day_settles_failure_for_clients_with_etag(ana, api):
    store_days(ana, ["2026-03-01"], at=FETCHED_AT)
    failed_fetch(ana, "2026-03-01", "2026-03-01", asked_at=FETCHED_AT + HOUR)
    first = api.get("coverage", **MARCH)
    assert (
        "the last attempt to fetch it again failed" in first.json()["sleep"]["ranges"][0]["reason"]
    )
    store_days(ana, ["2026-03-01"], at=FETCHED_AT + 2 * HOUR)
    second = api.get("coverage", {"If-None-Match": first["ETag"]}, **MARCH)
    assert second.json()["sleep"]["ranges"][0]["reason"] is None


def test_unchanged_day_that_is_over_now_is_judged_again(ana, api):
    nights = ["2026-03-01", "2026-03-03"]
    store_days(ana, nights, at=FETCHED_AT, fetched=("2026-03-01", "2026-03-10"))
    early = datetime.datetime(2026, 3, 2, 20, tzinfo=datetime.UTC)
    days = ["2026-03-01", "2026-03-02"]
    store_days(ana, days, "activity", at=early, non_wear_minutes=400)
    first = api.get("coverage", **MARCH)
    assert first.json()["sleep"]["ranges"][1]["state"] == "none"
    store_days(ana, days, "activity", at=FETCHED_AT, non_wear_minutes=400)
    second = api.get("coverage", {"If-None-Match": first["ETag"]}, **MARCH)
    assert second.json()["sleep"]["ranges"][1]["state"] == "not_worn"


def test_coverage_of_other_people_is_hidden(ana, ben, api):
    store_days(ben, ["2026-03-02"])
    assert {each["state"] for each in ranges(api)} == {"not_asked"}


def test_staff_get_link_to_rejected_document(ana, api):
    ana.is_staff = True
    ana.save()
    document = reject_document(ana, "2026-03-02")
    [rejected] = [each for each in ranges(api) if each["state"] == "rejected"]
    assert rejected["link"] == f"/admin/ingest/rejecteddocument/{document.pk}/change/"


def test_staff_get_link_to_rejected_document_of_stored_day(ana, api):
    ana.is_staff = True
    ana.save()
    store_days(ana, ["2026-03-02"])
    document = reject_document(ana, "2026-03-02")
    [stored] = [each for each in ranges(api) if each["state"] == "held"]
    assert stored["link"] == f"/admin/ingest/rejecteddocument/{document.pk}/change/"


def test_people_without_staff_status_get_no_link(ana, api):
    reject_document(ana, "2026-03-02")
    assert "rejected" in {each["state"] for each in ranges(api)}
    assert not [each for each in ranges(api) if "link" in each]


def test_etag_changes_with_staff_status(ana, api):
    reject_document(ana, "2026-03-02")
    etag = api.get("coverage", **MARCH).headers["ETag"]
    ana.is_staff = True
    ana.save()
    assert api.get("coverage", headers={"If-None-Match": etag}, **MARCH).status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"start": "2026-02-30"}, "start", "YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "must not be after end"),
        ({"fields": "state"}, "fields", "expected one of start, end, format."),
        ({"format": "csv"}, "format", "expected one of: json, api."),
    ],
)
def test_invalid_parameter_is_named(api, query, field, expected):
    answer = api.get("coverage", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


@pytest.mark.parametrize(
    "path", ["coverage", "dashboard", "marks", "days/2026-03-02", "nights/2026-03-02"]
)
def test_etag_changes_only_with_coverage(ana, api, path):
    store_days(ana, ["2026-03-01"])
    etag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    fetch_completely(ana, "2026-03-01", "2026-03-05", ["readiness"])
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_etag_of_rows_does_not_change_with_coverage(ana, api):
    store_days(ana, ["2026-03-01"])
    etag = api.get("sleep").headers["ETag"]
    fetch_completely(ana, "2026-03-01", "2026-03-05")
    assert api.get("sleep", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["coverage", "dashboard"])
def test_etag_changes_with_the_day_in_utc(api, monkeypatch, path):
    query = MARCH if path == "coverage" else {}
    etag = api.get(path, **query).headers["ETag"]
    tomorrow = timezone.now().date() + datetime.timedelta(days=1)
    monkeypatch.setattr("dashboard.queries.utc_today", lambda: tomorrow)
    assert api.get(path, headers={"If-None-Match": etag}, **query).status_code == 200


@pytest.mark.parametrize(
    "path", ["coverage", "marks", "days/2026-03-02", "nights/2026-03-02", "series/met"]
)
def test_answers_are_cached_privately(api, path):
    headers = api.get(path).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


@pytest.mark.parametrize(
    "path", ["coverage", "marks", "days/2026-03-02", "nights/2026-03-02", "series/met"]
)
def test_route_requires_access_token(db, path):
    assert Api().get(path).status_code == 401


@pytest.mark.parametrize(
    "path", ["coverage", "marks", "days/2026-03-02", "nights/2026-03-02", "series/met"]
)
def test_browsable_api_shows_route(ana, api, path):
    assert api.get(path, format="api").headers["Content-Type"].startswith("text/html")


def test_number_of_queries_does_not_grow_with_history(ana, api, django_assert_max_num_queries):
    store_days(ana, [f"2026-03-{n:02}" for n in range(1, 29, 2)])
    with django_assert_max_num_queries(4):
        assert len(ranges(api)) == 10


# The dashboard --------------------------------------------------------------------------------


def week(api, type_="sleep"):
    return api.get("dashboard").json()["weekly_summary"]["coverage"][type_]


def test_days_are_expected_from_first_row_of_any_type(ana, api):
    store_days(ana, [days_ago(3)], "activity")
    store_days(ana, [days_ago(1)])
    coverage = week(api)
    assert (coverage["days_expected"], coverage["days_present"]) == (4, 1)


def test_week_before_first_row_has_no_expected_days(ana, api):
    store_days(ana, [days_ago(3)])
    before = api.get("dashboard", weeks=2).json()["weekly_summaries"][1]["coverage"]
    for type_ in METRIC_MODELS:
        assert (before[type_]["days_expected"], before[type_]["missing"]) == (0, {})


def test_account_without_rows_has_no_expected_days(api):
    assert week(api) == {
        "days_expected": 0,
        "days_present": 0,
        "newest_day": None,
        "newest_sync": None,
        "missing": {},
        "fault": {"wearer": 0, "oura": 0, "myhealth": 0},
    }


def test_missing_days_are_counted_by_state_and_fault(ana, api):
    store_days(ana, [days_ago(6)])
    failed_fetch(ana, days_ago(5), days_ago(4), kind="unauthorized", status=401)
    reject_document(ana, days_ago(3))
    coverage = week(api)
    assert coverage["missing"] == {"no_permission": 2, "rejected": 1, "not_asked": 3}
    assert coverage["fault"] == {"wearer": 2, "oura": 0, "myhealth": 4}


def test_day_without_ring_is_present_and_not_missing(ana, api):
    store_days(ana, [days_ago(n) for n in range(7)], "activity", non_wear_minutes=1440)
    coverage = api.get("dashboard", weeks=1).json()["weekly_summary"]["coverage"]["activity"]
    assert (coverage["days_present"], coverage["missing"]) == (7, {})


def test_partial_day_is_both_present_and_missing(ana, api):
    store_days(ana, [days_ago(0)], source={"daily_sleep": {"score": 80}, "sleep": []})
    coverage = week(api)
    assert (coverage["days_present"], coverage["missing"]) == (1, {"partial": 1})
    assert coverage["fault"]["oura"] == 1


def test_day_before_first_row_of_type_is_expected_not_missing(ana, api):
    store_days(ana, ["2026-03-01"], "activity")
    store_days(ana, [days_ago(3)])
    fetch_completely(ana, days_ago(6), days_ago(3))
    coverage = week(api)
    assert (coverage["days_expected"], coverage["missing"]) == (7, {"not_asked": 3})


def test_newest_day_is_that_up_to_end_of_week(ana, api):
    newest_days = [days_ago(count) for count in (2, 9, 50)]
    store_days(ana, newest_days)
    body = api.get("dashboard", weeks=3).json()
    newest = [each["coverage"]["sleep"]["newest_day"] for each in body["weekly_summaries"]]
    assert newest == list(map(str, newest_days))


def test_newest_day_of_complete_week_is_its_last(ana, api):
    store_days(ana, map(days_ago, range(14)))
    body = api.get("dashboard", weeks=2).json()
    assert body["weekly_summaries"][1]["coverage"]["sleep"]["newest_day"] == str(days_ago(7))


def test_newest_sync_is_time_of_last_complete_fetch(ana, api):
    fetch_completely(ana, "2026-03-01", "2026-03-05", ["sleep"], at=FETCHED_AT)
    earlier = FETCHED_AT - datetime.timedelta(days=9)
    fetch_completely(ana, "2026-02-01", "2026-02-05", ["sleep"], at=earlier)
    failed_fetch(ana, "2026-03-01", "2026-03-05", kind="unavailable", status=500)
    assert week(api)["newest_sync"] == "2026-03-20T08:30:00+00:00"
    assert week(api, "activity")["newest_sync"] is None


def test_weeks_add_up_to_total(ana, api):
    store_days(ana, map(days_ago, (0, 3, 6, 7, 12, 20)))
    body = api.get("dashboard").json()
    assert body["weekly_summary"] == body["weekly_summaries"][0]
    weeks = [each["coverage"]["sleep"] for each in body["weekly_summaries"]]
    for name, total in (("days_expected", 21), ("days_present", 6)):
        assert body["coverage"]["sleep"][name] == total
        assert sum(each[name] for each in weeks) == total
    assert body["coverage"]["sleep"]["missing"] == {"not_asked": 15}


def test_days_of_other_people_are_not_counted(ana, ben, api):
    store_days(ben, [days_ago(1)])
    fetch_completely(ben, days_ago(3), days_ago(1))
    assert week(api)["days_expected"] == 0
    assert week(api)["newest_sync"] is None


def test_number_of_queries_does_not_grow_with_weeks(ana, api, django_assert_num_queries):
    store_days(ana, [days_ago(1)], main_type="long_sleep")
    # The account, the versions, all else; then without the account.
    with django_assert_num_queries(3):
        api.get("dashboard", weeks=1)
    with django_assert_num_queries(2):
        api.get("dashboard", weeks=53)
