#!/usr/bin/env python
import gc
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility

from myhealth.streams import accept_any_text


class _Utility(ManagementUtility):
    """Django's, which collects no garbage until everything is imported.

    Imports make many objects and no garbage: looking for it would take a tenth of the start.
    """

    def execute(self) -> None:
        gc.disable()
        super().execute()

    def fetch_command(self, subcommand: str) -> Any:
        command = super().fetch_command(subcommand)
        gc.freeze()
        gc.enable()
        return command


if __name__ == "__main__":
    accept_any_text()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
    from django.db import ProgrammingError

    from myhealth.postgresql.errors import trouble

    try:
        _Utility(sys.argv).execute()
    except ImproperlyConfigured as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(2)
    except Exception as error:
        if isinstance(error, ProgrammingError):
            from myhealth.errors import MIGRATE
            from myhealth.health import lacks_migrations

            if lacks_migrations():
                sys.exit(MIGRATE)
        if not (found := trouble(error)):
            raise
        sys.exit(found.advice)
