"""Health checks, metrics, request ids and logs."""

import io
import json
import logging
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.db import DataError
from django.test import Client
from django.urls import path as route

from myhealth import __version__, logs
from myhealth.exception_handler import exception_handler
from myhealth.requests import RequestMiddleware
from myhealth.urls.common import handler500


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    return Client()


def test_health_needs_no_database(client):
    # Without the db mark, a query would fail this test.
    assert client.get("/health").json() == {"status": "ok", "version": __version__}


@pytest.mark.django_db
def test_ready_if_database_is_migrated(client):
    assert client.get("/health/ready").status_code == 200


def test_request_id_of_client_is_returned(client):
    answer = client.get("/health", headers={"X-Request-ID": "abc-1.2_3"})
    assert answer.headers["X-Request-ID"] == "abc-1.2_3"


@pytest.mark.parametrize("request_id", ["", "a b", "a\tb", "x" * 65, "<script>", "ä"])
def test_invalid_request_id_is_replaced(client, request_id):
    replaced = client.get("/health", headers={"X-Request-ID": request_id}).headers["X-Request-ID"]
    assert len(replaced) == 32


@pytest.mark.django_db
def test_metrics_count_requests_by_route(client):
    client.get("/api/v1/metrics/sleep?user=ana")
    text = client.get("/metrics").content.decode()
    assert 'endpoint="/api/v1/metrics/<str:type_>"' in text
    assert "ana" not in text


@pytest.mark.django_db
def test_metrics_require_token_if_set(client, settings):
    settings.METRICS_TOKEN = "a-metrics-token"
    assert client.get("/metrics").status_code == 401
    for scheme in ("Bearer ", "bearer  "):
        answer = client.get("/metrics", headers={"Authorization": f"{scheme}a-metrics-token"})
        assert answer.status_code == 200


def test_unknown_route_has_common_error_format(client):
    answer = client.get("/nothing")
    assert (answer.status_code, set(answer.json())) == (404, {"detail", "code", "errors"})


def format_record(**extra):
    """Return the fields of a log line, as the real configuration formats it."""
    config = logs.logging_config(level="info", style="json")
    options = config["formatters"]["structured"]
    formatter = options.pop("()")(**options)
    record = logging.makeLogRecord(
        {"name": "some.logger", "levelno": 20, "levelname": "INFO", "msg": "hello", **extra}
    )
    return json.loads(formatter.format(record))


def test_log_line_starts_with_common_fields():
    assert list(format_record())[:6] == [
        "time",
        "level",
        "service",
        "logger",
        "message",
        "request_id",
    ]


@pytest.mark.parametrize("secret", ["Bearer abcdefghijkl", "mh_abcdefghijkl", "eyJhbGciOiJI.eyJz"])
def test_tokens_are_hidden_in_log_lines(secret):
    assert secret not in json.dumps(format_record(msg=f"header {secret} sent"))


@pytest.mark.parametrize("value", ["half a pair \ud800", 2**70, {1: object()}])
def test_log_line_holds_what_json_hardly_can(value):
    assert "value" in format_record(value=value)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics"])
def test_probes_ignore_host_name(client, path):
    assert client.get(path, headers={"Host": "10.1.2.3:8001"}).status_code == 200
    assert client.get("/nothing", headers={"Host": "10.1.2.3:8001"}).status_code == 400


def test_probes_allow_only_get_and_head(client):
    answer = client.post("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_metrics_without_token_need_private_address(client):
    assert client.get("/metrics", headers={"X-Forwarded-For": "8.8.8.8"}).status_code == 401
    assert client.get("/metrics", REMOTE_ADDR="8.8.8.8").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("::1", 200),
        ("fd00::2", 200),
        ("::ffff:10.0.0.9", 200),
        ("::ffff:8.8.8.8", 401),
        ("2001:4860:4860::8888", 401),
    ],
)
def test_metrics_know_private_addresses_of_both_kinds(client, address, status):
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == status


