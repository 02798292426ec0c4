"""The pages of people: today, the browsable API, metrics in the admin."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from ingest.models import METRIC_MODELS
from tests.dashboard.conftest import days_ago, hold, night, read_whole

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="198.51.100.7")


def test_today_asks_to_sign_in(browser):
    assert browser.get("/").headers["Location"] == "/accounts/login/?next=/"


def test_today_without_data_says_so(signed_in):
    assert "Nothing here yet" in signed_in.get("/").content.decode()


def test_today_shows_the_persons_own_newest_days(signed_in, ana, ben):
    hold(ana, a=(days_ago(0), {"score": 83, "duration": 27060}))
    hold(ben, b=(days_ago(0), {"score": 12}))
    page = signed_in.get("/").content.decode()
    assert '<p class="score">83</p>' in page
    assert "7 h 31 min" in page
    assert ">12<" not in page


def test_an_unknown_value_is_a_dash_and_not_a_zero(signed_in, ana):
    hold(ana, a=(days_ago(0), {"score": None}))
    page = signed_in.get("/").content.decode()
    assert "no score" in page
    assert "<dd>–</dd>" in page


def test_today_lists_what_is_missing_and_why(signed_in, ana):
    hold(ana, a=(days_ago(29), {}), b=(days_ago(3), {}))
    read_whole(ana, days_ago(29), days_ago(3))
    page = signed_in.get("/").content.decode()
    sleep = page.split('<h3 class="sleep">')[1].split("</ul>")[0]
    start, end = long_day(days_ago(28)), long_day(days_ago(4))
    assert f"<strong>{start} to {end}</strong>: ring not worn." in sleep
    assert "Oura has no data of any kind for this day" in sleep
    assert "not fetched yet" in sleep


def long_day(text):
    day = datetime.date.fromisoformat(text)
    return f"{day.day} {day:%B}"


def test_today_says_so_when_nothing_is_missing(signed_in, ana):
    for type_ in METRIC_MODELS:
        hold(ana, type_, **{f"{type_}{n}": (days_ago(n), {}) for n in range(30)})
    page = signed_in.get("/").content.decode()
    assert "Nothing is missing from the last 30 days." in page
    assert "<h3" not in page


def test_today_does_not_miss_what_was_before_ouras_first_day(signed_in, ana):
    for type_ in METRIC_MODELS:
        hold(ana, type_, **{f"{type_}{n}": (days_ago(n), {}) for n in range(3)})
    read_whole(ana, days_ago(29), days_ago(0))
    assert "Nothing is missing from the last 30 days." in signed_in.get("/").content.decode()


def test_today_says_when_oura_was_last_read(signed_in, ana, ben):
    page = signed_in.get("/").content.decode()
    assert "Not synced with Oura yet." in page
    at = timezone.now() - datetime.timedelta(hours=2)
    read_whole(ana, days_ago(9), days_ago(8), at=at)
    read_whole(ben, days_ago(9), days_ago(8))
    page = " ".join(signed_in.get("/").content.decode().replace("\xa0", " ").split())
    assert f'Last synced with Oura <time datetime="{at:%Y-%m-%dT%H:%M}' in page
    assert ">2 hours ago</time>" in page


def test_today_tells_that_the_algorithm_changed(signed_in, ana):
    night(ana, days_ago(40), "v1")
    night(ana, days_ago(5), "v2")
    told = f"On {long_day(days_ago(5))} Oura&#x27;s sleep algorithm changed (v1 to v2): "
    assert told in signed_in.get("/").content.decode()


def test_today_leaves_older_changes_out(signed_in, ana):
    night(ana, days_ago(40), "v1")
    night(ana, days_ago(30), "v2")
    assert "algorithm changed" not in signed_in.get("/").content.decode()


def test_the_browsable_api_opens_with_a_session(signed_in, ana):
    hold(ana, a=(days_ago(1), {"score": 83}))
    answer = signed_in.get("/api/v1/sleep", headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert (answer.status_code, "&quot;score&quot;" in page) == (200, True)
    assert "/accounts/logout/" in page


def test_the_browsable_api_offers_to_sign_in(browser):
    answer = browser.get("/api/v1/sleep", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "/accounts/login/?next=/api/v1/sleep" in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/docs/", "/static/myhealth/style.css", "/favicon.ico"])
def test_it_is_there(browser, path):
    answer = browser.get(path, follow=True)
    answer.close()
    assert answer.status_code == 200


@pytest.mark.parametrize("type_", ["sleep", "activity", "readiness"])
def test_metrics_can_be_looked_at_and_not_changed(admin, ana, type_):
    hold(ana, type_, a=(days_ago(1), {"score": 83, "source": {"daily": {"contributors": [7]}}}))
    listed = admin.get(f"/admin/ingest/{type_}metric/")
    assert listed.status_code == 200
    row = listed.context["cl"].result_list[0]
    shown = admin.get(f"/admin/ingest/{type_}metric/{row.pk}/change/")
    assert "&quot;daily&quot;: {" in shown.content.decode()
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/change/", {}).status_code == 403
    assert admin.get(f"/admin/ingest/{type_}metric/add/").status_code == 403
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/delete/").status_code == 403


def test_metrics_are_found_by_id_score_and_person(admin, ana, ben):
    hold(ana, a=(days_ago(1), {"score": 90}), x=(days_ago(2), {"score": 50}), c=(days_ago(3), {}))
    hold(ben, d=(days_ago(1), {"score": 90}))

    def found(query):
        listed = admin.get(f"/admin/ingest/sleepmetric/?{query}").context["cl"].result_list
        return {row.oura_id for row in listed}

    assert found("q=x") == {"x"}
    assert found("q=ben") == {"d"}
    assert found("score=optimal") == {"a", "d"}
    assert found("score=none") == {"c"}
    assert found(f"user__id__exact={ana.pk}") == {"a", "x", "c"}
