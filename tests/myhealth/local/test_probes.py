"""Whether our services are ready, asked without a proxy."""

import contextlib
import http.server
import threading

import pytest

from myhealth.local import probes
from tests.processes import free_port


@contextlib.contextmanager
def answering(status, body, **headers):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"", ""),
        (503, b'{"reason": "migrations"}', "migrations"),
        (503, b"[]", "it answers with status 503"),
        (404, b"another program", "it answers with status 404"),
    ],
)
def test_reason_is_the_one_that_the_service_gives(status, body, reason):
    with answering(status, body) as url:
        assert probes.why_not_ready(url) == reason


def test_silence_is_a_reason():
    assert probes.why_not_ready(f"http://127.0.0.1:{free_port()}/") == "it does not answer"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxy_of_the_environment_is_not_used(monkeypatch, name):
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with answering(200, b"") as url:
        assert probes.why_not_ready(url) == ""


def test_public_address_without_proxy_says_what_is_missing():
    address = f"http://127.0.0.1:{free_port()}/"
    why = probes.why_not_reached(address, 8000)
    assert why.startswith(f"Nothing answers at {address} on this computer.")
    assert "docs/phone.md" in why


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        (421, "text/plain; charset=utf-8", "must send the header"),
        (502, "text/html", "status 502. It must pass requests on to port 8000"),
        (302, "text/html", ""),
        (200, "text/html", ""),
    ],
)
def test_what_public_address_answers_is_passed_on(status, kind, why):
    with answering(status, b"The proxy must send the header.\n", Content_Type=kind) as address:
        said = probes.why_not_reached(address, 8000)
    assert (why in said, bool(said)) == (True, bool(why))
