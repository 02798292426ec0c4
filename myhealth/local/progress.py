"""The progress of the first collection, in a few lines."""

import time
from collections import Counter
from typing import Any

from myhealth.local.terminal import SECONDS_OF_SILENCE, say_progress


class Progress:
    """Says what has been collected so far, now and then, until the first collection ends."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._documents: Counter[str] = Counter()
        self._pause = 2.0
        self._next_at = 0.0
        self._has_ended = False

    def end(self) -> None:
        self._has_ended = True

    def take(self, event: dict[str, Any]) -> bool:
        """Return whether the event is one of the collection's progress."""
        if self._has_ended or event.get("message") != "range collected":
            return False
        self._documents[event["type"]] += event["documents"]
        if time.monotonic() >= self._next_at:
            counts = ", ".join(f"{name} {count}" for name, count in self._documents.items())
            say_progress(f"Collecting from {self._source}: {counts} documents so far")
            self._next_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, SECONDS_OF_SILENCE)
        return True
