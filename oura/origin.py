"""Where data come from: Oura, or the sandbox. Every process imports this, and no client with it."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Return the origin of data from this URL: only Oura's own host has real data."""
    host = urlsplit(url).hostname or ""
    return "oura" if host == "ouraring.com" or host.endswith(".ouraring.com") else "sandbox"
