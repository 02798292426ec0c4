"""Where requests go: to Oura by OURA_PROXY, and nowhere because of the environment."""

import base64
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ingest import control
from metrics import TYPES
from oura import connections, provider, tokens
from oura.client import OuraClient
from oura.errors import OuraUnavailable, OuraUnreachable
from oura.models import Connection
from oura.processor import Processor
from oura.prometheus import publish
from oura.report import Report
from oura.retries import RetryTime
from tests.certificates import self_signed
from tests.oura.answering import Reply

API, PORTAL = "https://api.oura.invalid", "https://moi.oura.invalid"
GRANT = {"access_token": "an access token", "refresh_token": "renews", "expires_in": 86400}
ENDPOINTS = {
    "authorization_endpoint": f"{PORTAL}/authorize",
    "token_endpoint": f"{PORTAL}/token",
    "revocation_endpoint": f"{PORTAL}/revoke",
}


class Proxy:
    """A proxy that leads every request for a tunnel to one port of this machine."""

    def __init__(self, port, password="", refusal=0):
        self.asked = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(port, password, refusal))
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _handler(self, port, password, refusal):
        expected = f"Basic {base64.b64encode(password.encode()).decode()}"

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_CONNECT(handler):
                self.asked.append(handler.path)
                if password and handler.headers["Proxy-Authorization"] != expected:
                    return handler.send_error(407)
                if refusal:
                    return handler.send_error(refusal)
                with socket.create_connection(("127.0.0.1", port)) as server:
                    handler.send_response(200)
                    handler.end_headers()
                    pump(handler.connection, server)

            def do_GET(handler):
                self.asked.append(handler.path)
                handler.send_error(407)

        return Handler


def pump(client, server):
    """Carry bytes in both directions until one side ends."""
    other = {client: server, server: client}
    while True:
        for ready in select.select([client, server], [], [])[0]:
            if not (piece := ready.recv(65536)):
                return
            other[ready].sendall(piece)


@pytest.fixture
def start_proxy(oura):
    started = []

    def start(**options):
        started.append(Proxy(oura.server.server_port, **options))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls"), "api.oura.invalid", "moi.oura.invalid")


def answer(request):
    return {
        "/discovery": Reply(ENDPOINTS),
        "/token": Reply(GRANT),
        "/revoke": Reply({}),
        "/v2/usercollection/personal_info": Reply({"id": "an-id"}),
    }[request.path]


