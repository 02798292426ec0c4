"""Bodies of answers, kept in memory for as long as nothing that they depend on has changed."""

import threading

from cachetools import TTLCache

_BYTES = 16 * 1024 * 1024
# A larger one would replace too many others.
_MOST_BYTES = 4 * 1024 * 1024
# Nothing of a deleted account stays longer.
_SECONDS = 600


class BodyCache:
    """Bodies by ETag, which has the counters of all that an answer depends on.

    So a body never needs to be deleted: after a change, nobody asks for it any more.
    """

    def __init__(self) -> None:
        self._bodies: TTLCache[str, bytes] = TTLCache(_BYTES, _SECONDS, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, etag: str) -> bytes | None:
        with self._lock:
            return self._bodies.get(etag)

    def add(self, etag: str, body: bytes) -> None:
        if len(body) <= _MOST_BYTES:
            with self._lock:
                self._bodies[etag] = body
