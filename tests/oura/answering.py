"""A real HTTP server that answers as a test defines."""

import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """A request; `path` is without the query, `client` differs for each connection."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Reply:
    """`body`: bytes, pieces of bytes that end with the connection, or a value to send as JSON."""

    body: object = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class StubServer:
    """Answers with `reply`, a Reply or a function from Request to one; stores the `requests`.

    `tls` is an SSLContext with its certificate, if it serves TLS.
    """

    def __init__(self, reply, tls=None):
        self.reply = reply
        self.requests = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self, method="GET"):
        return [request.path for request in self.requests if request.method == method]


def _handler_for(stub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else each answer would wait for the client to acknowledge its headers.
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def do_GET(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers)
            request = Request(self.command, path, query, headers, body, self.client_address)
            stub.requests.append(request)
            reply = stub.reply
            # In some tests, the client closes the connection.
            with suppress(OSError):
                self.send(reply(request) if callable(reply) else reply)

        do_POST = do_PUT = do_DELETE = do_GET

        def send(self, reply):
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if isinstance(reply.body, Iterable) and not isinstance(reply.body, bytes | dict | list):
                self.send_header("Connection", "close")
                self.end_headers()
                for piece in reply.body:
                    self.wfile.write(piece)
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Content-Length" in reply.headers

    return Handler
