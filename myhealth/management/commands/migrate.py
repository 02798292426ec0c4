"""`manage.py migrate`: Django's command, which first checks that the database can be upgraded."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from myhealth.health import known_migrations

# Only versions before 0.1.0 have this table, or migrations in this app.
_OLD_APP, _OLD_TABLE = "dashboard", "readings"
# Earlier versions used these, and a migration of ours removes what they left.
_FORMER_APPS = {"axes", "token_blacklist"}


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--only-known",
            action="store_true",
            help="refuse a database with migrations that this version does not have",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        applied = MigrationRecorder(connection).applied_migrations()
        apps = {app for app, _ in applied}
        tables = connection.introspection.table_names()
        if _OLD_APP in apps or ("ingest" in apps and _OLD_TABLE in tables):
            if options["only_known"]:
                raise CommandError("It is of a version before 0.1.0, which can't be upgraded.")
            raise CommandError(
                "This database was created by a version before 0.1.0 and can't be upgraded: "
                "delete the folder var/ (or create an empty database), and collect the data again."
            )
        if options["only_known"]:
            _refuse_unknown({each for each in applied if each[0] not in _FORMER_APPS})
        super().handle(*args, **options)


def _refuse_unknown(applied: set[tuple[str, str]]) -> None:
    if unknown := applied - known_migrations():
        names = ", ".join(sorted(".".join(each) for each in unknown))
        raise CommandError(
            f"It is of a newer version of myhealth, which has more migrations ({names}): "
            "use that version or a newer one."
        )
