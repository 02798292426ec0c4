"""Oura's request limit, which is one for all people of an application and all our processes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection

WINDOW_SECONDS = 300.0  # The period of Oura's published limit.
# Requests that a process takes from the bucket at once.
REFILL_SIZE = 10

# A token bucket: in any period at most what it holds and what flows in, together the limit.
_TAKE_SQL = """
    INSERT INTO oura_request_budget AS b (id, "left", filled_at)
    VALUES (1, %(most)s - %(want)s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET
        filled_at = clock_timestamp(),
        "left" = least(%(most)s, b."left" + %(rate)s
            * greatest(0, extract(epoch FROM clock_timestamp() - b.filled_at))) - %(want)s
    RETURNING "left"
"""


@dataclass
class Budget:
    """This process's share of the limit, taken from the database some requests at a time.

    It may be used by several threads. `sleep` is called with the seconds to wait.
    """

    sleep: Callable[[float], None] = time.sleep
    _available: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def spend(self) -> None:
        """Wait until another request may be sent."""
        with self._lock:
            if not self._available:
                self._refill()
            self._available -= 1

    def _refill(self) -> None:
        # The bucket holds a tenth; with the rest flowing in, no period exceeds the limit.
        most = settings.OURA_REQUEST_LIMIT * 0.1
        rate = (settings.OURA_REQUEST_LIMIT - most) / WINDOW_SECONDS
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_SQL, {"most": most, "want": REFILL_SIZE, "rate": rate})
            [left] = cursor.fetchone()
        self._available = REFILL_SIZE
        # Below zero it is a debt: later processes wait longer, each for its own share.
        if left < 0:
            self.sleep(-left / rate)
