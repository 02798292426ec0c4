"""Bodies that strangers send: large, endless, unfinished, or files."""

import contextlib
import socket

import orjson
import pytest

from tests.attacks.attacking import INGEST, ORIGIN, at_once, head, in_turn
from tests.scale import full_only, scaled
from tests.worlds import PASSWORDS

JSON = {"Content_Type": "application/json"}
SIGN_IN = ("/auth/login", "/auth/refresh", "/auth/logout")
PAGES = ("/accounts/login/", "/admin/login/", "/account/")
PROGRAMS = ("/api/v1/reports", "/api/v1/runs")
KIB = 1024
CONNECTIONS = 64


def many_objects(size):
    """Return JSON that takes much more memory as Python's objects."""
    return b"[" + b"{}," * ((size - 3) // 3) + b"{}]"


MEGABYTE = many_objects(1_000_000)


@pytest.fixture(params=scaled(["/auth/login", "/api/v1/runs"], [*SIGN_IN, *PROGRAMS]))
def route(request, api, processor):
    """A route that takes JSON: its service, path and credentials."""
    is_program = request.param in PROGRAMS
    service = processor if is_program else api
    return service, request.param, {**JSON, **(INGEST if is_program else {})}


# Large bodies -------------------------------------------------------------------------------------


def test_megabytes_of_objects_are_refused_unread(route, watch):
    service, path, headers = route
    with watch:
        answers = in_turn(scaled(40, 120), lambda _: service.ask("POST", path, MEGABYTE, **headers))
        watch.wait_for_samples(8)
    assert {answer.status for answer in answers} == {413}
    assert answers[0].json()["code"] == "too_large"
    watch.assert_held()


def test_bodies_just_under_the_limit_cost_little(route, watch):
    service, path, headers = route
    body = many_objects((256 if path in PROGRAMS else 16) * KIB - 8)
    with watch:
        answers = in_turn(scaled(40, 120), lambda _: service.ask("POST", path, body, **headers))
        watch.wait_for_samples(8)
    assert {answer.status for answer in answers} <= {400, 503}
    watch.assert_held()


def test_body_above_the_limit_is_refused_before_it_comes(route):
    service, path, headers = route
    limit = (256 if path in PROGRAMS else 16) * KIB
    began = head("POST", path, **headers, Content_Length=str(limit + 1))
    assert service.status_of(began) == 413


def test_body_of_ten_mebibytes_is_refused_before_it_comes(route, watch):
    service, path, headers = route
    began = head("POST", path, **headers, Content_Length=str(10 * KIB**2))
    with watch:
        statuses = at_once(16, lambda _: service.status_of(began + b"[" * KIB))
        watch.wait_for_samples(8)
    assert set(statuses) == {413}
    watch.assert_held()


def test_ingest_of_large_bodies_keeps_processor_small(processor, watch):
    document = {"type": "sleep", "user": "ana", "data": [{"id": "a", "day": "2026-03-01"}]}
    body = orjson.dumps(document | {"data": orjson.Fragment(many_objects(10 * KIB**2 - 200))})
    with watch:
        answers = in_turn(
            scaled(4, 12),
            lambda _: processor.ask("POST", "/api/v1/ingest", body, timeout=60, **JSON, **INGEST),
        )
        watch.wait_for_samples(8)
    assert {answer.status for answer in answers} <= {400, 503}
    # Four at once are in memory, of the size that programs may send.
    watch.assert_held(most_bytes=450_000_000)


def test_stranger_sends_processor_nothing(processor, watch):
    began = head("POST", "/api/v1/ingest", **JSON, Content_Length=str(9 * KIB**2))
    with watch:
        statuses = at_once(CONNECTIONS, lambda _: processor.status_of(began + b"[" * KIB))
        watch.wait_for_samples(8)
    assert set(statuses) <= {401, 503}
    watch.assert_held()


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_file_is_refused_and_never_on_disk(path, api, watch):
    boundary = "----a-boundary"
    part = 'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    size = scaled(10, 50) * KIB**2
    body = f"--{boundary}\r\n{part}".encode() + b"x" * size + f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content_Type": f"multipart/form-data; boundary={boundary}",
        "Cookie": "; ".join(f"{name}={'a' * 32}" for name in ("csrftoken", "__Host-csrftoken")),
        "Referer": f"{ORIGIN}/",
    }
    with watch:
        answers = in_turn(4, lambda _: api.ask("POST", path, body, timeout=60, **headers))
        watch.wait_for_samples(8)
    assert watch.uploaded < 100_000, f"{watch.uploaded} bytes in temporary files"
    assert {answer.status for answer in answers} == {413}
    watch.assert_held()


