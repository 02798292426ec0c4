"""Errors as pages, for people in a browser."""

import pytest
from django.db import connection
from django.test import Client
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
    assert "This address can't be opened like that." in answer.content.decode()
