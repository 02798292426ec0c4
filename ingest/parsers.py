from typing import Any

import msgspec
import orjson
from msgspec import Raw
from rest_framework.exceptions import ParseError

from myhealth.parsers import OrjsonParser

ENVELOPE = msgspec.json.Decoder(dict[str, Raw])
DOCUMENTS = msgspec.json.Decoder(list[Raw])


class EnvelopeParser(OrjsonParser):
    """The envelope as Python values, its documents as JSON text: Raw for one, a list for many."""

    def loads(self, body: bytes) -> Any:
        try:
            envelope = ENVELOPE.decode(body)
            data = envelope.pop("data", None)
            parsed: dict[str, Any] = {
                name: orjson.loads(bytes(raw)) for name, raw in envelope.items()
            }
            if data is not None:
                parsed["data"] = documents(data)
        except msgspec.ValidationError:
            return None
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not valid JSON: {error}.", code="parse_error") from None
        return parsed


def documents(data: Raw) -> Any:
    kind = bytes(memoryview(data)[:1])
    if kind == b"{":
        return data
    return DOCUMENTS.decode(data) if kind == b"[" else orjson.loads(bytes(data))
