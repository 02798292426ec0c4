"""Oura's limit over all people of an application, shared by all our processes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection

WINDOW = 300.0  # Seconds for which Oura publishes its limit.
SLICE = 10

# In any window at most what the bucket holds and what flows in: together the limit.
TAKE = """
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
    """Asks the database for some requests at a time; `sleep` waits when there are none."""

    sleep: Callable[[float], None] = time.sleep
    held: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self) -> None:
        """Wait until one more request may be sent."""
        with self.lock:
            if not self.held:
                self.refill()
            self.held -= 1

    def refill(self) -> None:
        # A tenth in the bucket and the rest flowing in keep any window within the limit.
        most = settings.OURA_REQUEST_LIMIT * 0.1
        rate = (settings.OURA_REQUEST_LIMIT - most) / WINDOW
        with connection.cursor() as cursor:
            cursor.execute(TAKE, {"most": most, "want": SLICE, "rate": rate})
            [left] = cursor.fetchone()
        self.held = SLICE
        # A debt: those who come later wait the longer, each for its own share.
        if left < 0:
            self.sleep(-left / rate)
