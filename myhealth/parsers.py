from collections.abc import Mapping
from typing import IO, Any, ClassVar

import msgspec
import orjson
from msgspec import Raw
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_MOST_FIELDS = 100


class ObjectParser(BaseParser):
    """Parse a JSON object, and of its values only what a field can have.

    Lists and objects take many times the memory of their text. Those in fields that have none, or
    that are longer than the field can be, become empty ones, which validation refuses. NaN, deep
    nesting and invalid UTF-8 are no valid JSON (400). A body that is no object is None.
    """

    media_type = "application/json"
    # The fields that may be lists or objects, and their length in bytes.
    nested: ClassVar[Mapping[str, int]] = {}

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
        body = self.read(stream, request)
        try:
            fields = _OBJECT.decode(body)
            if len(fields) > _MOST_FIELDS:
                raise ParseError(
                    f"The body has {len(fields)} fields, which is more than any route accepts."
                )
            values = {name: self.loads(name, raw) for name, raw in fields.items()}
        except msgspec.ValidationError:
            return None
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not valid JSON: {error}.", code="parse_error") from None
        return values

    def read(self, stream: IO[Any], request: Any) -> bytes:
        """Return the body."""
        body: bytes = stream.read()
        return body

    def loads(self, name: str, raw: Raw) -> Any:
        """Return the value of a field. Raises ValueError or RecursionError."""
        kind = bytes(memoryview(raw)[:1])
        if kind in (b"[", b"{") and len(memoryview(raw)) > self.nested.get(name, 0):
            return [] if kind == b"[" else {}
        return orjson.loads(bytes(raw))
