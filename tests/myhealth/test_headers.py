"""What browsers are told about answers: what may run, what is kept, and by which scheme."""

import socket
import time
from ipaddress import ip_network

import pytest
from django.test import Client
from requests.adapters import HTTPAdapter

from tests.processes import PATIENCE
from tests.worlds import PREFERENCES, days_ago, store_days

NOTHING = "default-src 'none'; frame-ancestors 'none'"
PAGES = ["/", "/account/", "/connect/oura/register", "/connect/oura/callback", "/api/docs/"]
ADMIN_PAGES = ["/admin/", "/admin/ingest/sleepmetric/", "/admin/coverage/"]


def directives(answer):
    policy = answer.headers["Content-Security-Policy"]
    return {name: rest for name, _, rest in (each.partition(" ") for each in policy.split("; "))}


def check_page(answer):
    assert answer.headers["Content-Type"].startswith("text/html")
    found = directives(answer)
    assert found["default-src"] == found["form-action"] == "'self'"
    assert found["object-src"] == found["base-uri"] == found["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(found)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES + ADMIN_PAGES)
def test_pages_have_policy_and_are_not_stored(admin, path):
    check_page(admin.get(path))


def test_browsable_api_has_policy_and_is_not_stored(signed_in):
    check_page(signed_in.get("/api/v1/sleep", headers={"Accept": "text/html"}))


@pytest.mark.django_db
def test_pages_for_nobody_have_policy_and_are_not_stored():
    check_page(Client().get("/accounts/login/"))
    strict = Client(enforce_csrf_checks=True)
    check_page(strict.post("/accounts/login/", {"username": "ana"}))


@pytest.mark.parametrize(
    "path",
    ["/health", "/nothing", "/api/schema/", "/api/v1/sleep", "/static/myhealth/style.css"],
)
@pytest.mark.django_db
def test_other_answers_allow_nothing(path):
    answer = Client().get(path)
    answer.close()
    assert answer.headers["Content-Security-Policy"] == NOTHING
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    ["/", "/accounts/login/", "/nothing/", "/api/v1/sleep", "/api/docs/", "/admin/", "/health"],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_nothing_is_for_search_engines(admin, path, accept):
    for browser in (admin, Client()):
        answer = browser.get(path, headers={"Accept": accept})
        assert answer.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("format", ["json", "csv"])
def test_reads_of_programs_allow_nothing_and_keep_caching(api, ana, format):
    store_days(ana, [days_ago(0)])
    for _ in range(2):
        answer = api.get("sleep", format=format)
        assert answer.headers["Content-Security-Policy"] == NOTHING
        assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/myhealth", "/static/admin/"])
def test_folders_of_files_are_not_listed(path):
    assert Client().get(path).status_code == 404


def test_message_needs_no_cookie_of_its_own(signed_in):
    answer = signed_in.post("/account/preferences/", PREFERENCES)
    assert set(answer.cookies) <= {"sessionid", "csrftoken"}
    assert "Saved." in signed_in.get("/account/").content.decode()


@pytest.mark.parametrize("path", ["/accounts/logout/", "/admin/logout/"])
def test_signing_out_clears_cache(admin, path):
    assert admin.post(path).headers["Clear-Site-Data"] == '"cache"'


def test_other_pages_keep_cache(signed_in):
    assert "Clear-Site-Data" not in signed_in.get("/").headers


def test_account_page_may_lead_to_oura(signed_in, at_oura):
    assert directives(signed_in.get("/account/"))["form-action"] == f"'self' {at_oura.url}"


def test_account_page_without_application_leads_nowhere_else(signed_in, settings):
    settings.OURA_CLIENT_ID = ""
    assert directives(signed_in.get("/account/"))["form-action"] == "'self'"


@pytest.mark.parametrize(
    ("address", "origins"),
    [
        ("https://oura.example:8443/authorize?x=1", "https://oura.example:8443"),
        ("https://moi.ouraring.com/a", "https://moi.ouraring.com https://*.ouraring.com"),
        ("https://oura.example; script-src *", ""),
    ],
)
def test_account_page_may_lead_to_origin_alone(signed_in, at_oura, settings, address, origins):
    settings.OURA_AUTHORIZE_URL = address
    assert directives(signed_in.get("/account/"))["form-action"] == f"'self' {origins}".strip()


def test_account_page_does_not_wait_for_oura(signed_in, at_oura, settings, monkeypatch):
    send = HTTPAdapter.send
    # Nothing but the page ends its wait.
    patient = lambda *given, **more: send(*given, **{**more, "timeout": PATIENCE})  # noqa: E731
    monkeypatch.setattr(HTTPAdapter, "send", patient)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings.OURA_OAUTH_DISCOVERY_URL = f"{url}/discovery"
        start = time.monotonic()
        answer = signed_in.get("/account/")
        assert time.monotonic() - start < PATIENCE / 2
    assert f"https://moi.ouraring.com {url}" in directives(answer)["form-action"]


# As a proxy tells.
BY_HTTP = {"X-Forwarded-Proto": "http"}


@pytest.fixture
def behind_tls(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]


@pytest.mark.parametrize("path", ["/auth/login", "/api/v1/sleep", "/api/docs/", "/api/nothing"])
def test_api_by_http_is_refused(behind_tls, path):
    answer = Client().post(path, "{}", content_type="application/json", headers=BY_HTTP)
    assert (answer.status_code, answer.json()["code"]) == (403, "https_required")
    assert "Strict-Transport-Security" not in answer.headers


def test_pages_by_http_are_redirected(behind_tls):
    answer = Client().get("/account/", headers=BY_HTTP)
    assert answer.headers["Location"] == "https://testserver/account/"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("POST", "/health", 411),
        ("BREW", "/account/", 405),
        ("GET", "/api/v1/sleep", 403),
        ("GET", "/account/", 301),
    ],
)
def test_every_answer_forbids_frames_and_guessed_types(behind_tls, method, path, status):
    answer = Client().generic(method, path, headers=BY_HTTP)
    assert answer.status_code == status
    assert directives(answer)["frame-ancestors"] == "'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_api_by_https_is_answered_with_hsts(behind_tls):
    https = {"X-Forwarded-Proto": "https"}
    answer = Client().get("/api/v1/sleep", headers=https, REMOTE_ADDR="10.0.0.9")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["Strict-Transport-Security"] == "max-age=60"
