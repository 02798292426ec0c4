from typing import Any

import msgspec
import orjson
from msgspec import Raw
from rest_framework.exceptions import ParseError

from myhealth.parsers import OrjsonParser

_ENVELOPE = msgspec.json.Decoder(dict[str, Raw])
_DOCUMENTS = msgspec.json.Decoder(list[Raw])


class EnvelopeParser(OrjsonParser):
    """Parse a body into Python values, except its documents: each stays JSON text, as Raw."""

    def loads(self, body: bytes) -> Any:
        try:
            envelope = _ENVELOPE.decode(body)
            data = envelope.pop("data", None)
            parsed: dict[str, Any] = {
                name: orjson.loads(bytes(raw)) for name, raw in envelope.items()
            }
            if data is not None:
                parsed["data"] = _documents(data)
        except msgspec.ValidationError:
            return None
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not valid JSON: {error}.", code="parse_error") from None
        return parsed


def _documents(data: Raw) -> Any:
    """Return Raw for one document, a list of Raw for many, and any other value parsed."""
    kind = bytes(memoryview(data)[:1])
    if kind == b"{":
        return data
    return _DOCUMENTS.decode(data) if kind == b"[" else orjson.loads(bytes(data))
