"""Ports that other programs use."""

import contextlib
import re
import socket
import threading

import pytest

from myhealth.local import ports
from tests.processes import free_port


def listen(family, host, port):
    server = socket.socket(family)
    try:
        server.bind((host, port))
    except OSError:
        server.close()
        pytest.skip(f"This machine has no {host}.")
    server.listen()
    return server


@pytest.mark.parametrize(
    ("family", "host"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_port_is_busy_by_either_kind_of_address(family, host):
    port = free_port()
    with listen(family, host, port):
        assert ports.is_busy(port)
    assert not ports.is_busy(port)


def test_ports_are_checked_without_ipv6(monkeypatch):
    class Without6(socket.socket):
        def __init__(self, family=socket.AF_INET, *options, **more):
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *options, **more)

    port = free_port()
    monkeypatch.setattr(socket, "socket", Without6)
    assert not ports.is_busy(port)


def refusal(wanted):
    with pytest.raises(SystemExit) as refused:
        ports.check_ports(wanted, patience=0)
    return str(refused.value)


def test_all_busy_ports_are_named_with_free_ones():
    api, processor, sandbox = free_port(), free_port(), free_port()
    wanted = {"API_PORT": api, "PROCESSOR_PORT": processor, "SANDBOX_PORT": sandbox}
    with (
        socket.create_server(("127.0.0.1", api)),
        socket.create_server(("127.0.0.1", processor)),
    ):
        said = refusal(wanted)
    assert f"Ports {api} and {processor} are in use" in said
    command = said.partition("`make run ")[2].partition("`")[0]
    others = {
        name: int(port) for name, _, port in (part.partition("=") for part in command.split())
    }
    assert others.keys() == {"API_PORT", "PROCESSOR_PORT"}
    assert len({*others.values(), sandbox}) == 3
    ports.check_ports(wanted | others, patience=0)


def test_other_port_is_found_at_the_end_of_the_range():
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", 65535)):
        assert re.search(r"API_PORT=1\d{4}`", refusal({"API_PORT": 65535}))


def test_ports_of_a_killed_run_are_waited_for():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as server:
        ended = threading.Timer(0.3, server.close)
        ended.start()
        ports.check_ports({"API_PORT": port}, patience=10)
        ended.join()
