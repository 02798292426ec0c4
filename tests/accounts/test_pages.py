"""The pages for signing in and out, and accounts in the admin."""

from datetime import UTC, date, datetime
from threading import BoundedSemaphore

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from tests.worlds import PASSWORDS, PREFERENCES

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="198.51.100.7")


def sign_in(browser, password):
    return browser.post("/accounts/login/", {"username": "ana", "password": password, "next": "/"})


def test_sign_in_redirects_to_today(browser, ana):
    answer = sign_in(browser, PASSWORDS["ana"])
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert browser.get("/").status_code == 200


def test_signing_in_replaces_the_session(browser, ana):
    before = browser.session.session_key
    sign_in(browser, PASSWORDS["ana"])
    assert browser.session.session_key != before
    assert not Session.objects.filter(pk=before)


def test_wrong_password_shows_error(browser, ana):
    answer = sign_in(browser, "wrong")
    assert answer.status_code == 200
    assert (
        'role="alert">The user name or the password is wrong. Passwords are case-sensitive.</p>'
        in answer.content.decode()
    )


def test_locked_out_page_says_when_to_try_again(browser, ana):
    for _ in range(5):
        sign_in(browser, "wrong")
    answer = sign_in(browser, PASSWORDS["ana"])
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in 15 minutes" in answer.content.decode()


def test_too_many_tries_lead_back_to_their_form(signed_in, ana):
    form = {"password": "wrong"}
    answers = [signed_in.post("/account/delete/data/?a=1&b=2", form) for _ in range(6)]
    assert answers[-1].status_code == 429
    page = answers[-1].content.decode()
    assert '<a href="/account/delete/data/?a=1&amp;b=2">' in page
    assert "/accounts/login/" not in page and "sign in" not in page


def test_short_waits_are_in_seconds(browser, ana, monkeypatch):
    monkeypatch.setattr("accounts.passwords._RUNNING_OR_WAITING", places := BoundedSemaphore(1))
    places.acquire()
    answer = sign_in(browser, PASSWORDS["ana"])
    assert answer.status_code == 429
    assert "Try again in 1 second," in answer.content.decode()


def test_sign_in_never_redirects_to_another_site(browser, ana):
    answer = browser.post(
        "/accounts/login/?next=https://evil.example.org/",
        {"username": "ana", "password": PASSWORDS["ana"], "next": "https://evil.example.org/"},
    )
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("query", ["", "?next=/accounts/login/", "%3Fnext=/accounts/login/"])
@pytest.mark.parametrize("site", ["", "http://testserver"])
def test_next_that_is_the_sign_in_page_leads_to_today(signed_in, site, query):
    path = f"/accounts/login/?next={site}/accounts/login/{query}"
    assert signed_in.get(path).headers["Location"] == "/"
    form = {"username": "ana", "password": PASSWORDS["ana"]}
    assert Client().post(path, form).headers["Location"] == "/"


def test_sign_in_requires_csrf_token(ana):
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(strict, PASSWORDS["ana"]).status_code == 403


def test_sign_out_requires_post_and_ends_session(signed_in):
    assert signed_in.get("/accounts/logout/").headers["Location"] == "/account/"
    assert signed_in.get("/").status_code == 200
    assert signed_in.post("/accounts/logout/").status_code == 302
    assert signed_in.get("/").status_code == 302


def test_form_without_csrf_token_shows_expired_page(ana):
    strict = Client(enforce_csrf_checks=True)
    strict.get("/accounts/login/")
    answer = strict.post("/accounts/login/", {"username": "ana"})
    assert answer.status_code == 403
    assert "This page has expired" in answer.content.decode()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "Allow cookies for this site"),
        ({"Origin": "https://elsewhere.example"}, "http://localhost:8000/</a> instead"),
        ({"Origin": "https://elsewhere.example"}, "PUBLIC_URL"),
        ({"Origin": "null"}, "Your browser hides"),
    ],
)
def test_refused_form_says_the_true_reason(settings, headers, words):
    settings.PUBLIC_URL = "http://localhost:8000"
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {}, headers=headers)
    assert words in answer.content.decode()
    assert "elsewhere.example" not in answer.content.decode()


