"""GET /api/v1/sleep, activity, readiness and dashboard."""

import csv
import datetime
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingest.models import METRIC_MODELS
from ingest.upsert import forget
from tests.conftest import Api
from tests.dashboard.conftest import days_ago, hold

pytestmark = pytest.mark.django_db
SLEEP = ["oura_id", "day", "score", "duration", "time_in_bed", "deep_sleep_duration"]
SLEEP += ["light_sleep_duration", "rem_sleep_duration", "awake_time", "latency", "efficiency"]
SLEEP += ["average_heart_rate", "lowest_heart_rate", "average_hrv", "average_breath"]
SLEEP += ["bedtime_start", "bedtime_end", "contributors", "updated_at"]
SCORES = ["deep_sleep", "efficiency", "latency", "rem_sleep", "restfulness", "timing"]
SCORES = [f"contributors.{name}" for name in (*SCORES, "total_sleep")]
SLEEP_CSV = [*SLEEP[: SLEEP.index("contributors")], *SCORES, "updated_at"]


def test_rows_come_newest_first_with_the_columns_in_order(ana, api):
    hold(ana, a=(days_ago(2), {"score": 70}), b=(days_ago(1), {"score": 80}))
    body = api.get("sleep").json()
    assert [row["oura_id"] for row in body] == ["b", "a"]
    assert list(body[0]) == SLEEP


def test_a_row_tells_what_was_stored(ana, api):
    columns = {
        "score": None,
        "duration": 27060,
        "average_breath": 14.25,
        "bedtime_start": "2026-03-01T23:10:00+05:30",
        "contributors": {"deep_sleep": 80, "latency": None},
    }
    hold(ana, a=(days_ago(1), columns))
    [row] = api.get("sleep").json()
    assert {name: row[name] for name in columns} == columns


def test_nobody_sees_anothers_rows(ana, ben, api):
    hold(ben, a=(days_ago(1), {"score": 70}))
    assert api.get("sleep").json() == []
    assert api.get("dashboard").json()["latest_sleep"] is None


def test_both_ends_of_a_range_are_included(ana, api):
    hold(ana, **{f"d{n}": (f"2026-03-0{n}", {}) for n in range(1, 6)})
    body = api.get("sleep", start="2026-03-02", end="2026-03-04").json()
    assert [row["day"] for row in body] == ["2026-03-04", "2026-03-03", "2026-03-02"]


