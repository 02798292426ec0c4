"""`manage.py migrate`: Django's own, after a look whether this database can be upgraded."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# What only versions before 0.1.0 have: an app with migrations, and a table.
_OLD_APP, _OLD_TABLE = "dashboard", "readings"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        applied = MigrationRecorder(connection).applied_migrations()
        is_old = any(app == _OLD_APP for app, _ in applied)
        if is_old or _OLD_TABLE in connection.introspection.table_names():
            raise CommandError(
                "This database was made by a version before 0.1.0, which can't be upgraded: "
                "delete the folder var/ (or make an empty database) and collect again."
            )
        super().handle(*args, **options)
