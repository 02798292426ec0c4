import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections

from oura.models import Connection, WantedRun

_POLL_SECONDS = 3.0
# A clock that goes on while the machine sleeps: a laptop collects soon after it wakes. (That of
# `time.monotonic` stands still meanwhile. On macOS, the one named after it goes on.)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Command(BaseCommand):
    help = (
        "Wait until somebody connects an Oura account or asks for a collection, but not longer "
        "than --seconds. Then run `manage.py collect_oura --wanted`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--seconds", type=float, default=3600.0, help="how long to wait at most"
        )

    def handle(self, *args: Any, seconds: float, **options: Any) -> None:
        deadline = time.clock_gettime(_CLOCK) + seconds
        while time.clock_gettime(_CLOCK) < deadline:
            time.sleep(_POLL_SECONDS)
            try:
                # A connection whose first collection failed waits for the next regular run.
                if settings.OURA_CLIENT_ID and Connection.objects.served().due().exists():
                    return
                if settings.OURA_API_KEY and WantedRun.objects.due().exists():
                    return
            except (DatabaseError, InterfaceError):
                close_old_connections()
