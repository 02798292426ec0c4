"""Who sends a request: the client's address and network, behind proxies that are trusted."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where a translator (NAT64) puts IPv4 addresses, in the last 32 bits.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
# Tailscale gives each device one address of these.
_TAILSCALE = ipaddress.ip_network("fd7a:115c:a1e0::/48")


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address: the nearest one that is not a trusted proxy."""
    address = _client_address(request)
    return str(address) if address else None


def client_network(request: HttpRequest, ipv6_prefix: int = 64) -> str | None:
    """Return the client's network: an IPv4 address, or the first bits of an IPv6 address.

    A home connection has one IPv4 address, and a /64 or more of IPv6 addresses. Tailscale's devices
    are each a network of their own.
    """
    address = _client_address(request)
    if isinstance(address, ipaddress.IPv6Address) and address not in _TAILSCALE:
        return str(ipaddress.ip_network((address.packed, ipv6_prefix), strict=False))
    return str(address) if address else None


def is_from_trusted_proxy(request: HttpRequest) -> bool:
    """Return whether the request came through one of TRUSTED_PROXIES."""
    return _is_trusted(parse_address(request.META.get("REMOTE_ADDR", "")))


def is_from_this_machine(request: HttpRequest) -> bool:
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    return address is not None and address.is_loopback


def _client_address(request: HttpRequest) -> _Address | None:
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    while hops and _is_trusted(address):
        hop = parse_address(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def parse_address(hop: str) -> _Address | None:
    """Return the address of one hop, which may have a port, or None if it has none.

    A zone is left out (any text may stand there), and an IPv4 address written as IPv6, as systems
    and translators do, is IPv4.
    """
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ipaddress.ip_address(hop.partition("%")[0])
    except ValueError:
        return None
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(address.packed[-4:])
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: _Address | None) -> bool:
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)