@pytest.fixture
def oura(serve, certificate, settings, request):
    """Oura, which only a proxy can reach."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    settings.OURA_API_URL = API
    # Discovery documents are cached by their address.
    settings.OURA_OAUTH_DISCOVERY_URL = f"{PORTAL}/discovery?{request.node.name}"
    settings.OURA_AUTHORIZE_URL = settings.OURA_TOKEN_URL = settings.OURA_REVOKE_URL = ""
    settings.OURA_CLIENT_ID, settings.OURA_CLIENT_SECRET = "an id", "a secret"
    settings.OURA_CA_BUNDLE = str(certificate[0])
    settings.TOKEN_ENCRYPTION_KEYS = [base64.urlsafe_b64encode(b"k" * 32).decode()]
    return serve(answer, tls)


def user_id(url=API):
    with OuraClient(url, "a token", retry_time=RetryTime(seconds=0)) as client:
        return client.user_id()


def test_documents_are_fetched_through_the_proxy(start_proxy, settings):
    proxy = start_proxy()
    settings.OURA_PROXY = f"http://{proxy.address}"
    assert user_id() == "an-id"
    assert proxy.asked == ["api.oura.invalid:443"]


@pytest.mark.django_db
def test_connecting_and_disconnecting_go_through_the_proxy(oura, start_proxy, settings, ana):
    proxy = start_proxy(password="me:p@ss/#")
    settings.OURA_PROXY = f"http://me:p%40ss%2F%23@{proxy.address}"
    connection = connections.connect(ana, "a code", "v" * 50).connection
    Connection.objects.update(expires_at=connection.connected_at)
    assert tokens.access_token(connection.pk) == "an access token"
    assert connections.disconnect(Connection.objects.get())
    assert set(proxy.asked) == {"api.oura.invalid:443", "moi.oura.invalid:443"}
    asked = set(oura.paths() + oura.paths("POST"))
    assert asked == {"/discovery", "/token", "/revoke", "/v2/usercollection/personal_info"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_the_proxy(serve, settings, host):
    server = serve(Reply({"id": "an-id"}))
    settings.OURA_PROXY = "http://127.0.0.1:9"
    assert user_id(server.url.replace("127.0.0.1", host)) == "an-id"


def refused(start_proxy):
    return start_proxy(refusal=403).address, "refuses to connect to Oura (403)"


def wrong_password(start_proxy):
    return f"me:a-secret@{start_proxy(password='me:other').address}", "(407)"


def not_running(start_proxy):
    return "127.0.0.1:9", "can't be reached"


@pytest.mark.parametrize("hindrance", [refused, wrong_password, not_running])
def test_what_is_wrong_with_the_proxy_is_said(start_proxy, settings, hindrance):
    address, expected = hindrance(start_proxy)
    settings.OURA_PROXY = f"http://{address}"
    failures = []
    with pytest.raises(OuraUnreachable) as caught:
        user_id()
    failures.append(str(caught.value))
    with pytest.raises(OuraUnavailable) as caught:
        provider.refresh("renews", f"{PORTAL}/token")
    failures.append(str(caught.value))
    for failure in failures:
        assert failure.startswith("The proxy in OURA_PROXY")
        assert expected in failure
        assert "a-secret" not in failure


def test_password_that_a_proxy_wants_for_http_is_said(start_proxy, settings):
    settings.OURA_PROXY = f"http://{start_proxy().address}"
    with pytest.raises(OuraUnreachable, match=r"OURA_PROXY requires .* \(407\)"):
        user_id("http://api.oura.invalid")


def test_certificate_that_is_not_trusted_is_said(start_proxy, settings):
    settings.OURA_PROXY, settings.OURA_CA_BUNDLE = f"http://{start_proxy().address}", ""
    expected = r"Oura's certificate isn't trusted \(.+\)\. .* set OURA_CA_BUNDLE"
    with pytest.raises(OuraUnreachable, match=expected):
        user_id()
    with pytest.raises(OuraUnavailable, match=expected):
        provider.exchange_code("a code", "v" * 50, "https://health.example/")


def test_identity_that_a_proxy_hides_says_so(start_proxy, settings, serve, ana):
    settings.OURA_TOKEN_URL = f"{serve(Reply(GRANT)).url}/token"
    settings.OURA_PROXY = "http://127.0.0.1:9"
    with pytest.raises(OuraUnavailable, match="The proxy in OURA_PROXY can't be reached"):
        connections.connect(ana, "a code", "v" * 50)


# What the environment says ------------------------------------------------------------------------


@pytest.fixture
def misleading(monkeypatch, tmp_path):
    """An environment that leads requests astray, in all ways that libraries know."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password stranger\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))


def ask_oura(url, settings):
    user_id(url)


def ask_processor(url, settings):
    with Processor(url, "a token", user="ana", origin="oura", request_id="a") as processor:
        processor.ledger()


def ask_processor_to_delete(url, settings):
    settings.PROCESSOR_URL, settings.CONTROL_TOKENS = url, ["a token"]
    control.delete_metrics("ana")


def ask_for_grant(url, settings):
    settings.OURA_TOKEN_URL = f"{url}/token"
    provider.refresh("renews", f"{url}/token")


def push_metrics(url, settings):
    settings.METRICS_TEXTFILE, settings.PUSHGATEWAY_URL = "", url
    publish(Report(), seconds=1, now=1, exit_code=0)


@pytest.mark.parametrize(
    ("ask", "count"),
    [
        (ask_oura, 1),
        (ask_processor, 1),
        (ask_processor_to_delete, 1),
        (ask_for_grant, 1),
        (push_metrics, 2),
    ],
)
def test_environment_changes_no_request(misleading, serve, settings, ask, count):
    def reply(request):
        status = 204 if request.method == "DELETE" else 200
        return Reply({"id": "an-id", **GRANT, **dict.fromkeys(TYPES, [])}, status)

    server = serve(reply)
    settings.OURA_OAUTH_DISCOVERY_URL = f"{server.url}/none"
    ask(server.url, settings)
    assert len([each for each in server.requests if each.path != "/none"]) == count
    sent = {request.headers.get("Authorization", "") for request in server.requests}
    assert sent <= {"", "Bearer a token"}


def test_certificates_of_the_environment_are_not_trusted(
    start_proxy, settings, certificate, monkeypatch
):
    settings.OURA_PROXY, settings.OURA_CA_BUNDLE = f"http://{start_proxy().address}", ""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certificate[0]))
    with pytest.raises(OuraUnreachable, match="isn't trusted"):
        user_id()