@pytest.fixture
def behind_tls(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    settings.ROOT_URLCONF = "myhealth.urls.processor"


@pytest.mark.parametrize("address", ["10.0.0.9", "::ffff:10.0.0.9"])
def test_forwarded_proto_of_trusted_proxy_counts(behind_tls, address):
    answer = Client().get("/x", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR=address)
    assert answer.status_code == 404


def test_untrusted_proxy_is_reported_instead_of_redirected(behind_tls):
    answer = Client().get("/x", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR="9.9.9.9")
    assert (answer.status_code, answer.json()["code"]) == (421, "untrusted_proxy")


def test_http_is_redirected_to_https(behind_tls):
    answer = Client().get("/x", headers={"X-Forwarded-Proto": "http"})
    assert answer.headers["Location"].startswith("https://")


def by_proxy(headers, address="10.0.0.9"):
    return Client().get("/x", headers=headers, REMOTE_ADDR=address)


@pytest.mark.parametrize("value", ["HTTPS", "https,http", "https, https", " wss ", "Https"])
def test_https_is_understood_however_proxies_spell_it(behind_tls, value):
    assert by_proxy({"X-Forwarded-Proto": value}).status_code == 404


@pytest.mark.parametrize("value", ["http", "HTTP", "ws", "http,https"])
def test_http_is_understood_however_proxies_spell_it(behind_tls, value):
    assert by_proxy({"X-Forwarded-Proto": value}).status_code == 301


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_program_of_this_machine_needs_no_tunnel(behind_tls, settings, host):
    settings.LOCAL, settings.ALLOWED_HOSTS = True, ["localhost", "127.0.0.1", "[::1]"]
    assert Client().get("/api/x", headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    ("local", "path", "headers", "address"),
    [
        (False, "/api/x", {}, "127.0.0.1"),
        (True, "/x", {}, "127.0.0.1"),
        (True, "/api/x", {}, "10.0.0.9"),
        (True, "/api/x", {"Host": "health.example"}, "127.0.0.1"),
    ],
)
def test_all_others_need_a_proxy(behind_tls, settings, local, path, headers, address):
    settings.LOCAL, settings.ALLOWED_HOSTS = local, ["localhost", "health.example"]
    answer = Client().get(path, headers={"Host": "localhost"} | headers, REMOTE_ADDR=address)
    assert answer.status_code == 421


@pytest.mark.parametrize(("host", "status"), [("health.example", 421), ("localhost", 301)])
def test_browser_that_came_by_https_is_not_redirected(behind_tls, settings, host, status):
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://health.example:8443", [host]
    headers = {"Host": host, "X-Forwarded-Proto": "http", "Sec-Fetch-Site": "none"}
    assert by_proxy(headers).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Forwarded-Proto": ""},
        {"X-Forwarded-Proto": "on"},
        {"X-Forwarded-Ssl": "on"},
        {"X-Forwarded-Scheme": "https"},
        {"Forwarded": "proto=https"},
    ],
)
def test_proxy_that_names_no_scheme_is_told(log, behind_tls, headers):
    answer = by_proxy(headers)
    assert (answer.status_code, answer.json()["code"]) == (421, "forwarded_proto_missing")
    assert "must send the header X-Forwarded-Proto" in answer.json()["detail"]
    [line] = [each for each in log() if each["level"] == "error"]
    assert "X-Forwarded-Proto" in line["message"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/x", {}, 421), ("/x", {"Host": "elsewhere.example"}, 400)],
)
def test_browser_reads_why_it_is_refused(behind_tls, path, headers, status):
    page = by_proxy({"Accept": "text/html,*/*;q=0.8", **headers})
    assert (page.status_code, page.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert "ALLOWED_HOSTS" in page.text or "X-Forwarded-Proto" in page.text
    assert "elsewhere" not in page.text


@pytest.mark.parametrize("status", [421, 400])
def test_api_says_in_json_why_it_refuses(behind_tls, status):
    headers = {"Accept": "text/html", **({"Host": "elsewhere.example"} if status == 400 else {})}
    answer = Client().get("/api/v1/sleep", headers=headers, REMOTE_ADDR="10.0.0.9")
    assert (answer.status_code, answer.json()["errors"]) == (status, {})


@pytest.mark.parametrize(
    ("local", "address", "status"),
    [(True, "127.0.0.1", 404), (True, "::1", 404), (True, "9.9.9.9", 421), (False, "::1", 421)],
)
def test_tunnel_on_this_machine_names_the_scheme(behind_tls, settings, local, address, status):
    settings.LOCAL = local
    assert by_proxy({"X-Forwarded-Proto": "https"}, address).status_code == status


def test_failed_request_is_logged_without_path():
    record = logging.makeLogRecord(
        {"msg": "%s: %s", "args": ("Oops", "/api/v1/people/ana"), "name": "django.request"}
    )
    record.exc_info = (ValueError, ValueError("x"), None)
    assert logs.DjangoFilter().filter(record)
    assert record.getMessage() == "unhandled error"


MARK = "ZQMARKERZQ"


def crash(request):
    raise ValueError(MARK)


# This module is a URLConf, too.
urlpatterns = [route("crash", crash)]
__all__ = ["handler500", "urlpatterns"]


def test_error_says_nothing_of_its_cause(settings):
    settings.ROOT_URLCONF = __name__
    answer = Client(raise_request_exception=False).get("/crash")
    body = {"detail": "Something went wrong on the server.", "code": "error", "errors": {}}
    assert (answer.status_code, answer.json()) == (500, body)


@pytest.fixture(params=["debug"])
def log(request):
    """Log as a service does, and return what it wrote."""
    written = io.StringIO()
    config = logs.logging_config(level=request.param, style="json")
    for handler in config["handlers"].values():
        handler["stream"] = written
    logs.configure(config)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logs.configure(settings.LOGGING)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Host": f"{MARK}-host"}),
        ("/account/", {"Host": f"{MARK}.example:8000"}),
        (f"/{MARK}", {}),
        (f"/static/{MARK}", {}),
        (f"/?{MARK}={MARK}", {}),
        ("/", {"Cookie": f"sessionid={MARK}; messages={MARK}; csrftoken={MARK}"}),
        ("/api/v1/sleep", {"Authorization": f"Bearer {MARK}"}),
        ("/api/v1/sleep", {"Accept": MARK, "User-Agent": MARK, "Referer": MARK, "Origin": MARK}),
        (f"/api/v1/sleep?start={MARK}", {}),
        (f"/api/v1/days/{MARK}", {}),
        (f"/admin/ingest/run/?_to_field={MARK}", {}),
        (f"/admin/ingest/run/?_popup=1&_to_field={MARK}%00", {}),
        (f"/admin/ingest/run/?{MARK}__contains=1", {}),
        (f"/admin/ingest/run/?user__password__startswith={MARK}", {}),
        (f"/admin/ingest/run/?q={MARK}%00&o={MARK}&p={MARK}", {}),
        (f"/admin/ingest/run/{MARK}%00/change/?_to_field={MARK}", {}),
        (f"/connect/oura/callback?state={MARK}&code={MARK}&error={MARK}", {}),
    ],
)
def test_what_strangers_send_is_not_logged(log, admin, path, headers):
    admin.raise_request_exception = False
    for method in ("GET", "POST"):
        admin.generic(method, path, MARK, "application/json", headers=headers)
    lines = log()
    assert [each["message"] for each in lines].count("request") == 2
    assert MARK.lower() not in json.dumps(lines).lower()


