"""GET /api/v1/sleep, activity, readiness and dashboard."""

import csv
import datetime
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingest.models import METRIC_MODELS
from ingest.upsert import delete_metrics
from tests.conftest import Api
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db
SLEEP = ["oura_id", "day", "score", "duration", "time_in_bed", "deep_sleep_duration"]
SLEEP += ["light_sleep_duration", "rem_sleep_duration", "awake_time", "latency", "efficiency"]
SLEEP += ["average_heart_rate", "lowest_heart_rate", "average_hrv", "average_breath"]
SLEEP += ["bedtime_start", "bedtime_end", "main_type", "contributors", "updated_at"]
SCORES = ["deep_sleep", "efficiency", "latency", "rem_sleep", "restfulness", "timing"]
SCORES = [f"contributors.{name}" for name in (*SCORES, "total_sleep")]
SLEEP_CSV = [*SLEEP[: SLEEP.index("contributors")], *SCORES, "updated_at"]


def test_rows_are_newest_first_with_columns_in_order(ana, api):
    store_days(ana, [days_ago(2), days_ago(1)])
    body = api.get("sleep").json()
    assert [row["day"] for row in body] == [str(days_ago(1)), str(days_ago(2))]
    assert list(body[0]) == SLEEP


def test_activity_has_columns_in_order(ana, api):
    store_days(ana, [days_ago(1)], "activity", non_wear_minutes=30)
    [row] = api.get("activity").json()
    assert list(row)[-4:] == ["resting_minutes", "non_wear_minutes", "contributors", "updated_at"]
    header = api.get("activity", format="csv").content.decode().splitlines()[0]
    assert "resting_minutes,non_wear_minutes,contributors.meet_daily_targets" in header
    assert row["non_wear_minutes"] == 30


def test_row_has_stored_values(ana, api):
    columns = {
        "score": None,
        "duration": 27060,
        "average_breath": 14.25,
        "bedtime_start": "2026-03-01T23:10:00+05:30",
        "contributors": {"deep_sleep": 80, "latency": None},
    }
    store_days(ana, [days_ago(1)], **columns)
    [row] = api.get("sleep").json()
    assert {name: row[name] for name in columns} == columns


@pytest.mark.parametrize("fraction", ["", ".000001", ".500000", ".123456"])
def test_updated_at_is_written_alike_everywhere(ana, api, fraction):
    store_days(ana, [days_ago(1)])
    moment = f"2026-11-01T05:00:00{fraction}+00:00"
    METRIC_MODELS["sleep"].objects.update(updated_at=datetime.datetime.fromisoformat(moment))
    [row] = api.get("sleep").json()
    [line] = csv.DictReader(io.StringIO(api.get("sleep", format="csv").content.decode()))
    latest = api.get("dashboard").json()["latest_sleep"]
    day = api.get(f"days/{days_ago(1)}").json()["sleep"]
    assert {each["updated_at"] for each in (row, line, latest, day)} == {moment}


def test_rows_of_other_people_are_hidden(ana, ben, api):
    store_days(ben, [days_ago(1)], score=70)
    assert api.get("sleep").json() == []
    assert api.get("dashboard").json()["latest_sleep"] is None


def test_both_ends_of_range_are_included(ana, api):
    store_days(ana, [f"2026-03-0{n}" for n in range(1, 6)])
    body = api.get("sleep", start="2026-03-02", end="2026-03-04").json()
    assert [row["day"] for row in body] == ["2026-03-04", "2026-03-03", "2026-03-02"]


def test_default_range_is_last_30_days(ana, api):
    store_days(ana, [days_ago(0), days_ago(29), days_ago(30)])
    days = [row["day"] for row in api.get("sleep").json()]
    assert days == [str(days_ago(0)), str(days_ago(29))]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_today_is_in_persons_time_zone(ana, api, zone):
    ana.time_zone = zone
    ana.save()
    today = ana.today()
    assert api.get("dashboard").json()["today"] == str(today)
    store_days(ana, [today - datetime.timedelta(days=29)])
    assert len(api.get("sleep").json()) == 1


