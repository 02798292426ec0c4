"""Whatever is sent to the services' routes, no answer is a 500."""

from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.odd_input.values import (
    HEADERS,
    IN_HEADER,
    IN_JSON,
    IN_URL,
    Sender,
    Turns,
    filled,
    has_parameter,
    routes,
)
from tests.scale import full_only
from tests.worlds import PREFERENCES, days_ago, reject_document, store_days

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"
PARAMETERS = [
    "start",
    "end",
    "fields",
    "weeks",
    "every",
    "measures",
    "measure",
    "period",
    "day",
    "format",
    "user",
    "next",
    "code",
    "state",
    "iss",
]
FIELDS = {
    "/api/v1/ingest": {
        "type": b'"sleep"',
        "user": b'"ana"',
        "data": b"[]",
        "fetched_at": b"null",
        "origin": b'"sandbox"',
        "owner": b"null",
        "read": b'{"start": "2026-03-01", "end": "2026-03-02", "pages": 1, "documents": 1}',
    },
    "/api/v1/reports": {
        "type": b'"sleep"',
        "user": b'"ana"',
        "ranges": b'[{"start": "2026-03-01", "end": "2026-03-02"}]',
        "kind": b'"unavailable"',
        "status": b"500",
        "collection": b'"sleep"',
        "page": b"1",
        "asked_at": b"null",
    },
    "/api/v1/runs": {"user": b'"ana"'},
}
SIGN_IN = {
    "/auth/login": {"username": b'"ana"', "password": b'"x"'},
    "/auth/refresh": {"refresh": b'"x"'},
    "/auth/logout": {"refresh": b'"x"'},
}
DOCUMENT = {"id": b'"a"', "day": b'"2026-03-01"', "score": b"81", "source": b"{}", "duration": b"1"}
PAGES = ("", "account/", "accounts/login/", "admin/", "admin/login/", "api/v1/sleep", "auth/login")


def as_json(fields):
    return b"{%b}" % b",".join(b'"%b": %b' % (name.encode(), raw) for name, raw in fields.items())


def with_odd_field(fields, some):
    """Yield JSON objects that each have one odd value."""
    for name in fields:
        for value in some(IN_JSON):
            yield as_json({**fields, name: value})


@pytest.fixture
def browser(signed_in, ana):
    store_days(ana, [days_ago(3)])
    return Sender(signed_in)


@pytest.fixture
def program(transactional_db, ana, settings):
    """A client of the processor that has both of its tokens."""
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    settings.INGEST_TOKENS = settings.CONTROL_TOKENS = ["a-token-for-both"]
    reject_document(ana, days_ago(2))
    return Sender(Client(HTTP_AUTHORIZATION="Bearer a-token-for-both"))


def service_routes():
    return [route for route in routes() if not route.startswith("/admin/")]


def send_odd_parameters(sender, few):
    some = Turns(few)
    for route in service_routes():
        for value in some(IN_URL) if has_parameter(route) else []:
            for method in ("GET", "POST", "DELETE"):
                sender.send(method, filled(route, value))
        for name in PARAMETERS:
            for value in some(IN_URL):
                sender.send("GET", filled(route, "1"), f"{name}={value}&{value}={name}")


@full_only
def test_odd_parameters_of_api_are_answered(browser):
    send_odd_parameters(browser, 1)
    assert browser.failed == []


def test_odd_parameters_of_processor_are_answered(program):
    send_odd_parameters(program, 2)
    assert program.failed == []


@full_only
def test_odd_headers_are_answered(browser):
    some = Turns(1)
    for name in HEADERS:
        for value in some(IN_HEADER):
            for page in PAGES:
                browser.send("GET", f"/{page}", "next=%E9", **{name: value})
                browser.send("POST", f"/{page}", body=b"{}", **{name: value})
    assert browser.failed == []


def test_odd_headers_are_answered_by_processor(program):
    some = Turns(3)
    for name in HEADERS:
        for value in some(IN_HEADER):
            program.send("GET", "/api/v1/metrics/sleep", **{name: value})
            program.send("POST", "/api/v1/runs", body=b"{}", **{name: value})
    assert program.failed == []


ODD_COOKIES = [
    r'"\000abcdefghijklmnop"',
    r'"\377\200\001"',
    "a" * 31 + "\x00",
    "é" * 32,
    "x" * 4_000,
    "A" * 32,
    "=;,",
    "[]:1:x",
    "",
]


@full_only
@pytest.mark.parametrize("name", ["sessionid", "messages", "csrftoken"])
def test_odd_cookies_are_answered(browser, name):
    session = browser.client.cookies["sessionid"].value
    for value in ODD_COOKIES:
        for page in PAGES:
            for cookie in (f"{name}={value}", f"sessionid={session}; {name}={value}"):
                browser.send("GET", f"/{page}", Cookie=cookie)
                browser.send("POST", f"/{page}", body=b"{}", Cookie=cookie)
    assert browser.failed == []


@pytest.mark.parametrize("key", [r'"\000abcdefghijklmnop"', "A" * 32, "a" * 31, "a" * 33, "é" * 32])
def test_impossible_session_is_none(key, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/", headers={"Cookie": f"sessionid={key}"})
    assert answer.headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("route", FIELDS)
def test_odd_bodies_are_answered_by_processor(program, route):
    for body in (*with_odd_field(FIELDS[route], Turns(12)), *IN_JSON):
        program.send("POST", route, body=body, content_type="application/json")
    assert program.failed == []


def test_odd_documents_are_answered(program):
    for document in with_odd_field(DOCUMENT, Turns(12)):
        body = as_json({**FIELDS["/api/v1/ingest"], "data": b"[%b]" % document})
        program.send("POST", "/api/v1/ingest", body=body, content_type="application/json")
    assert program.failed == []


@pytest.mark.parametrize("route", SIGN_IN)
def test_odd_credentials_of_programs_are_answered(browser, route):
    for body in (*with_odd_field(SIGN_IN[route], Turns(12)), *IN_JSON):
        browser.send("POST", route, body=body, content_type="application/json")
    assert browser.failed == []


@full_only
@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_odd_credentials_of_people_are_answered(ana, page):
    sender = Sender(Client())
    for name in ("username", "password", "next"):
        for value in IN_URL:
            form = f"username=ana&password=x&{name}={value}"
            sender.send("POST", page, body=form.encode(), content_type=FORM)
    assert sender.failed == []


def test_odd_fields_of_own_account_are_answered(browser):
    for value in Turns(6)(IN_URL):
        for name in PREFERENCES:
            form = f"{urlencode(PREFERENCES)}&{name}={value}"
            browser.send("POST", "/account/preferences/", body=form.encode(), content_type=FORM)
    assert browser.failed == []


def test_odd_answers_of_oura_to_browsers_are_answered(browser):
    session = browser.client.session
    session["oura_consent"] = {"state": "s", "verifier": "v" * 50, "since": 9e12}
    for name in ("state", "code", "iss", "error"):
        for value in IN_URL:
            session.save()
            browser.send("GET", "/connect/oura/callback", f"state=s&{name}={value}")
    assert browser.failed == []
