"""Check before the start that no other program uses our ports."""

import errno
import socket
import sys
from collections.abc import Mapping

from myhealth.local.processes import wait_until

# Browsers may try either for `localhost`.
_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def check_ports(ports: Mapping[str, int], *, patience: float) -> None:
    """Exit with a sentence if a port can't be used, after up to `patience` seconds."""
    wait_until(lambda: not _busy(ports), patience)
    for name, port in ports.items():
        if _is_forbidden(port):
            sys.exit(
                f"Only root can use port {port}: choose another one, for example with "
                f"`make run {name}={port + 8000}`."
            )
    if busy := _busy(ports):
        others = " ".join(f"{name}={port}" for name, port in _others(ports, busy).items())
        numbers = " and ".join(map(str, busy.values()))
        sentence = (
            f"Port {numbers} is in use: stop the program that uses it"
            if len(busy) == 1
            else f"Ports {numbers} are in use: stop the programs that use them"
        )
        sys.exit(f"{sentence}, or use other ports: `make run {others}`.")


def _busy(ports: Mapping[str, int]) -> dict[str, int]:
    return {name: port for name, port in ports.items() if is_busy(port)}


def _others(ports: Mapping[str, int], busy: Mapping[str, int]) -> dict[str, int]:
    """Return free ports for the busy ones."""
    taken = set(ports.values())
    found: dict[str, int] = {}
    for name, port in busy.items():
        candidates = (*range(port + 100, 65536, 100), *range(10_000, 65536, 100))
        found[name] = next(each for each in candidates if each not in taken and not is_busy(each))
        taken.add(found[name])
    return found


def is_busy(port: int) -> bool:
    """Return whether a program uses a port of this machine by IPv4 or IPv6."""
    return any(_is_taken(family, host, port) for family, host in _LOOPBACK)


def _is_taken(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            # Where a server on all addresses does not keep others from binding to one.
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0 and probe.getsockname() != probe.getpeername():
                return True
        with socket.socket(family) as probe:
            # Connections that have just ended don't count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        # Any other one says that this machine lacks this kind of address.
        return error.errno == errno.EADDRINUSE
    return False


def _is_forbidden(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True
        except OSError:
            return False
    return False
