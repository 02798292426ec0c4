"""`manage.py migrate`: Django's own, after a look whether this database can be upgraded."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# An app that had migrations before 0.1.0 and has none since.
GONE = "dashboard"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        applied = MigrationRecorder(connections[options["database"]]).applied_migrations()
        if any(app == GONE for app, _ in applied):
            raise CommandError(
                "This database was made by a version before 0.1.0, which can't be upgraded: "
                "delete the folder var/ (or make an empty database) and collect again."
            )
        super().handle(*args, **options)
