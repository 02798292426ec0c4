from typing import Any

import msgspec
import orjson
from django.utils.functional import Promise
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def _to_plain_type(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, msgspec.Raw):
        return orjson.Fragment(bytes(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Return `value` as JSON, with dates in ISO 8601 and lazy translations as strings."""
    option = orjson.OPT_PASSTHROUGH_SUBCLASS | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(value, default=_to_plain_type, option=option)


def may_name_format(request: Request) -> bool:
    """Return whether the query may have the parameter `format`, without parsing it."""
    query = request.META.get("QUERY_STRING", "")
    return "format" in query or "%" in query


class Negotiation(DefaultContentNegotiation):
    """Django REST framework's negotiation, without work for requests that accept anything."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        if accept in ("*/*", renderers[0].media_type) and not may_name_format(request):
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class OrjsonRenderer(BaseRenderer):
    """Render JSON with orjson. Bytes are JSON already and stay unchanged."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        if data is None:
            return b""
        if isinstance(data, bytes):
            return data
        # Only the browsable API uses an indent.
        return dumps(data, indent=bool((renderer_context or {}).get("indent")))
