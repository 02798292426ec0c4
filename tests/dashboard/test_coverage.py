"""GET /api/v1/coverage, and what the dashboard tells of it."""

import datetime
from itertools import pairwise

import pytest
from django.utils import timezone

from ingest import fetches
from ingest.models import METRIC_MODELS, Fetch
from tests.conftest import Api
from tests.dashboard.conftest import days_ago, record_fetch, store_rejected, store_rows

pytestmark = pytest.mark.django_db
MARCH = {"start": "2026-03-01", "end": "2026-03-10"}
READ_AT = datetime.datetime(2026, 3, 20, 8, 30, tzinfo=datetime.UTC)


def ranges(api, type_="sleep", **query):
    return api.get("coverage", **(query or MARCH)).json()[type_]["ranges"]


def fail(user, start, end, **columns):
    fetches.record(
        Fetch(
            user=user,
            type="sleep",
            start=start,
            end=end,
            complete=False,
            asked_at=timezone.now(),
            **columns,
        )
    )


def test_each_type_has_ranges_oldest_first(ana, api):
    store_rows(ana, a=("2026-03-02", {}), b=("2026-03-03", {}))
    body = api.get("coverage", **MARCH).json()
    assert list(body) == list(METRIC_MODELS)
    assert [(each["from"], each["to"], each["state"]) for each in body["sleep"]["ranges"]] == [
        ("2026-03-01", "2026-03-01", "not_asked"),
        ("2026-03-02", "2026-03-03", "held"),
        ("2026-03-04", "2026-03-10", "not_asked"),
    ]


def test_a_day_held_needs_no_reason_and_another_has_one(ana, api):
    store_rows(ana, a=("2026-03-01", {}))
    held, other = ranges(api)
    assert (held["reason"], other["reason"]) == (None, "Oura was never asked for this day.")


def test_each_day_of_any_range_comes_exactly_once(ana, api):
    store_rows(ana, a=("2026-03-02", {}))
    found = ranges(api, start="0001-01-01", end="9999-12-31")
    assert (found[0]["from"], found[-1]["to"]) == ("0001-01-01", "9999-12-31")
    for one, following in pairwise(found):
        last = datetime.date.fromisoformat(one["to"])
        assert following["from"] == str(last + datetime.timedelta(days=1))


def test_without_dates_the_last_30_days_are_accounted_for(api):
    [only] = ranges(api, format="json")
    assert (only["from"], only["to"]) == (days_ago(29), days_ago(0))


def test_neighbours_that_people_need_not_tell_apart_are_one(ana, api):
    store_rows(ana, a=("2026-03-01", {}), b=("2026-03-10", {}))
    record_fetch(ana, "2026-03-01", "2026-03-05", at=READ_AT)
    record_fetch(ana, "2026-03-06", "2026-03-10", at=READ_AT + datetime.timedelta(hours=1))
    states = [(each["from"], each["to"], each["state"]) for each in ranges(api)]
    assert states[1] == ("2026-03-02", "2026-03-09", "not_synced")


def test_a_failure_is_told(ana, api):
    fail(ana, "2026-03-01", "2026-03-10", kind="forbidden", status=403, collection="sleep")
    [only] = ranges(api)
    assert only["state"] == "no_permission"
    assert only["reason"].startswith("Oura denied access to sleep (HTTP status 403)")


def test_nobody_sees_how_anothers_days_stand(ana, ben, api):
    store_rows(ben, a=("2026-03-02", {}))
    assert {each["state"] for each in ranges(api)} == {"not_asked"}


def test_staff_find_the_rejected_document(ana, api):
    ana.is_staff = True
    ana.save()
    key = store_rejected(ana, "2026-03-02")
    [found] = [each for each in ranges(api) if each["state"] == "rejected"]
    assert found["link"] == f"/admin/ingest/rejecteddocument/{key}/change/"


