"""What the tests of real processes rely on."""

import socket

from tests.processes import free_port


def test_no_port_is_chosen_twice():
    assert len({free_port() for _ in range(300)}) == 300


def test_chosen_port_is_never_given_away_by_the_system():
    chosen = {free_port() for _ in range(100)}
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert max(chosen) < 32_768 <= other.getsockname()[1]
