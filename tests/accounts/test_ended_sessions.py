"""Forms that are sent after their session has ended, or with a token that is too old."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from tests.myhealth.test_errors_in_browsers import BROWSER, routes
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db
SAVED_NOTHING = "You were signed out, so your last entry was not saved. Please repeat it."
DID_NOTHING = "You were signed out, so nothing was done."


def sent_without_session(path):
    """Send a form without a session; return the browser, and where it is led."""
    browser = Client(REMOTE_ADDR="198.51.100.7")
    answer = browser.post(path, headers=BROWSER)
    return browser, answer.headers.get("Location", "")


def forms():
    """Return the addresses of all forms for people who are signed in."""
    return [
        each for each in routes() if sent_without_session(each)[1].startswith("/accounts/login/?")
    ]


def sign_in(browser, address):
    fields = {"username": "ana", "password": PASSWORDS["ana"]}
    return browser.post(address, {**fields, "next": ""}, headers=BROWSER, follow=True)


def test_sign_in_page_says_that_the_form_was_not_saved():
    browser = Client(REMOTE_ADDR="198.51.100.7")
    answer = browser.post("/account/password/", {"new_password1": "one"}, headers=BROWSER)
    address = answer.headers["Location"]
    assert SAVED_NOTHING in browser.get(address).content.decode()
    assert SAVED_NOTHING in sign_in(browser, address).content.decode()


def test_each_form_leads_to_a_page_after_signing_in(ana):
    found = forms()
    assert {"/account/", "/account/sign-out/", "/connect/oura/", "/disconnect/oura/"} <= {*found}
    for path in found:
        browser, address = sent_without_session(path)
        page = sign_in(browser, address)
        assert page.status_code == 200, path
        assert DID_NOTHING in page.content.decode(), path


def test_whoever_opens_a_page_is_told_of_no_form(ana):
    browser = Client(REMOTE_ADDR="198.51.100.7")
    address = browser.get("/account/").headers["Location"]
    assert "You were signed out" not in browser.get(address).content.decode()
    assert "You were signed out" not in sign_in(browser, address).content.decode()


@pytest.mark.parametrize("path", ["/auth/logout", "/accounts/logout/", "/connect/oura/"])
def test_sign_in_leads_from_no_button_to_a_dead_end(ana, path):
    page = sign_in(Client(REMOTE_ADDR="198.51.100.7"), f"/accounts/login/?next={path}")
    assert page.status_code in (200, 405)
    assert "<main" in page.content.decode()


@pytest.mark.parametrize("path", ["/account/", "/account/password/", "/disconnect/oura/"])
def test_form_with_an_old_token_leads_back_to_its_page(ana, path):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ana)
    browser.get("/account/")
    answer = browser.post(path, {"csrfmiddlewaretoken": "x" * 64}, headers=BROWSER)
    assert answer.status_code == 403
    assert f'<a href="{path}">Open it again</a>' in answer.content.decode()
    assert urlsplit(browser.get(path, follow=True).request["PATH_INFO"]).path.startswith(
        "/account/"
    )


def test_program_without_a_token_is_refused_in_json(ana):
    program = Client(enforce_csrf_checks=True)
    program.force_login(ana)
    answer = program.post("/account/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_program_that_guesses_is_told_to_wait_in_json(ana):
    program = Client(REMOTE_ADDR="198.51.100.7", headers={"Accept": "application/json"})
    for _ in range(6):
        answer = program.post("/accounts/login/", {"username": "ana", "password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
