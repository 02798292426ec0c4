"""The pages of signing in and out, and people in the admin."""

import pytest
from django.test import Client

from accounts.models import User
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="198.51.100.7")


def sign_in(browser, password):
    return browser.post("/accounts/login/", {"username": "ana", "password": password, "next": "/"})


def test_signing_in_leads_to_today(browser, ana):
    answer = sign_in(browser, PASSWORDS["ana"])
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert browser.get("/").status_code == 200


def test_a_wrong_password_is_told(browser, ana):
    answer = sign_in(browser, "wrong")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_a_locked_out_person_gets_a_page_that_says_when(browser, ana):
    for _ in range(5):
        sign_in(browser, "wrong")
    answer = sign_in(browser, PASSWORDS["ana"])
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in 15 minutes" in answer.content.decode()


def test_signing_in_leads_to_no_other_site(browser, ana):
    answer = browser.post(
        "/accounts/login/?next=https://evil.example.org/",
        {"username": "ana", "password": PASSWORDS["ana"], "next": "https://evil.example.org/"},
    )
    assert answer.headers["Location"] == "/"


def test_signing_in_needs_the_forms_token(ana):
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(strict, PASSWORDS["ana"]).status_code == 403


def test_signing_out_is_a_post_and_ends_the_session(signed_in):
    assert signed_in.get("/accounts/logout/").status_code == 405
    assert signed_in.post("/accounts/logout/").status_code == 302
    assert signed_in.get("/").status_code == 302


def test_a_form_without_its_token_gets_a_page_that_helps(ana):
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "ana"})
    assert answer.status_code == 403
    assert "This page has expired" in answer.content.decode()


def test_a_person_without_staff_rights_does_not_get_into_the_admin(signed_in):
    assert signed_in.get("/admin/").status_code == 302


def test_an_account_is_made_in_the_admin(admin):
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


def test_a_name_that_differs_in_case_only_is_told_in_the_admin(admin):
    fields = {"username": "ANA", "time_zone": "UTC", "usable_password": "true"}
    passwords = {"password1": "a long enough one", "password2": "a long enough one"}
    answer = admin.post("/admin/accounts/user/add/", {**fields, **passwords})
    assert "already exists" in answer.content.decode()


def test_tokens_are_not_to_be_seen_in_the_admin(admin):
    assert admin.get("/admin/token_blacklist/outstandingtoken/").status_code == 404