def test_small_file_is_never_on_disk(api, watch):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
        + b"x" * 8000
        + b"\r\n--b--\r\n"
    )
    headers = {"Content_Type": "multipart/form-data; boundary=b", "Referer": f"{ORIGIN}/"}
    with watch:
        answers = in_turn(8, lambda _: api.ask("POST", "/accounts/login/", body, **headers))
        watch.wait_for_samples(8)
    assert all(400 <= answer.status < 500 for answer in answers)
    watch.assert_held()


def test_length_with_leading_zeros_is_refused(route, watch):
    service, path, headers = route
    with watch:
        for digits in (20, 4400):
            length = "0" * digits + "10485760"
            sent = head("POST", path, **{**headers, "Content_Length": length})
            answers = in_turn(20, lambda _, sent=sent: service.status_of(sent + MEGABYTE))
            assert set(answers) <= {400, None}
        watch.wait_for_samples(8)
    watch.assert_held()


def test_body_that_was_cut_off_is_refused(route):
    service, path, headers = route
    sent = head("POST", path, **headers, Content_Length="1000")
    with service.connect(sent + b"{}") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


# Long first lines and headers -------------------------------------------------------------------

LONG = {
    "path with many parts": {"path": "/admin/r/" + "/" * 14_000 + "x"},
    "path of the longest length": {"path": "/admin/r/" + "/" * 490 + "x"},
    "escaped cookies": {"Cookie": 'a="' + "\\0" * 4_000 + '"'},
    "many cookies": {"Cookie": "a=b;" * 3_500},
    "content type": {"Content_Type": "text/html" + ";a=b" * 3_500},
    "accept": {"Accept": "text/html;q=0.1," * 900},
    "languages": {"Accept_Language": "a-b;q=0.1," * 1_400},
    "addresses": {"X_Forwarded_For": "::1," * 3_500},
    "etags": {"If_None_Match": '"a",' * 3_500},
    "token": {"Authorization": "Bearer " + "a." * 7_000},
    "parameters": {"path": "/api/v1/sleep?" + "a=b&" * 3_500},
}


@pytest.mark.parametrize("name", scaled([*LONG][1:5], LONG))
def test_long_requests_hold_nobody_up(name, api, watch):
    headers = dict(LONG[name])
    sent = head("GET", headers.pop("path", "/accounts/login/"), **headers)
    with watch:
        answers = in_turn(scaled(40, 200), lambda _: api.status_of(sent, 10), threads=16)
        watch.wait_for_samples(8)
    assert not {500, None} & set(answers)
    watch.assert_held()


# Unfinished requests ------------------------------------------------------------------------------


