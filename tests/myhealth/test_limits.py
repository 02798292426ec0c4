"""Limits that hold before anybody knows who sent a request."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Timer

import orjson
import pytest
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from ingest.parsers import EnvelopeParser
from ingest.views import IngestView
from myhealth.limits import Busy, CountedStream, WaitingThreads, waiting_threads
from myhealth.parsers import ObjectParser
from tests.processes import wait_until

pytestmark = pytest.mark.django_db
_FORMS = ["/accounts/login/", "/admin/login/", "/account/", "/connect/oura/", "/accounts/logout/"]
_TOKENS = ["/auth/login", "/auth/refresh", "/auth/logout"]
_JSON = "application/json"
_MANY = b'{"data": []' + b" " * 5_000_000 + b"}"
_LARGE = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def processor(settings, client):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {settings.INGEST_TOKENS[0]}"
    return client


@pytest.fixture
def busy():
    """As many threads wait for clients of one network as may."""
    added = fill(waiting_threads, "192.0.2.1")
    yield
    for _ in range(added):
        waiting_threads.remove("192.0.2.1")


# Bodies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*_FORMS, *_TOKENS])
def test_body_over_16_kib_is_refused_unread(client, path):
    answer = client.generic("POST", path, b"", _JSON, CONTENT_LENGTH=str(16 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "16 KiB" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/reports", "/api/v1/runs"])
def test_report_over_256_kib_is_refused(processor, path):
    answer = processor.generic("POST", path, b"", _JSON, CONTENT_LENGTH=str(256 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_ingest_takes_ten_mebibytes(processor):
    body = b'{"data": []' + b" " * (10 * 1024 * 1024 - 12) + b"}"
    answer = processor.post("/api/v1/ingest", body, _JSON)
    assert list(answer.json()["errors"]) == ["type"]


def test_ingest_over_ten_mebibytes_is_refused(processor):
    answer = processor.generic("POST", "/api/v1/ingest", b"", _JSON, CONTENT_LENGTH="10485761")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "10 MiB" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/health", *_FORMS, *_TOKENS])
def test_chunked_body_needs_a_length(client, path):
    answer = client.generic("POST", path, headers={"Transfer-Encoding": "chunked"})
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_post_without_length_is_refused(client):
    assert client.generic("POST", "/auth/login").status_code == 411


@pytest.mark.parametrize("path", ["/auth/login", "/api/v1/sleep", "/nothing", "/health"])
@pytest.mark.parametrize(
    "length", ["many", "-1", "1.5", "+5", "²", "9" * 5000, "0" * 20 + "10485760", "0" * 4400 + "2"]
)
def test_odd_length_is_refused(client, path, length):
    answer = client.generic("POST", path, b"{}", _JSON, CONTENT_LENGTH=length)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_one_large_body_is_handled_at_a_time(processor, monkeypatch):
    meanwhile = []

    class Parser(EnvelopeParser):
        def read(self, stream, request):
            if not meanwhile:
                meanwhile.append(None)
                meanwhile[0] = processor.post("/api/v1/ingest", _MANY, _JSON)
            return super().read(stream, request)

    monkeypatch.setattr(IngestView, "parser_classes", [Parser])
    for _ in range(2):
        meanwhile.clear()
        assert list(processor.post("/api/v1/ingest", _MANY, _JSON).json()["errors"]) == ["type"]
        assert (meanwhile[0].status_code, meanwhile[0]["Retry-After"]) == (503, "1")


def test_file_is_not_stored(client, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    upload = {"username": "ana", "file": SimpleUploadedFile("a.txt", b"x" * 8_000)}
    assert client.post("/accounts/login/", upload).status_code == 200
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [b"[" + b"{}," * 5_000 + b"{}]", b'{"a": [1, 2, 3]}', b"[[1]]"])
def test_lists_and_objects_of_strangers_are_not_built(client, value):
    answer = client.post("/auth/login", b'{"username": "a", "password": ' + value + b"}", _JSON)
    assert answer.json()["errors"] == {"password": ["Not a valid string."]}


def test_long_list_in_a_field_of_a_report_is_refused(processor, ana):
    ranges = '{"start": "2026-03-01", "end": "2026-03-01"},' * 5_000
    body = f'{{"type": "sleep", "kind": "status", "user": "ana", "ranges": [{ranges[:-1]}]}}'
    answer = processor.post("/api/v1/reports", body, _JSON)
    assert list(answer.json()["errors"]) == ["ranges"]


@pytest.mark.parametrize("count", [5_001, 20_000, 3_000_000])
def test_too_many_documents_are_refused(processor, count):
    body = b'{"type": "sleep", "user": "ana", "data": [' + b"{}," * (count - 1) + b"{}]}"
    errors = processor.post("/api/v1/ingest", body, _JSON).json()["errors"]
    assert errors == {"data": ["It has more than 5000 documents; send them in parts."]}


@pytest.mark.parametrize("count", [101, 100_000])
def test_too_many_fields_are_refused(processor, count):
    body = orjson.dumps({f"field-{number}": 0 for number in range(count)})
    answer = processor.post("/api/v1/ingest", body, _JSON)
    assert (answer.status_code, len(answer.content) < 1_000) == (400, True)


def test_few_of_many_unknown_fields_are_named(processor):
    body = orjson.dumps({f"field-{number}": 0 for number in range(100)})
    assert len(processor.post("/api/v1/ingest", body, _JSON).json()["errors"]) == 20


def test_few_of_many_unknown_parameters_are_named(signed_in):
    answer = signed_in.get("/api/v1/sleep?" + "&".join(f"p{number}=1" for number in range(90)))
    assert len(answer.json()["errors"]) == 20


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "null"])
def test_body_that_is_no_object_is_refused(client, body):
    assert list(client.post("/auth/login", body, _JSON).json()["errors"]) == ["body"]


@pytest.mark.parametrize("body", ["{", '{"username": NaN}', '{"username": "\\ud800"}', "{}}"])
def test_malformed_body_is_400(client, body):
    assert client.post("/auth/login", body, _JSON).json()["code"] == "parse_error"


def test_no_field_is_nested_by_default():
    assert ObjectParser.nested == {}


# Headers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/r/" + "/" * 600 + "x", "/" + "a" * 600, "/static/" * 90])
def test_long_path_is_refused(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (414, "path_too_long")


def test_longest_user_name_fits_into_a_path(processor, settings):
    processor.defaults["HTTP_AUTHORIZATION"] = f"Bearer {settings.CONTROL_TOKENS[0]}"
    assert processor.delete(f"/api/v1/people/{'a' * 150}").status_code == 400


def test_endless_content_type_is_none(client):
    content_type = "application/json" + ";a=b" * 100
    assert client.post("/auth/login", "{}", content_type).status_code == 415


# Threads ------------------------------------------------------------------------------------------


def fill(waiting, network):
    """Add threads of a network until there is no place, and return how many."""
    for number in count():
        try:
            waiting.add(network)
        except Busy:
            return number


def test_one_network_has_half_of_the_places():
    assert fill(WaitingThreads(8), "192.0.2.1") == 4


def test_few_networks_leave_places_to_others():
    waiting = WaitingThreads(8)
    assert [fill(waiting, network) for network in "abcde"] == [4, 2, 1, 1, 0]


def test_waits_for_a_place_within_its_patience():
    waiting = WaitingThreads(4)
    fill(waiting, "a")
    Timer(0.01, waiting.remove, ["a"]).start()
    waiting.add("a", patience=30)


def test_waits_no_longer_than_its_patience():
    waiting = WaitingThreads(4)
    fill(waiting, "a")
    with pytest.raises(Busy):
        waiting.add("a", patience=0.01)


def test_few_wait_for_a_place():
    waiting = WaitingThreads(2)
    fill(waiting, "a")
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(waiting.add, "a", 30)
        wait_until(lambda: waiting.patient == 1)
        with pytest.raises(Busy):
            waiting.add("a", patience=30)
        waiting.remove("a")
        patient.result()


def test_thread_that_waits_no_longer_is_free():
    waiting = WaitingThreads(2)
    waiting.add("192.0.2.1")
    waiting.remove("192.0.2.1")
    waiting.add("192.0.2.2")


@pytest.mark.parametrize("path", _TOKENS)
def test_body_gets_503_while_too_many_wait(busy, client, path):
    answer = client.post(path, "{}", _JSON, REMOTE_ADDR="192.0.2.1")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer.json()["code"] == "busy"


def test_program_gets_503_while_too_many_wait(processor, settings):
    networks = [object() for _ in range(settings.THREADS // 2)]
    for network in networks:
        waiting_threads.add(network)
    answer = processor.post("/api/v1/ingest", "{}", _JSON)
    for network in networks:
        waiting_threads.remove(network)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


def test_programs_share_no_limit_of_their_network(busy, processor):
    answer = processor.post("/api/v1/ingest", "{}", _JSON, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == 400


def test_stranger_is_refused_before_the_body(busy, processor):
    del processor.defaults["HTTP_AUTHORIZATION"]
    answer = processor.post("/api/v1/ingest", "{}", _JSON, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == 401


def test_reads_go_on_while_others_wait(busy, client):
    assert client.get("/accounts/login/", REMOTE_ADDR="192.0.2.1").status_code == 200


def test_busy_server_asks_people_to_try_again(busy, client):
    form = {"username": "ana", "password": "wrong"}
    accept = {"Accept": "text/html"}
    answer = client.post("/accounts/login/", form, REMOTE_ADDR="192.0.2.1", headers=accept)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "Load this page again" in answer.content.decode()


def test_other_network_is_served_meanwhile(busy, client):
    answer = client.post("/auth/login", "{}", _JSON, REMOTE_ADDR="192.0.2.2")
    assert answer.status_code == 400


@pytest.mark.parametrize("path", _TOKENS)
def test_read_body_frees_its_thread(client, path):
    for _ in range(20):
        assert client.post(path, "{}", _JSON).status_code == 400


# Static files -------------------------------------------------------------------------------------


def test_small_file_is_sent_at_once(client):
    answer = client.get("/static/myhealth/style.css")
    assert (answer.status_code, answer.streaming) == (200, False)


def test_large_file_is_whole(client):
    answer = client.get(f"/static/{_LARGE}")
    with Path(finders.find(_LARGE)).open("rb") as file:
        assert answer.getvalue() == file.read()


def test_large_file_needs_a_free_thread(busy, client):
    answer = client.get(f"/static/{_LARGE}", REMOTE_ADDR="192.0.2.1")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


def test_part_of_a_large_file_is_the_whole(client):
    answer = client.get(f"/static/{_LARGE}", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.streaming) == (200, True)
    answer.close()


def test_sent_file_frees_its_thread(client):
    for _ in range(20):
        answer = client.get(f"/static/{_LARGE}")
        assert answer.status_code == 200
        answer.close()


def test_stream_closed_twice_frees_one_thread(settings):
    stream = CountedStream(iter([b"a"]), "a network")
    stream.close()
    stream.close()
    places = fill(waiting_threads, "a network")
    for _ in range(places):
        waiting_threads.remove("a network")
    assert places == fill(WaitingThreads(settings.THREADS // 2), "a network")


# Methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api/v1/sleep", "/static/x.css"])
@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "M" * 2_000])
def test_unknown_method_is_405_with_allow(client, path, method):
    answer = client.generic(method, path)
    assert answer.status_code == 405
    assert "GET" in answer["Allow"].split(", ")


def test_unknown_methods_share_one_label(client):
    for number in range(5):
        client.generic(f"M{number}", "/")
    text = client.get("/metrics").content.decode()
    assert 'method="other"' in text
    assert 'method="M' not in text


# Metrics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "health.example.org", "a."])
def test_metrics_without_token_are_not_public(client, host):
    assert client.get("/metrics", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize("host", ["localhost:8000", "10.1.2.3:8001", "[fd00::1]:8001", "processor"])
def test_metrics_are_scraped_by_address_or_plain_name(client, host):
    assert client.get("/metrics", headers={"Host": host}).status_code == 200


# Documents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_openapi_document_is_made_once(client, monkeypatch, accept):
    first = client.get("/api/schema/", headers={"Accept": accept})
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    assert client.get("/api/schema/", headers={"Accept": accept}).content == first.content
