from typing import IO, Any, ClassVar

import msgspec
import orjson
from msgspec import Raw

from ingest.validation import MAX_RANGES
from myhealth.limits import waiting_for_client
from myhealth.parsers import ObjectParser

_DOCUMENTS = msgspec.json.Decoder(list[Raw])


class ProgramParser(ObjectParser):
    """Parse a body that is read here, after the program that sends it has been authenticated."""

    nested: ClassVar = {"ranges": 100 * MAX_RANGES, "read": 1_000}

    def read(self, stream: IO[Any], request: Any) -> bytes:
        with waiting_for_client(request._request):
            return super().read(stream, request)


class EnvelopeParser(ProgramParser):
    """Parse an envelope. Each of its documents stays JSON text, as Raw."""

    def loads(self, name: str, raw: Raw) -> Any:
        return _documents(raw) if name == "data" else super().loads(name, raw)


def _documents(data: Raw) -> Any:
    """Return Raw for one document, a list of Raw for many, and any other value parsed."""
    kind = bytes(memoryview(data)[:1])
    if kind == b"{":
        return data
    return _DOCUMENTS.decode(data) if kind == b"[" else orjson.loads(bytes(data))
