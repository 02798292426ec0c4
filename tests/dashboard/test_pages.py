"""The page of today, the browsable API, and metrics in the admin."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from ingest.models import METRIC_MODELS, MetricSource
from tests.worlds import days_ago, fetch_completely, reject_document, store_days, store_nights

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="198.51.100.7")


def test_today_requires_login(browser):
    assert browser.get("/").headers["Location"] == "/accounts/login/?next=/"


def test_today_without_data(signed_in):
    assert "Nothing here yet" in signed_in.get("/").content.decode()


def test_today_shows_own_newest_days(signed_in, ana, ben):
    store_days(ana, [days_ago(0)], score=83, duration=27060)
    store_days(ben, [days_ago(0)], score=12)
    page = signed_in.get("/").content.decode()
    assert '<p class="score">83</p>' in page
    assert "7 h 31 min" in page
    assert ">12<" not in page


def test_unknown_value_is_dash_and_not_zero(signed_in, ana):
    store_days(ana, [days_ago(0)], score=None)
    page = signed_in.get("/").content.decode()
    assert "no score" in page
    assert "<dd>–</dd>" in page


def test_today_lists_missing_days_with_reasons(signed_in, ana):
    store_days(ana, [days_ago(29), days_ago(3)])
    fetch_completely(ana, days_ago(29), days_ago(3))
    page = signed_in.get("/").content.decode()
    sleep = page.split('<h3 class="sleep">')[1].split("</ul>")[0]
    start, end = long_day(days_ago(28)), long_day(days_ago(4))
    assert f"<strong>{start} to {end}</strong>: ring not worn." in sleep
    assert "Oura has no data of any kind for this day" in sleep
    assert "not fetched yet" in sleep


def long_day(day):
    return f"{day.day} {day:%B}"


def test_today_says_that_nothing_is_missing(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(30)), type_)
    page = signed_in.get("/").content.decode()
    assert "Nothing is missing from the last 30 days." in page
    assert "<h3" not in page


def test_today_notes_reason_of_stored_day(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(30)), type_)
    reject_document(ana, days_ago(4))
    page = signed_in.get("/").content.decode()
    missing, noted = page.split('<h2 id="noted">')
    assert "Nothing is missing from the last 30 days." in missing
    assert f"<strong>{long_day(days_ago(4))}</strong>" in noted
    assert "A newer version of this day could not be stored." in noted
    assert noted.count("<li>") == 1


def test_today_without_reasons_of_stored_days_has_no_notes(signed_in, ana):
    store_days(ana, [days_ago(1)])
    assert 'id="noted"' not in signed_in.get("/").content.decode()


def test_today_names_values_that_were_left_out(signed_in, ana):
    for count in (1, 2):
        store_days(ana, [days_ago(count)], source={"sleep": []})
    warnings = {"average_hrv": ["wrong"], "contributors.timing": ["wrong"], "day": ["Odd."]}
    MetricSource.objects.filter(day=days_ago(1)).update(warnings=warnings)
    MetricSource.objects.filter(day=days_ago(2)).update(warnings={"efficiency": ["wrong"]})
    page = signed_in.get("/").content.decode()
    assert page.count("Oura sent no usable value for: Average HRV, timing (contributor).") == 1
    assert '<p class="quiet">Odd.</p>' in page
    assert "efficiency." not in page


def test_today_says_when_ring_was_off_all_day(signed_in, ana):
    store_days(ana, [days_ago(3)], "activity", non_wear_minutes=1440)
    noted = signed_in.get("/").content.decode().split('<h2 id="noted">')[1]
    assert f"<strong>{long_day(days_ago(3))}</strong>" in noted
    assert "The ring was off for 24 h 0 min on this day." in noted


def test_today_omits_days_before_ouras_first(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(3)), type_)
    fetch_completely(ana, days_ago(29), days_ago(0))
    assert "Nothing is missing from the last 30 days." in signed_in.get("/").content.decode()


def test_today_shows_time_of_last_fetch(signed_in, ana, ben):
    page = signed_in.get("/").content.decode()
    assert "Nothing has been fetched from Oura yet." in page
    at = timezone.now() - datetime.timedelta(hours=2)
    fetch_completely(ana, days_ago(9), days_ago(8), at=at)
    fetch_completely(ben, days_ago(9), days_ago(8))
    page = " ".join(signed_in.get("/").content.decode().replace("\xa0", " ").split())
    assert f'Last fetched from Oura <time datetime="{at:%Y-%m-%dT%H:%M}' in page
    assert ">2 hours ago</time>" in page


def test_today_shows_mark(signed_in, ana):
    store_nights(ana, [days_ago(40)], "v1")
    store_nights(ana, [days_ago(5)], "v2")
    mark = f"On {long_day(days_ago(5))} Oura&#x27;s sleep algorithm changed (from v1 to v2): "
    assert mark in signed_in.get("/").content.decode()


def test_today_omits_older_marks(signed_in, ana):
    store_nights(ana, [days_ago(40)], "v1")
    store_nights(ana, [days_ago(30)], "v2")
    assert "algorithm changed" not in signed_in.get("/").content.decode()


def test_browsable_api_accepts_session(signed_in, ana):
    store_days(ana, [days_ago(1)], score=83)
    answer = signed_in.get("/api/v1/sleep", headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert (answer.status_code, "&quot;score&quot;" in page) == (200, True)
    assert "/accounts/logout/" in page


def test_browsable_api_links_to_login(browser):
    answer = browser.get("/api/v1/sleep", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "/accounts/login/?next=/api/v1/sleep" in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/docs/", "/static/myhealth/style.css", "/favicon.ico"])
def test_page_exists(browser, path):
    answer = browser.get(path, follow=True)
    answer.close()
    assert answer.status_code == 200


@pytest.mark.parametrize("type_", ["sleep", "activity", "readiness"])
def test_metrics_are_read_only_in_admin(admin, ana, type_):
    source = {"daily": {"contributors": [7]}}
    store_days(ana, [days_ago(1)], type_, score=83, source=source)
    changelist = admin.get(f"/admin/ingest/{type_}metric/")
    assert changelist.status_code == 200
    row = changelist.context["cl"].result_list[0]
    detail = admin.get(f"/admin/ingest/{type_}metric/{row.pk}/change/")
    assert "&quot;daily&quot;: {" in detail.content.decode()
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/change/", {}).status_code == 403
    assert admin.get(f"/admin/ingest/{type_}metric/add/").status_code == 403
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/delete/").status_code == 403


def test_admin_finds_metrics_by_id_score_and_person(admin, ana, ben):
    for count, id, score in ((1, "a", 90), (2, "x", 50), (3, "c", None)):
        store_days(ana, [days_ago(count)], id=id, score=score)
    store_days(ben, [days_ago(1)], id="d", score=90)

    def search(query):
        page = admin.get(f"/admin/ingest/sleepmetric/?{query}")
        return {row.oura_id for row in page.context["cl"].result_list}

    assert search("q=x") == {"x"}
    assert search("q=ben") == {"d"}
    assert search("score=optimal") == {"a", "d"}
    assert search("score=none") == {"c"}
    assert search(f"user__id__exact={ana.pk}") == {"a", "x", "c"}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/account", "/account/"),
        ("/accounts/login?next=/", "/accounts/login/?next=/"),
        ("/admin", "/admin/"),
        ("/api/docs", "/api/docs/"),
        ("/api/v1/sleep/?start=2026-01-01", "/api/v1/sleep?start=2026-01-01"),
    ],
)
@pytest.mark.parametrize("method", ["get", "head"])
def test_slash_too_few_or_too_many_is_mended(browser, path, address, method):
    answer = getattr(browser, method)(path)
    assert (answer.status_code, answer.headers["Location"]) == (301, address)


@pytest.mark.parametrize("path", ["/accounts/login", "/auth/login/", "/api/v1/sleep/"])
def test_form_is_never_redirected_to_another_slash(browser, path):
    assert browser.post(path).status_code == 404


@pytest.mark.parametrize("path", ["//account", "//account/", "/nothing", "/no/"])
def test_slash_leads_only_to_what_there_is(browser, path):
    assert browser.get("/", PATH_INFO=path).status_code == 404


def test_robots_are_told_to_stay_away(browser):
    answer = browser.get("/robots.txt")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.content.decode() == "User-agent: *\nDisallow: /\n"