def test_without_dates_the_last_30_days_of_the_person_come(ana, api):
    hold(ana, a=(days_ago(0), {}), b=(days_ago(29), {}), c=(days_ago(30), {}))
    assert [row["oura_id"] for row in api.get("sleep").json()] == ["a", "b"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_today_is_the_persons_own(ana, api, zone):
    ana.time_zone = zone
    ana.save()
    today = ana.today()
    assert api.get("dashboard").json()["today"] == str(today)
    hold(ana, a=(str(today - datetime.timedelta(days=29)), {}))
    assert len(api.get("sleep").json()) == 1


def test_without_a_start_29_days_before_the_end_is_meant(ana, api):
    hold(ana, a=("2026-03-01", {}), b=("2026-01-31", {}), c=("2026-01-30", {}))
    body = api.get("sleep", end="2026-03-01").json()
    assert [row["oura_id"] for row in body] == ["a", "b"]


@pytest.mark.parametrize(
    "query", [{"end": "0001-01-02"}, {"start": "0001-01-01", "end": "9999-12-31"}]
)
def test_any_real_date_is_taken(api, query):
    assert api.get("sleep", **query).status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"start": "2026-02-30"}, "start", "YYYY-MM-DD"),
        ({"start": "20260301"}, "start", "YYYY-MM-DD"),
        ({"end": "2026-W09-7"}, "end", "YYYY-MM-DD"),
        ({"end": "today"}, "end", "YYYY-MM-DD"),
        ({"end": ""}, "end", "YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "after the end"),
        ({"from": "2026-03-02"}, "from", "expected start, end, fields"),
        ({"fields": "score,mood"}, "fields", "'mood'"),
        ({"fields": "source"}, "fields", "expected some of oura_id"),
        ({"fields": "user"}, "fields", "expected some of oura_id"),
        ({"fields": ""}, "fields", "expected some of oura_id"),
        ({"format": "xml"}, "format", "expected json, csv"),
        ({"start": ["2026-03-01", "2026-03-02"]}, "start", "expected once"),
        ({"start": "\0"}, "start", "YYYY-MM-DD"),
    ],
)
def test_a_query_that_is_wrong_names_the_parameter(api, query, field, expected):
    answer = api.get("sleep", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


def test_fields_keeps_just_those(ana, api):
    hold(ana, a=(days_ago(1), {"score": 70}))
    assert api.get("sleep", fields="oura_id,day,score").json() == [
        {"oura_id": "a", "day": days_ago(1), "score": 70}
    ]


@pytest.mark.parametrize("how", [{"format": "csv"}, {"headers": {"Accept": "text/csv"}}])
def test_csv_has_the_same_rows_with_contributors_apart(ana, api, how):
    contributors = {"latency": 90, "deep_sleep": None}
    hold(ana, a=(days_ago(1), {"score": 70, "contributors": contributors}), b=(days_ago(2), {}))
    answer = api.get("sleep", **how)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, newest, oldest = csv.reader(io.StringIO(answer.content.decode()))
    assert header == SLEEP_CSV
    row = dict(zip(header, newest, strict=True))
    assert (row["oura_id"], row["score"]) == ("a", "70")
    assert (row["contributors.latency"], row["contributors.deep_sleep"]) == ("90", "")
    assert row["updated_at"] == api.get("sleep").json()[0]["updated_at"]
    assert dict(zip(header, oldest, strict=True))["score"] == ""


def test_csv_without_rows_is_a_header(api):
    text = api.get("sleep", format="csv", fields="day,score").content.decode()
    assert text == "day,score\r\n"


def test_csv_columns_stay_whatever_the_rows_hold(ana, api):
    empty = api.get("sleep", format="csv").content
    hold(ana, a=(days_ago(1), {"contributors": {"latency": 90, "unheard_of": 1}}))
    assert api.get("sleep", format="csv").content.splitlines()[0] == empty.strip()
    assert empty.decode().strip().split(",") == SLEEP_CSV


def test_an_error_asked_for_as_csv_is_json(api):
    answer = api.get("sleep", format="csv", start="x")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")


def test_an_etag_spares_the_rows(ana, api):
    hold(ana, a=(days_ago(1), {"score": 70}))
    first = api.get("sleep")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        again = api.get("sleep", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert not any("sleep_metrics" in query["sql"] for query in queries)


@pytest.mark.parametrize("path", ["sleep", "dashboard"])
def test_reads_may_be_kept_by_the_caller_alone(api, path):
    headers = api.get(path).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


@pytest.mark.parametrize("path", ["sleep", "dashboard"])
def test_an_etag_ends_when_a_row_changes_and_only_then(ana, api, path):
    hold(ana, a=(days_ago(1), {"score": 70}))
    etag = api.get(path).headers["ETag"]
    hold(ana, a=(days_ago(1), {"score": 70}))
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    hold(ana, a=(days_ago(1), {"score": 71}))
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_an_etag_is_not_repeated_after_all_was_deleted_and_sent_again(ana, api):
    hold(ana, a=(days_ago(1), {"score": 70}))
    etag = api.get("sleep").headers["ETag"]
    forget(ana.pk)
    hold(ana, a=(days_ago(1), {"score": 99}))
    assert api.get("sleep", headers={"If-None-Match": etag}).status_code == 200


def test_etags_differ_by_range_fields_and_format(ana, api):
    queries = [{}, {"format": "csv"}, {"fields": "day"}, {"end": "2026-03-01"}]
    assert len({api.get("sleep", **query).headers["ETag"] for query in queries}) == 4


def test_an_etag_is_nobody_elses(ana, ben, api):
    other = Api()
    other.log_in("ben")
    assert api.get("sleep").headers["ETag"] != other.get("sleep").headers["ETag"]


@pytest.mark.parametrize("type_", METRIC_MODELS)
def test_a_long_history_is_read_in_a_fixed_number_of_queries(
    ana, api, type_, django_assert_max_num_queries
):
    hold(ana, type_, **{f"d{n}": (f"2026-03-{n:02}", {}) for n in range(1, 29)})
    with django_assert_max_num_queries(3):
        assert len(api.get(type_, start="2026-01-01", end="2026-12-31").json()) == 28


def test_the_dashboard_without_data_is_null_and_not_zero(api):
    body = api.get("dashboard").json()
    assert body["latest_sleep"] is body["latest_activity"] is body["latest_readiness"] is None
    summary = body["weekly_summary"]
    assert summary["avg_sleep_score"] is summary["total_steps"] is None
    assert summary["sleep_days"] == 0


def test_the_latest_rows_are_the_newest_however_old(ana, api):
    hold(ana, a=("2026-03-01", {"score": 70}), b=("2026-03-02", {"score": 80}))
    assert (
        api.get("dashboard").json()["latest_sleep"]
        == api.get("sleep", start="2026-03-02", end="2026-03-02").json()[0]
    )


def test_a_missing_score_is_not_counted_in_a_mean(ana, api):
    hold(
        ana,
        a=(days_ago(0), {"score": 70}),
        b=(days_ago(1), {"score": None}),
        c=(days_ago(6), {"score": 81}),
    )
    summary = api.get("dashboard").json()["weekly_summary"]
    assert (summary["avg_sleep_score"], summary["sleep_days"]) == (75.5, 3)


def test_a_week_is_seven_days_up_to_today(ana, api):
    steps = {f"d{n}": (days_ago(n), {"steps": 10**n}) for n in range(9)}
    hold(ana, "activity", **steps)
    body = api.get("dashboard", weeks=2).json()
    assert body["weekly_summary"] == body["weekly_summaries"][0]
    assert body["weekly_summary"]["total_steps"] == 1111111
    assert (body["weekly_summary"]["start"], body["weekly_summary"]["end"]) == (
        days_ago(6),
        days_ago(0),
    )
    assert body["weekly_summaries"][1]["total_steps"] == 110000000


@pytest.mark.parametrize("weeks", ["0", "54", "-1", "1.5", "", "x", "²"])
def test_weeks_that_are_none_are_refused(api, weeks):
    answer = api.get("dashboard", weeks=weeks)
    assert answer.status_code == 400
    assert "expected 1 to 53" in answer.json()["errors"]["weeks"][0]


def test_as_many_weeks_come_as_were_asked_for(api):
    assert len(api.get("dashboard").json()["weekly_summaries"]) == 4
    assert len(api.get("dashboard", weeks=53).json()["weekly_summaries"]) == 53


def test_the_dashboards_etag_ends_with_the_day(ana, api, monkeypatch):
    etag = api.get("dashboard").headers["ETag"]
    tomorrow = timezone.now().date() + datetime.timedelta(days=1)
    monkeypatch.setattr(type(ana), "today", lambda self: tomorrow)
    assert api.get("dashboard", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_api_only_reads(api, method):
    answer = getattr(api.client, method)(
        "/api/v1/sleep", headers={"Authorization": f"Bearer {api.access}"}
    )
    assert answer.status_code == 405


def test_routes_of_the_processor_are_not_here(api):
    assert api.get("metrics/sleep").status_code == 404
    assert api.client.post("/api/v1/ingest").status_code == 404


def test_listed_origins_may_ask_and_others_may_not(api, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    asked = {
        origin: api.get("sleep", headers={"Origin": origin}).headers.get(
            "Access-Control-Allow-Origin"
        )
        for origin in ("https://app.example.org", "https://evil.example.org")
    }
    assert asked == {
        "https://app.example.org": "https://app.example.org",
        "https://evil.example.org": None,
    }


def test_the_openapi_document_tells_every_route(api):
    document = api.client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert set(document["paths"]) == {
        *(f"/api/v1/{name}" for name in METRIC_MODELS),
        "/api/v1/dashboard",
        "/api/v1/coverage",
        "/api/v1/days/{day}",
        "/api/v1/marks",
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
    }


@pytest.mark.parametrize("query", ["?format=csv", ""])
def test_options_tell_about_the_route_in_json(api, query):
    headers = {"Authorization": f"Bearer {api.access}", "Accept": "text/csv, */*"}
    answer = api.client.options(f"/api/v1/sleep{query}", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
