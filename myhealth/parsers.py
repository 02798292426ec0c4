from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

_MAX_BODY = 10 * 1024 * 1024


class RequestTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {_MAX_BODY // 1024**2} MiB; send it in parts."
    default_code = "too_large"


class LengthRequired(APIException):
    """Raised by routes that need a body: the server passes on a chunked body as an empty one."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "The body needs a Content-Length header (chunked bodies are not supported)."
    default_code = "length_required"


class OrjsonParser(BaseParser):
    """Parse JSON with orjson, which rejects NaN, deep nesting and invalid UTF-8 (400)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        charset = str(request.content_type or "").lower().partition("charset=")[2].strip('" ;')
        if charset not in ("", "utf-8", "utf8"):
            raise ParseError("The body must be UTF-8.", code="parse_error")
        body = stream.read(min(_MAX_BODY, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + 1)
        if len(body) > _MAX_BODY:
            raise RequestTooLarge
        return self.loads(body)

    def loads(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not valid JSON: {error}.", code="parse_error") from None