@pytest.mark.django_db
def test_refused_form_is_not_quoted_in_log(log, ana):
    for path in ("/accounts/login/", "/admin/login/"):
        browser = Client(enforce_csrf_checks=True)
        browser.post(
            path, {"username": MARK, "csrfmiddlewaretoken": MARK}, headers={"Referer": MARK}
        )
        Client().post(path, {"username": MARK, "password": MARK, "next": MARK})
    lines = log()
    assert [each["message"] for each in lines].count("request refused") == 2
    assert MARK not in json.dumps(lines)


def test_refused_host_is_a_warning_that_names_the_setting(log, client):
    client.get("/x", headers={"Host": MARK, "X-Request-ID": "a-request"})
    [line] = [each for each in log() if each["level"] == "warning"]
    assert "ALLOWED_HOSTS" in line["message"]
    assert (line["request_id"], "exception" in line) == ("a-request", False)


@pytest.mark.parametrize("log", ["error"], indirect=True)
def test_refused_host_is_no_error(log, client):
    client.get("/x", headers={"Host": MARK})
    assert log() == []


IMPOSSIBLE = [DataError("x"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")]


@pytest.mark.parametrize("error", IMPOSSIBLE)
def test_what_database_cannot_take_is_400_of_api(error):
    assert exception_handler(error, {}).status_code == 400


@pytest.mark.parametrize("error", IMPOSSIBLE)
def test_what_database_cannot_take_is_400_of_pages(rf, error):
    middleware = RequestMiddleware(lambda request: None)
    assert middleware.process_exception(rf.get("/"), error).status_code == 400