def test_admin_requires_staff_status(signed_in):
    assert signed_in.get("/admin/").status_code == 302


def test_account_can_be_created_in_admin(admin):
    answer = admin.post(
        "/admin/accounts/user/add/",
        {
            "username": "chloe",
            "time_zone": "Europe/Paris",
            "usable_password": "true",
            "password1": "a long enough one",
            "password2": "a long enough one",
        },
    )
    assert answer.status_code == 302
    assert User.objects.get(username="chloe").time_zone == "Europe/Paris"


def test_admin_rejects_name_that_differs_only_in_case(admin):
    fields = {"username": "ANA", "time_zone": "UTC", "usable_password": "true"}
    passwords = {"password1": "a long enough one", "password2": "a long enough one"}
    answer = admin.post("/admin/accounts/user/add/", {**fields, **passwords})
    assert "already exists" in answer.content.decode()


def test_admin_does_not_show_token_families(admin):
    assert admin.get("/admin/accounts/tokenfamily/").status_code == 404


ZONES = ["localtime", "Factory", "posix/Europe/Berlin", "right/UTC", "Mars/Base", "/etc/passwd"]


@pytest.mark.parametrize("name", ZONES)
def test_zone_that_not_every_machine_knows_is_refused(ana, name):
    ana.time_zone = name
    with pytest.raises(ValidationError):
        ana.full_clean()


@pytest.mark.parametrize("name", ["Asia/Calcutta", "US/Eastern", "Etc/GMT+5", "EST"])
def test_old_and_fixed_names_are_taken(signed_in, ana, name):
    signed_in.post("/account/preferences/", {**PREFERENCES, "time_zone": name})
    ana.refresh_from_db()
    assert ana.time_zone == name


@pytest.mark.parametrize("name", ["Europe/Kyiv", "Asia/Kolkata", "UTC"])
def test_zone_of_the_iana_database_is_offered(signed_in, name):
    page = signed_in.get("/account/preferences/").content.decode()
    assert f'<option value="{name}"' in page


@pytest.fixture
def lost(ana, settings):
    """Ana with a time zone of another machine, which no form would take."""
    settings.TIME_ZONE = "Pacific/Kiritimati"
    User.objects.filter(pk=ana.pk).update(time_zone="localtime")
    ana.refresh_from_db()
    return ana


def test_unknown_stored_zone_is_that_of_the_server(lost):
    assert lost.today(datetime(2026, 3, 1, 12, tzinfo=UTC)) == date(2026, 3, 2)


@pytest.mark.parametrize("path", ["/", "/api/v1/sleep", "/api/v1/dashboard", "/api/v1/coverage"])
def test_unknown_stored_zone_breaks_nothing(lost, signed_in, path):
    assert signed_in.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/account/", "/account/preferences/"])
def test_person_reads_that_their_zone_is_unknown(lost, signed_in, path):
    page = signed_in.get(path).content.decode()
    assert "does not know the time zone localtime, so it uses Pacific/Kiritimati" in page


def test_preferences_offer_another_zone_for_unknown_one(lost, signed_in):
    page = signed_in.get("/account/preferences/").content.decode()
    assert 'value="Pacific/Kiritimati"' in page.partition("<datalist")[0]
    form = {**PREFERENCES, "time_zone": "Pacific/Kiritimati"}
    signed_in.post("/account/preferences/", form)
    lost.refresh_from_db()
    assert lost.time_zone == "Pacific/Kiritimati"


def test_known_zone_brings_no_warning(signed_in):
    assert "does not know the time zone" not in signed_in.get("/account/").content.decode()


def test_page_of_form_without_cookie_has_one_message(ana):
    page = Client(enforce_csrf_checks=True).post("/account/", headers={"Accept": "text/html"})
    text = page.content.decode()
    assert "<title>Not sent · myhealth</title>" in text
    assert "Without it you are signed out, so nothing was saved." in text