@contextlib.contextmanager
def held_open(service, sent, count=CONNECTIONS, **options):
    """Connections that stay open, with nothing more sent and nothing read."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(service.connect(sent, **options)) for _ in range(count)]


UNFINISHED = {
    "sign-in": ("api", "/auth/login", {}),
    "refresh": ("api", "/auth/refresh", {}),
    "page": ("api", "/accounts/login/", {"Content_Type": "application/x-www-form-urlencoded"}),
    "admin": ("api", "/admin/login/", {"Content_Type": "application/x-www-form-urlencoded"}),
    "read": ("api", "/api/v1/sleep", {}),
    "nowhere": ("api", "/nothing/here", {}),
    "ingest": ("processor", "/api/v1/ingest", INGEST),
    "ingest without token": ("processor", "/api/v1/ingest", {}),
    "reports": ("processor", "/api/v1/reports", INGEST),
}


@pytest.mark.parametrize("name", scaled(["sign-in", "page", "ingest"], UNFINISHED))
def test_unfinished_bodies_hold_nobody_up(name, api, processor, watch):
    which, path, headers = UNFINISHED[name]
    service = {"api": api, "processor": processor}[which]
    cookies = "; ".join(f"{cookie}={'a' * 32}" for cookie in ("csrftoken", "__Host-csrftoken"))
    headers = {**JSON, **headers, "Cookie": cookies, "Referer": f"{ORIGIN}/"}
    sent = head("POST", path, **headers, Content_Length="1000")
    with held_open(service, sent + b"{"), watch:
        watch.wait_for_samples()
        statuses = at_once(4, lambda _: processor.ask("GET", "/health").status)
    assert statuses == [200] * 4
    watch.assert_held()


def test_unfinished_bodies_of_many_networks_hold_no_reads_up(api, watch):
    with contextlib.ExitStack() as stack:
        for number in range(CONNECTIONS):
            headers = {**JSON, "Content-Length": "1000", "X-Forwarded-For": f"203.0.113.{number}"}
            stack.enter_context(api.connect(head("POST", "/auth/login", **headers) + b"{"))
        with watch:
            watch.wait_for_samples()
    watch.assert_held()


def test_others_sign_in_while_one_home_holds_bodies(api, ana):
    credentials = {"username": "ana", "password": PASSWORDS["ana"]}
    with contextlib.ExitStack() as stack:
        # Its networks of both kinds.
        for address in ("203.0.113.5", "2001:db8:7::1"):
            headers = {**JSON, "Content-Length": "1000", "X-Forwarded-For": address}
            sent = head("POST", "/auth/login", **headers) + b"{"
            stack.enter_context(held_open(api, sent, CONNECTIONS // 2))
        answers = [
            api.ask("POST", "/auth/login", credentials, X_Forwarded_For="192.0.2.77")
            for _ in range(4)
        ]
    assert [answer.status for answer in answers] == [200] * 4


def test_unfinished_headers_hold_nobody_up(api, watch):
    sent = head("POST", "/auth/login")[:-2] + b"X-Header: a"
    with held_open(api, sent, scaled(100, 300)), watch:
        watch.wait_for_samples()
    watch.assert_held()


def test_body_of_one_byte_at_a_time_holds_nobody_up(api, watch):
    sent = head("POST", "/auth/login", **JSON, Content_Length="1000")
    with held_open(api, sent) as connections, watch:
        for _ in range(scaled(4, 20)):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")
            watch.wait_for_samples(8)
    watch.assert_held()


LARGE_ANSWERS = ("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js",)


@full_only
def test_parts_of_files_that_nobody_reads_cost_little(api, watch):
    sent = head("GET", LARGE_ANSWERS[0], Range="bytes=0-524287")
    with held_open(api, sent, 2000, receive_buffer=4096), watch:
        watch.wait_for_samples()
    watch.assert_held()


@pytest.mark.parametrize("path", [*LARGE_ANSWERS, "/api/schema/", "/api/docs/"])
def test_answers_that_nobody_reads_hold_nobody_up(path, api, watch):
    with held_open(api, head("GET", path), receive_buffer=4096), watch:
        watch.wait_for_samples()
    watch.assert_held()


@full_only
def test_idle_connections_hold_nobody_up(api, watch):
    with held_open(api, b"", 5000), watch:
        watch.wait_for_samples()
    watch.assert_held()
