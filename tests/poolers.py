"""Connection poolers between myhealth and PostgreSQL: a stand-in for any, and a real PgBouncer."""

import contextlib
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from tests.processes import PATIENCE, free_port, wait_until

needs_pgbouncer = pytest.mark.skipif(
    not shutil.which("pgbouncer"), reason="PgBouncer is not installed."
)
_REFUSAL = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


class Options:
    """Passes connections on to PostgreSQL, but not the options that they start with."""

    def __init__(self, host, port, *, refuse):
        self.target, self.refuse, self.refused = (host, int(port)), refuse, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self.serve, args=[self.listener.accept()[0]], daemon=True
                ).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            [length] = struct.unpack("!i", _receive(client, 4))
            startup = _receive(client, length - 4)
            words = startup[4:].split(b"\0")
            if b"options" in words:
                if self.refuse:
                    self.refused += 1
                    client.sendall(b"E" + struct.pack("!i", len(_REFUSAL) + 4) + _REFUSAL)
                    return
                at = words.index(b"options")
                del words[at : at + 2]
            startup = startup[:4] + b"\0".join(words)
            with _connect(self.target) as server:
                server.sendall(struct.pack("!i", len(startup) + 4) + startup)
                _pass_on(client, server)

    def close(self):
        self.listener.close()


def _receive(client, length):
    received = b""
    while len(received) < length:
        received += client.recv(length - len(received))
    return received


def _connect(target):
    host, port = target
    if not host.startswith("/"):
        return socket.create_connection(target)
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _pass_on(client, server):
    while True:
        for source in select.select([client, server], [], [])[0]:
            if not (received := source.recv(65536)):
                return
            (server if source is client else client).sendall(received)


@contextlib.contextmanager
def pgbouncer(database):
    """Run PgBouncer in transaction mode, with its defaults; yield the environment that leads to it.

    `database` is the environment that leads to PostgreSQL.
    """
    with tempfile.TemporaryDirectory(prefix="myhealth-", dir="/tmp") as folder:
        port = free_port()
        users = Path(folder) / "users.txt"
        users.write_text(f'"{database["DB_USER"]}" "{database["DB_PASSWORD"]}"\n')
        Path(folder, "pgbouncer.ini").write_text(
            f"[databases]\n* = host={database['DB_HOST']} port={database['DB_PORT']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\n"
        )
        for each in (folder, users, Path(folder, "pgbouncer.ini")):
            # It refuses to run as root.
            Path(each).chmod(0o755)
        process = subprocess.Popen(
            ["pgbouncer", "-q", "-u", "nobody", str(Path(folder) / "pgbouncer.ini")]
        )
        try:
            wait_until(lambda: socket.create_connection(("127.0.0.1", port)).close() is None)
            yield {**database, "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}
        finally:
            process.terminate()
            process.wait(PATIENCE)
