import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections

from oura.models import Connection

PAUSE = 3.0


class Command(BaseCommand):
    help = "Wait until somebody has connected an Oura account that was never collected, or a time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=3600.0, help="the longest wait")

    def handle(self, *args: Any, seconds: float, **options: Any) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(PAUSE)
            try:
                # Asked once is enough: what failed then waits for the next regular run.
                if Connection.objects.served().living().filter(asked_at=None).exists():
                    return
            except (DatabaseError, InterfaceError):
                close_old_connections()