def test_staff_find_the_rejected_document_of_a_day_that_is_held(ana, api):
    ana.is_staff = True
    ana.save()
    store_rows(ana, a=("2026-03-02", {}))
    key = store_rejected(ana, "2026-03-02")
    [found] = [each for each in ranges(api) if each["state"] == "held"]
    assert found["link"] == f"/admin/ingest/rejecteddocument/{key}/change/"


def test_others_than_staff_get_no_link(ana, api):
    store_rejected(ana, "2026-03-02")
    assert "rejected" in {each["state"] for each in ranges(api)}
    assert not [each for each in ranges(api) if "link" in each]


def test_who_becomes_staff_gets_the_links_at_once(ana, api):
    store_rejected(ana, "2026-03-02")
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
        ({"format": "csv"}, "format", "expected one of json, api."),
    ],
)
def test_a_query_that_is_wrong_names_the_parameter(api, query, field, expected):
    answer = api.get("coverage", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


@pytest.mark.parametrize("path", ["coverage", "dashboard", "marks", "days/2026-03-02"])
def test_an_etag_ends_when_more_is_known_of_the_days_and_only_then(ana, api, path):
    store_rows(ana, a=("2026-03-01", {}))
    etag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    record_fetch(ana, "2026-03-01", "2026-03-05", ["readiness"])
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_rows_keep_their_etag_when_more_is_known_of_the_days(ana, api):
    store_rows(ana, a=("2026-03-01", {}))
    etag = api.get("sleep").headers["ETag"]
    record_fetch(ana, "2026-03-01", "2026-03-05")
    assert api.get("sleep", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["coverage", "dashboard"])
def test_an_etag_ends_with_the_day_in_utc(api, monkeypatch, path):
    query = MARCH if path == "coverage" else {}
    etag = api.get(path, **query).headers["ETag"]
    tomorrow = timezone.now().date() + datetime.timedelta(days=1)
    monkeypatch.setattr("dashboard.views.utc_today", lambda: tomorrow)
    assert api.get(path, headers={"If-None-Match": etag}, **query).status_code == 200


@pytest.mark.parametrize("path", ["coverage", "marks", "days/2026-03-02"])
def test_reads_may_be_kept_by_the_caller_alone(api, path):
    headers = api.get(path).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


@pytest.mark.parametrize("path", ["coverage", "marks", "days/2026-03-02"])
def test_a_stranger_gets_nothing(db, path):
    assert Api().get(path).status_code == 401


@pytest.mark.parametrize("path", ["coverage", "marks", "days/2026-03-02"])
def test_the_browsable_api_shows_it(ana, api, path):
    assert api.get(path, format="api").headers["Content-Type"].startswith("text/html")


def test_a_long_history_is_accounted_for_in_a_fixed_number_of_queries(
    ana, api, django_assert_max_num_queries
):
    store_rows(ana, **{f"d{n}": (f"2026-03-{n:02}", {}) for n in range(1, 29, 2)})
    with django_assert_max_num_queries(3):
        assert len(ranges(api)) == 10


# The dashboard --------------------------------------------------------------------------------


def week(api, type_="sleep"):
    return api.get("dashboard").json()["weekly_summary"]["coverage"][type_]


def test_days_are_expected_from_the_first_that_is_held_of_any_type(ana, api):
    store_rows(ana, "activity", a=(days_ago(3), {}))
    store_rows(ana, "sleep", b=(days_ago(1), {}))
    found = week(api)
    assert (found["days_expected"], found["days_present"]) == (4, 1)


def test_of_a_week_before_the_first_day_nothing_is_expected(ana, api):
    store_rows(ana, a=(days_ago(3), {}))
    before = api.get("dashboard", weeks=2).json()["weekly_summaries"][1]["coverage"]
    for type_ in METRIC_MODELS:
        assert (before[type_]["days_expected"], before[type_]["missing"]) == (0, {})


def test_of_nothing_nothing_is_expected(api):
    assert week(api) == {
        "days_expected": 0,
        "days_present": 0,
        "newest_day": None,
        "newest_sync": None,
        "missing": {},
        "fault": {"wearer": 0, "oura": 0, "myhealth": 0},
    }


def test_missing_days_are_counted_by_state_and_by_whose_fault_it_is(ana, api):
    store_rows(ana, a=(days_ago(6), {}))
    fail(ana, days_ago(5), days_ago(4), kind="unauthorized", status=401)
    store_rejected(ana, days_ago(3))
    found = week(api)
    assert found["missing"] == {"no_permission": 2, "rejected": 1, "not_asked": 3}
    assert found["fault"] == {"wearer": 2, "oura": 0, "myhealth": 4}


def test_a_partial_day_is_present_and_missing_as_well(ana, api):
    store_rows(ana, a=(days_ago(0), {"source": {"daily_sleep": {"score": 80}, "sleep": []}}))
    found = week(api)
    assert (found["days_present"], found["missing"]) == (1, {"partial": 1})
    assert found["fault"]["oura"] == 1


def test_a_day_before_ouras_first_of_the_type_is_expected_and_not_missing(ana, api):
    store_rows(ana, "activity", a=("2026-03-01", {}))
    store_rows(ana, b=(days_ago(3), {}))
    record_fetch(ana, days_ago(6), days_ago(3))
    found = week(api)
    assert (found["days_expected"], found["missing"]) == (7, {"not_asked": 3})


def test_the_newest_day_is_told_up_to_the_end_of_each_week(ana, api):
    store_rows(ana, a=(days_ago(2), {}), b=(days_ago(9), {}), c=(days_ago(50), {}))
    body = api.get("dashboard", weeks=3).json()
    newest = [each["coverage"]["sleep"]["newest_day"] for each in body["weekly_summaries"]]
    assert newest == [days_ago(2), days_ago(9), days_ago(50)]


def test_the_newest_day_of_a_week_inside_a_long_stretch_is_its_last(ana, api):
    store_rows(ana, **{f"d{n}": (days_ago(n), {}) for n in range(14)})
    body = api.get("dashboard", weeks=2).json()
    assert body["weekly_summaries"][1]["coverage"]["sleep"]["newest_day"] == days_ago(7)


def test_the_newest_sync_is_when_oura_was_last_read_whole(ana, api):
    record_fetch(ana, "2026-03-01", "2026-03-05", ["sleep"], at=READ_AT)
    record_fetch(
        ana, "2026-02-01", "2026-02-05", ["sleep"], at=READ_AT - datetime.timedelta(days=9)
    )
    fail(ana, "2026-03-01", "2026-03-05", kind="server_error", status=500)
    assert week(api)["newest_sync"] == "2026-03-20T08:30:00+00:00"
    assert week(api, "activity")["newest_sync"] is None


def test_the_weeks_add_up_to_the_whole(ana, api):
    store_rows(ana, **{f"d{n}": (days_ago(n), {}) for n in (0, 3, 6, 7, 12, 20)})
    body = api.get("dashboard").json()
    assert body["weekly_summary"] == body["weekly_summaries"][0]
    weeks = [each["coverage"]["sleep"] for each in body["weekly_summaries"]]
    for name, all_of_it in (("days_expected", 21), ("days_present", 6)):
        assert body["coverage"]["sleep"][name] == all_of_it
        assert sum(each[name] for each in weeks) == all_of_it
    assert body["coverage"]["sleep"]["missing"] == {"not_asked": 15}


def test_nobody_elses_days_are_counted(ana, ben, api):
    store_rows(ben, a=(days_ago(1), {}))
    record_fetch(ben, days_ago(3), days_ago(1))
    assert week(api)["days_expected"] == 0
    assert week(api)["newest_sync"] is None


def test_more_weeks_need_no_more_queries(ana, api, django_assert_num_queries):
    store_rows(ana, a=(days_ago(1), {}))
    # The account, the versions; rows and newest row by type; the ledger, its edges, the marks.
    queries = 5 + 2 * len(METRIC_MODELS)
    with django_assert_num_queries(queries):
        api.get("dashboard", weeks=1)
    with django_assert_num_queries(queries):
        api.get("dashboard", weeks=53)
