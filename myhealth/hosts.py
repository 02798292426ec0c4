"""Hosts and origins in settings, however people write them, as browsers send them."""

import ipaddress
import re
from urllib.parse import urlsplit

# What Django takes as the host of a request.
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_NAME_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]+)(?::\d*)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_words(text: str) -> list[str]:
    """Return the parts of a list, which commas or blanks separate, or which is written as JSON."""
    if re.match(r"\[\s*['\"]", text) and text.endswith("]"):
        text = text[1:-1]
    return [word for part in re.split(r"[\s,]+", text) if (word := part.strip("'\""))]


def host(text: str) -> str:
    """Return an entry of `ALLOWED_HOSTS`: without scheme and port. Raises ValueError."""
    text = (urlsplit(text).netloc if "://" in text else text).rstrip("/")
    try:
        return _name(f"[{ipaddress.IPv6Address(text)}]")
    except ValueError:
        pass
    found = _NAME_AND_PORT.fullmatch(text)
    if not found:
        raise ValueError("neither a name nor an address")
    name = found[1].removeprefix("*")
    # Django's way to write all names under one.
    return f".{_name(name[1:])}" if name.startswith(".") else _name(name)


def origin(text: str) -> str:
    """Return an address without anything after its host and port. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or parts.path.strip("/") or parts.port == 0:
        raise ValueError("no origin")
    if parts.query or parts.fragment or "@" in parts.netloc or not parts.hostname:
        raise ValueError("more than an origin")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    wildcard = "*." if name.startswith("*.") else ""
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{wildcard}{_name(name.removeprefix('*.'))}{port}"


def _name(text: str) -> str:
    """Return a name, or an address in brackets, as browsers write it. Raises ValueError."""
    if text.startswith("["):
        address = ipaddress.IPv6Address(text[1:-1])
        if address.scope_id:
            raise ValueError("a zone means something on one machine only")
        return f"[{address}]"
    name = text.lower().removesuffix(".")
    if not name.isascii():
        # Rarely needed.
        import idna

        name = idna.encode(name, uts46=True).decode()
    if not _NAME.fullmatch(name):
        raise ValueError("not a name")
    return name