def test_default_start_is_29_days_before_end(ana, api):
    store_days(ana, ["2026-03-01", "2026-01-31", "2026-01-30"])
    body = api.get("sleep", end="2026-03-01").json()
    assert [row["day"] for row in body] == ["2026-03-01", "2026-01-31"]


@pytest.mark.parametrize(
    "query", [{"end": "0001-01-02"}, {"start": "0001-01-01", "end": "9999-12-31"}]
)
def test_any_valid_date_is_accepted(api, query):
    assert api.get("sleep", **query).status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"start": "2026-02-30"}, "start", "YYYY-MM-DD"),
        ({"start": "20260301"}, "start", "YYYY-MM-DD"),
        ({"end": "2026-W09-7"}, "end", "YYYY-MM-DD"),
        ({"end": "today"}, "end", "YYYY-MM-DD"),
        ({"end": ""}, "end", "YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "must not be after end"),
        ({"from": "2026-03-02"}, "from", "expected one of start, end, fields, format."),
        ({"fields": "score,mood"}, "fields", "Unknown column 'mood'"),
        ({"fields": "source"}, "fields", "expected one or more of oura_id"),
        ({"fields": "user"}, "fields", "expected one or more of oura_id"),
        ({"fields": ""}, "fields", "expected one or more of oura_id"),
        ({"format": "xml"}, "format", "expected one of: json, csv, api."),
        ({"start": ["2026-03-01", "2026-03-02"]}, "start", "expected once"),
        ({"start": "\0"}, "start", "YYYY-MM-DD"),
    ],
)
def test_invalid_parameter_is_named(api, query, field, expected):
    answer = api.get("sleep", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


def test_too_many_parameters_are_an_error(api):
    answer = api.client.get(
        f"/api/v1/sleep?{'a=1&' * 101}", headers={"Authorization": f"Bearer {api.access}"}
    )
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["query"])


def test_fields_selects_columns(ana, api):
    store_days(ana, [days_ago(1)], id="a", score=70)
    assert api.get("sleep", fields="oura_id,day,score").json() == [
        {"oura_id": "a", "day": str(days_ago(1)), "score": 70}
    ]


def csv_rows(api, type_):
    text = api.get(type_, format="csv").content.decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx"]
