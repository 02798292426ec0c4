"""Errors as pages, for people in a browser."""

import pytest
from django.test import Client

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
pytestmark = pytest.mark.django_db


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
