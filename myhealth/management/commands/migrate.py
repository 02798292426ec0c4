"""`manage.py migrate`: Django's command, which first checks that the database can be upgraded."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# Only versions before 0.1.0 have this table, or migrations in this app.
_OLD_APP, _OLD_TABLE = "dashboard", "readings"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        applied = MigrationRecorder(connection).applied_migrations()
        apps = {app for app, _ in applied}
        tables = connection.introspection.table_names()
        if _OLD_APP in apps or ("ingest" in apps and _OLD_TABLE in tables):
            raise CommandError(
                "This database was created by a version before 0.1.0 and can't be upgraded: "
                "delete the folder var/ (or create an empty database), and collect the data again."
            )
        super().handle(*args, **options)
