"""Health, metrics, request ids, logs: what operators rely on."""

import json
import logging
from ipaddress import ip_network

import pytest
from django.test import Client

from myhealth import logs


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    return Client()


def test_health_asks_no_database(client):
    # Without the db mark, a query would fail this test.
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_when_the_database_is_reachable_and_migrated(client):
    assert client.get("/health/ready").status_code == 200


def test_a_given_request_id_is_returned(client):
    answer = client.get("/health", headers={"X-Request-ID": "abc-1.2_3"})
    assert answer.headers["X-Request-ID"] == "abc-1.2_3"


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 65, "<script>", "ä"])
def test_a_strange_request_id_is_replaced(client, given):
    made = client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert len(made) == 32


@pytest.mark.django_db
def test_metrics_count_requests_by_route_not_by_path(client):
    client.get("/api/v1/metrics/sleep?user=ana")
    text = client.get("/metrics").content.decode()
    assert 'endpoint="/api/v1/metrics/<str:type_>"' in text
    assert "ana" not in text


@pytest.mark.django_db
def test_metrics_need_their_token_where_one_is_set(client, settings):
    settings.METRICS_TOKEN = "a-metrics-token"
    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-metrics-token"})
    assert answer.status_code == 200


def test_an_unknown_route_has_the_shape_of_every_error(client):
    answer = client.get("/nothing")
    assert (answer.status_code, set(answer.json())) == (404, {"detail", "code", "errors"})


def line(capsys, **extra):
    """What a log record becomes, by the formatter of the real configuration."""
    config = logs.logging_config(level="info", style="json")
    formatter = config["formatters"]["structured"]
    made = formatter["()"](
        foreign_pre_chain=formatter["foreign_pre_chain"], processors=formatter["processors"]
    )
    record = logging.makeLogRecord(
        {"name": "some.logger", "levelno": 20, "levelname": "INFO", "msg": "hello", **extra}
    )
    return json.loads(made.format(record))


def test_a_log_line_begins_with_the_contracts_fields(capsys):
    assert list(line(capsys))[:6] == [
        "time",
        "level",
        "service",
        "logger",
        "message",
        "request_id",
    ]


@pytest.mark.parametrize("secret", ["Bearer abcdefghijkl", "mh_abcdefghijkl", "eyJhbGciOiJI.eyJz"])
def test_what_looks_like_a_token_is_hidden_in_a_log_line(capsys, secret):
    assert secret not in json.dumps(line(capsys, msg=f"header {secret} sent"))


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics"])
def test_probes_are_answered_whatever_name_the_process_is_asked_by(client, path):
    assert client.get(path, headers={"Host": "10.1.2.3:8001"}).status_code == 200
    assert client.get("/nothing", headers={"Host": "10.1.2.3:8001"}).status_code == 400


def test_probes_are_only_read(client):
    answer = client.post("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_metrics_without_a_token_are_for_neighbours_only(client):
    assert client.get("/metrics", headers={"X-Forwarded-For": "8.8.8.8"}).status_code == 401
    assert client.get("/metrics", REMOTE_ADDR="8.8.8.8").status_code == 401


@pytest.fixture
def behind_tls(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    settings.ROOT_URLCONF = "myhealth.urls.processor"


def test_a_trusted_proxys_word_on_https_is_believed(behind_tls):
    answer = Client().get("/x", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR="10.0.0.9")
    assert answer.status_code == 404


def test_an_unknown_proxy_is_told_instead_of_redirected_for_ever(behind_tls):
    answer = Client().get("/x", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR="9.9.9.9")
    assert (answer.status_code, answer.json()["code"]) == (421, "untrusted_proxy")


def test_plain_http_is_redirected_to_https(behind_tls):
    assert Client().get("/x").headers["Location"].startswith("https://")


def test_a_failed_request_is_logged_without_its_path():
    record = logging.makeLogRecord({"msg": "%s: %s", "args": ("Oops", "/api/v1/people/ana")})
    record.exc_info = (ValueError, ValueError("x"), None)
    assert logs.UnhandledErrorFilter().filter(record)
    assert record.getMessage() == "unhandled error"
