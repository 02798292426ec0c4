from typing import IO, Any, ClassVar

import msgspec
import orjson
from msgspec import Raw

from ingest.validation import MAX_DOCUMENTS, MAX_RANGES
from myhealth.limits import check_length, waiting_for_client
from myhealth.parsers import ObjectParser

_DOCUMENTS = msgspec.json.Decoder(list[Raw])
# The same, but decoding ends where the list is too long: the millions of empty documents that a
# body has room for would take hundreds of megabytes. It is slower for short lists.
_LONG_TEXT = 100_000
_MANY_DOCUMENTS = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Documents",
        [(f"document_{number}", Raw, None) for number in range(MAX_DOCUMENTS)],
        array_like=True,
        forbid_unknown_fields=True,
    )
)


class ProgramParser(ObjectParser):
    """Parse a body that is read here, after the program that sends it has been authenticated."""

    nested: ClassVar = {"ranges": 100 * MAX_RANGES, "read": 1_000}

    def read(self, stream: IO[Any], request: Any) -> bytes:
        # Each body of a known program has the same right to a thread.
        with waiting_for_client(object()):
            body = super().read(stream, request)
        check_length(request._request, body)
        return body


class EnvelopeParser(ProgramParser):
    """Parse an envelope. Each of its documents stays JSON text, as Raw."""

    def loads(self, name: str, raw: Raw) -> Any:
        return _documents(raw) if name == "data" else super().loads(name, raw)


def _documents(data: Raw) -> Any:
    """Return Raw for one document, a list of Raw for many, and any other value parsed.

    Of a list that is too long, the first MAX_DOCUMENTS + 1 are returned, as None.
    """
    # The decoder does not look into Raw, which could be anything but UTF-8.
    str(memoryview(data), "utf-8")
    kind = bytes(memoryview(data)[:1])
    if kind == b"{":
        return data
    if kind != b"[":
        return orjson.loads(bytes(data))
    if len(memoryview(data)) < _LONG_TEXT:
        return _DOCUMENTS.decode(data)
    try:
        documents = msgspec.structs.astuple(_MANY_DOCUMENTS.decode(data))
    except msgspec.ValidationError:
        return [None] * (MAX_DOCUMENTS + 1)
    return [each for each in documents if each is not None]