FORMULAS += ["\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "  =1", "\xa0-1", "\u3000+1", "\ufeff=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_text_is_never_a_formula(ana, api, text):
    store_days(ana, [days_ago(1)])
    columns = {"oura_id": text, "main_type": text, "contributors": {"timing": text}}
    METRIC_MODELS["sleep"].objects.update(**columns)
    [row] = csv_rows(api, "sleep")
    cells = row["oura_id"], row["main_type"], row["contributors.timing"]
    assert cells == (f"'{text}",) * 3


@pytest.mark.parametrize("text", ["a=1", "5-3", "'=1", " a", "2026-03-01T23:10:00+05:30"])
def test_other_csv_text_stays_as_it_is(ana, api, text):
    store_days(ana, [days_ago(1)])
    METRIC_MODELS["sleep"].objects.update(oura_id=text)
    assert csv_rows(api, "sleep")[0]["oura_id"] == text


def test_negative_numbers_in_csv_stay_numbers(ana, api):
    store_days(ana, [days_ago(1)], "readiness", temperature_deviation=-0.5)
    [row] = csv_rows(api, "readiness")
    assert (row["temperature_deviation"], row["temperature_trend_deviation"]) == ("-0.5", "")


@pytest.mark.parametrize("how", [{"format": "csv"}, {"headers": {"Accept": "text/csv"}}])
def test_csv_has_same_rows_with_contributor_columns(ana, api, how):
    contributors = {"latency": 90, "deep_sleep": None}
    store_days(ana, [days_ago(1)], id="a", score=70, contributors=contributors)
    store_days(ana, [days_ago(2)])
    answer = api.get("sleep", **how)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, newest, oldest = csv.reader(io.StringIO(answer.content.decode()))
    assert header == SLEEP_CSV
    row = dict(zip(header, newest, strict=True))
    assert (row["oura_id"], row["score"]) == ("a", "70")
    assert (row["contributors.latency"], row["contributors.deep_sleep"]) == ("90", "")
    assert row["updated_at"] == api.get("sleep").json()[0]["updated_at"]
    assert dict(zip(header, oldest, strict=True))["score"] == ""


def test_csv_without_rows_is_header_only(api):
    text = api.get("sleep", format="csv", fields="day,score").content.decode()
    assert text == "day,score\r\n"


def test_csv_columns_do_not_depend_on_rows(ana, api):
    empty = api.get("sleep", format="csv").content
    store_days(ana, [days_ago(1)], contributors={"latency": 90, "unheard_of": 1})
    assert api.get("sleep", format="csv").content.splitlines()[0] == empty.strip()
    assert empty.decode().strip().split(",") == SLEEP_CSV


def test_error_is_json_if_csv_is_asked_for(api):
    answer = api.get("sleep", format="csv", start="x")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")


def test_matching_etag_avoids_query_of_rows(ana, api):
    store_days(ana, [days_ago(1)], score=70)
    first = api.get("sleep")
    with CaptureQueriesContext(connection) as queries:
        second = api.get("sleep", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert not any("sleep_metrics" in query["sql"] for query in queries)


@pytest.mark.parametrize("path", ["sleep", "dashboard"])
def test_answers_are_cached_privately(api, path):
    headers = api.get(path).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


@pytest.mark.parametrize("path", ["sleep", "dashboard"])
def test_etag_changes_only_if_row_changes(ana, api, path):
    store_days(ana, [days_ago(1)], score=70)
    etag = api.get(path).headers["ETag"]
    store_days(ana, [days_ago(1)], score=70)
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    store_days(ana, [days_ago(1)], score=71)
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_etag_is_not_reused_after_deletion(ana, api):
    store_days(ana, [days_ago(1)], score=70)
    etag = api.get("sleep").headers["ETag"]
    delete_metrics(ana.pk)
    store_days(ana, [days_ago(1)], score=99)
    assert api.get("sleep", headers={"If-None-Match": etag}).status_code == 200


def test_etag_differs_by_range_fields_and_format(ana, api):
    queries = [{}, {"format": "csv"}, {"fields": "day"}, {"end": "2026-03-01"}]
    assert len({api.get("sleep", **query).headers["ETag"] for query in queries}) == 4


def test_etag_differs_by_person(ana, ben, api):
    other = Api()
    other.log_in("ben")
    assert api.get("sleep").headers["ETag"] != other.get("sleep").headers["ETag"]


@pytest.mark.parametrize("type_", METRIC_MODELS)
def test_number_of_queries_does_not_grow_with_history(
    ana, api, type_, django_assert_max_num_queries
):
    store_days(ana, [f"2026-03-{n:02}" for n in range(1, 29)], type_)
    with django_assert_max_num_queries(3):
        assert len(api.get(type_, start="2026-01-01", end="2026-12-31").json()) == 28


def test_dashboard_without_data_is_null_and_not_zero(api):
    body = api.get("dashboard").json()
    assert body["latest_sleep"] is body["latest_activity"] is body["latest_readiness"] is None
    summary = body["weekly_summary"]
    assert summary["avg_sleep_score"] is summary["total_steps"] is None
    assert summary["sleep_days"] == 0


def test_latest_row_may_be_old(ana, api):
    store_days(ana, ["2026-03-01", "2026-03-02"])
    assert (
        api.get("dashboard").json()["latest_sleep"]
        == api.get("sleep", start="2026-03-02", end="2026-03-02").json()[0]
    )


def test_numbers_of_latest_rows_are_written_as_in_lists(ana, api):
    today = str(days_ago(0))
    store_days(ana, [today], average_hrv=61, average_breath=14.25)
    store_days(ana, [today], "readiness", temperature_deviation=-0.0)
    dashboard = api.get("dashboard").content
    for type_ in ("sleep", "readiness"):
        [row] = api.get(type_, start=today, end=today).content.strip(b"[]").splitlines()
        assert b'"latest_%s":%s' % (type_.encode(), row) in dashboard


def test_average_ignores_missing_score(ana, api):
    for count, score in ((0, 70), (1, None), (6, 81)):
        store_days(ana, [days_ago(count)], score=score)
    summary = api.get("dashboard").json()["weekly_summary"]
    assert (summary["avg_sleep_score"], summary["sleep_days"]) == (75.5, 3)


def test_week_is_seven_days_up_to_today(ana, api):
    for count in range(9):
        store_days(ana, [days_ago(count)], "activity", steps=10**count)
    body = api.get("dashboard", weeks=2).json()
    assert body["weekly_summary"] == body["weekly_summaries"][0]
    assert body["weekly_summary"]["total_steps"] == 1111111
    assert (body["weekly_summary"]["start"], body["weekly_summary"]["end"]) == (
        str(days_ago(6)),
        str(days_ago(0)),
    )
    assert body["weekly_summaries"][1]["total_steps"] == 110000000


@pytest.mark.parametrize("weeks", ["0", "54", "-1", "1.5", "", "x", "²"])
def test_invalid_weeks_is_an_error(api, weeks):
    answer = api.get("dashboard", weeks=weeks)
    assert answer.status_code == 400
    assert "expected 1 to 53" in answer.json()["errors"]["weeks"][0]


def test_weeks_is_number_of_summaries(api):
    assert len(api.get("dashboard").json()["weekly_summaries"]) == 4
    assert len(api.get("dashboard", weeks=53).json()["weekly_summaries"]) == 53


def test_dashboard_etag_changes_with_the_day(ana, api, monkeypatch):
    etag = api.get("dashboard").headers["ETag"]
    tomorrow = timezone.now().date() + datetime.timedelta(days=1)
    monkeypatch.setattr(type(ana), "today", lambda self: tomorrow)
    assert api.get("dashboard", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_api_is_read_only(api, method):
    answer = getattr(api.client, method)(
        "/api/v1/sleep", headers={"Authorization": f"Bearer {api.access}"}
    )
    assert answer.status_code == 405


def test_api_lacks_routes_of_processor(api):
    assert api.get("metrics/sleep").status_code == 404
    assert api.client.post("/api/v1/ingest").status_code == 404


def test_cors_allows_listed_origins_only(api, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    allowed = {
        origin: api.get("sleep", headers={"Origin": origin}).headers.get(
            "Access-Control-Allow-Origin"
        )
        for origin in ("https://app.example.org", "https://evil.example.org")
    }
    assert allowed == {
        "https://app.example.org": "https://app.example.org",
        "https://evil.example.org": None,
    }


def test_openapi_document_has_every_route(api):
    document = api.client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert set(document["paths"]) == {
        *(f"/api/v1/{name}" for name in METRIC_MODELS),
        "/api/v1/dashboard",
        "/api/v1/coverage",
        "/api/v1/days/{day}",
        "/api/v1/marks",
        "/api/v1/trends",
        "/api/v1/summaries",
        "/api/v1/series/{name}",
        "/api/v1/nights/{day}",
        "/api/v1/types",
        "/api/v1/export",
        "/api/v1/",
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
    }


@pytest.mark.parametrize("query", ["?format=csv", ""])
def test_options_answers_in_json(api, query):
    headers = {"Authorization": f"Bearer {api.access}", "Accept": "text/csv, */*"}
    answer = api.client.options(f"/api/v1/sleep{query}", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
