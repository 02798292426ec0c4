"""Errors as pages, for people in a browser."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.urls import path as route

from dashboard.urls import urlpatterns as dashboard_urls
from myhealth.urls.common import handler400, handler403, handler404, handler500
from tests.myhealth.test_poolers import connected_to

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MARK = "ZQMARKERZQ"
pytestmark = pytest.mark.django_db


def crash(request):
    raise ValueError(MARK)


# This module is a URLConf, too.
urlpatterns = [route("crash", crash), *dashboard_urls]
__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@pytest.mark.parametrize("path", ["/nothing/", "/nights/foo/", "/days/2009-12-31/"])
def test_missing_page_leads_back(signed_in, path):
    answer = signed_in.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert '<a href="/">Go to Today</a>' in answer.content.decode()


@pytest.mark.parametrize("page", ["days", "nights"])
@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        ("2999-01-01", "This day hasn't come yet"),
        ("1999-01-01", "This day is before your data"),
    ],
)
def test_day_without_a_page_says_why(signed_in, page, day, sentence):
    answer = signed_in.get(f"/{page}/{day}/", headers=BROWSER)
    text = answer.content.decode()
    assert (answer.status_code, f"<h1>{sentence}</h1>" in text) == (404, True)
    assert '<a href="/">Go to Today</a>' in text
    assert "Sign out" in text


def test_missing_page_has_the_navigation_of_who_is_signed_in(signed_in):
    nav = '<nav class="sections"'
    assert nav in signed_in.get("/nothing/", headers=BROWSER).content.decode()
    assert nav not in Client().get("/nothing/", headers=BROWSER).content.decode()


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/api/v1/nothing", BROWSER["Accept"]), ("/nothing/", "*/*"), ("/nothing/", "")],
)
def test_program_is_answered_in_json(path, accept):
    answer = Client(REMOTE_ADDR="198.51.100.7").get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.fixture
def database_away(transactional_db, signed_in, settings):
    options = connection.settings_dict["OPTIONS"]
    options = {**options, "pool": {**options["pool"], "timeout": 0.2}}
    with connected_to(settings, OPTIONS=options, HOST="127.0.0.1", PORT=1):
        yield signed_in


@pytest.mark.parametrize(
    "path", ["/", "/days/2026-03-01/", "/nights/", "/trends/", "/weeks/", "/account/"]
)
def test_database_that_is_away_is_said_in_a_page(database_away, path):
    answer = database_away.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = answer.content.decode()
    assert "try again shortly. <a" in page
    assert "Sign out" not in page


@pytest.mark.parametrize(("path", "accept"), [("/api/v1/sleep", BROWSER["Accept"]), ("/", "*/*")])
def test_program_is_told_in_json_that_database_is_away(database_away, path, accept):
    answer = database_away.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_missing_page_needs_no_database(database_away):
    assert database_away.get("/nothing/", headers=BROWSER).status_code == 404


def test_page_of_error_says_nothing_of_its_cause(settings):
    settings.ROOT_URLCONF = __name__
    answer = Client(raise_request_exception=False).get("/crash", headers=BROWSER)
    page = answer.content.decode()
    assert (answer.status_code, MARK in page) == (500, False)
    assert "Something went wrong on the server." in page


def test_wrong_method_is_answered_with_a_page(signed_in):
    answer = signed_in.post("/trends/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "This address is for a form or a program" in answer.content.decode()


# Addresses of forms and programs ------------------------------------------------------------------


def routes(patterns=None, before="/"):
    """Yield an address of each route, with any words in the place of its parameters."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = before + re.sub(r"<[^>]+>", "x", str(each.pattern))
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, route)
        elif not re.search(r"[\^$?]", route):
            yield route


@pytest.mark.parametrize("method", ["get", "head"])
def test_no_address_is_a_dead_end_for_people(admin, ana, method):
    for path in routes():
        # Some end the session.
        admin.force_login(ana)
        answer = getattr(admin, method)(path, headers=BROWSER)
        if answer.streaming:
            # A download that nobody reads keeps a thread.
            answer.getvalue()
        assert answer.status_code != 405 or path.startswith("/auth/"), path
        if answer.status_code == 405:
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout", "/auth/nothing"])
def test_address_for_tokens_has_a_way_back(path):
    for accept in (BROWSER["Accept"], "text/html"):
        answer = Client().get(path, headers={"Accept": accept})
        assert answer.status_code in (404, 405, 406)
        assert '<a href="/">Go to Today</a>' in answer.content.decode()


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
@pytest.mark.parametrize(("method", "accept"), [("get", "*/*"), ("post", BROWSER["Accept"])])
def test_program_that_asks_for_tokens_gets_json(path, method, accept):
    answer = getattr(Client(), method)(path, headers={"Accept": accept})
    assert answer.json()["code"]


def test_button_of_the_admin_leads_to_account(admin):
    answer = admin.get("/admin/logout/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/")


# What is refused before a view sees it ------------------------------------------------------------

TOO_MUCH = b"time_zone=" + b"x" * 20_000
REFUSED = {
    "method": ("PROPFIND", "/account/", b"", 405),
    "path": ("GET", "/" + "x" * 600, b"", 414),
    "size": ("POST", "/account/", TOO_MUCH, 413),
    "value": ("POST", "/account/preferences/", b"time_zone=%00", 200),
    "fields": ("POST", "/account/preferences/", b"&".join([b"a"] * 1500), 400),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_refusal_is_a_page(signed_in, method, path, body, status):
    form = "application/x-www-form-urlencoded"
    answer = signed_in.generic(method, path, body, form, headers=BROWSER)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<main" in answer.content.decode()
    again = signed_in.generic(method, path, body, form, headers={"Accept": "application/json"})
    assert again.status_code == status
    assert status == 200 or again.json()["code"]


def test_page_for_a_refusal_has_its_own_length():
    answer = Client().get("/" + "x" * 600, headers=BROWSER)
    assert answer.headers.get("Content-Length") in (None, str(len(answer.content)))
