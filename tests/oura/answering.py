"""A real small HTTP server that answers as a test tells it to."""

import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """One request; `path` is without the query, `client` differs for each connection."""

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


class Answering:
    """Answers with `reply`, a Reply or a function from Asked to one; keeps what it was `asked`."""

    def __init__(self, reply):
        self.reply = reply
        self.asked = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self, method="GET"):
        return [asked.path for asked in self.asked if asked.method == method]


def handler_for(answering):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, path, query, dict(self.headers), body, self.client_address)
            answering.asked.append(asked)
            reply = answering.reply
            # A client that hangs up is what some tests are about.
            with suppress(OSError):
                self.send(reply(asked) if callable(reply) else reply)

        do_POST = do_PUT = do_GET

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
