"""A WSGI application that does nothing: what the server costs alone."""

from collections.abc import Callable, Iterable
from typing import Any

_BODY = b'{"status":"ok"}'
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY)))]


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    start_response("200 OK", _HEADERS)
    return [_BODY]
