"""The page of today."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from ingest.models import METRIC_MODELS, MetricSource
from oura.models import Connection
from tests.worlds import (
    days_ago,
    fetch_completely,
    reject_document,
    store_days,
    store_nights,
)

pytestmark = pytest.mark.django_db


def page_of(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    return answer.content.decode().replace("\xa0", " ").replace("&nbsp;", " ")


def words(html):
    return " ".join(strip_tags(html).split())


def section(page, heading):
    """Return the words of the card with this heading."""
    [found] = [
        each for each in page.split("<section")[1:] if re.search(rf"<h2[^>]*>{heading}", each)
    ]
    return words("<section" + found.split("</section>")[0])


def tile(page, name):
    return words(page.split(f'<section class="card {name}">')[1].split("</section>")[0])


def figure(page, label):
    """Return the words of the first value with this label."""
    return words(page.split(f"<dt>{label}</dt>")[1].split("</div>")[0])


def long_day(day):
    return f"{day.day} {day:%B}"


def store_scores(user, scores, type="sleep", **columns):
    """Store one day for each score, the first of today."""
    for count, score in enumerate(scores):
        store_days(user, [days_ago(count)], type, score=score, **columns)


def connect(user, **columns):
    now = timezone.now()
    columns = {"oura_user_id": "an id", "origin": "sandbox", "scopes": [], **columns}
    return Connection.objects.create(
        user=user, access_token=b"", refresh_token=b"", expires_at=now, **columns
    )


def test_today_requires_login(db):
    assert Client().get("/").headers["Location"] == "/accounts/login/?next=/"


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
    missing = page.split('<h2 id="missing">')[1]
    start, end = long_day(days_ago(28)), long_day(days_ago(4))
    assert f"<strong>{start} to {end}</strong>: ring not worn." in missing
    assert "Oura has no data of any kind for this day" in missing
    assert "not fetched yet" in missing


def test_today_says_that_nothing_is_missing(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(30)), type_)
    page = signed_in.get("/").content.decode()
    assert section(page, "What is missing") == (
        "What is missing Nothing is missing from the last 30 days."
    )


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
    at = timezone.now() - timedelta(hours=2)
    fetch_completely(ana, days_ago(9), days_ago(8), at=at)
    fetch_completely(ben, days_ago(9), days_ago(8))
    page = " ".join(signed_in.get("/").content.decode().replace("\xa0", " ").split())
    assert f'Fetched from Oura <time datetime="{at:%Y-%m-%dT%H:%M}' in page
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
