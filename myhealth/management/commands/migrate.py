"""`manage.py migrate`: Django's command, one at a time, for a database that can be upgraded."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
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
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('migrate'), 0)"
_SECONDS_BETWEEN_TRIES = 0.5


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
        if options["plan"] or options["check_unapplied"]:
            # These change nothing, so they don't wait.
            self._migrate(connection, *args, **options)
        else:
            with self._lock(connection, is_quiet=options["verbosity"] == 0):
                self._migrate(connection, *args, **options)

    def _migrate(self, connection: Any, *args: Any, **options: Any) -> None:
        applied = MigrationRecorder(connection).applied_migrations()
        apps = {app for app, _ in applied}
        tables = connection.introspection.table_names()
        if _OLD_APP in apps or ("ingest" in apps and _OLD_TABLE in tables):
            if options["only_known"]:
                raise CommandError(
                    "The database was created by a version before 0.1.0, which can't be upgraded."
                )
            raise CommandError(
                "This database was created by a version before 0.1.0 and can't be upgraded: "
                "delete the folder var/ (or create an empty database), and collect the data again."
            )
        if options["only_known"]:
            _refuse_unknown({each for each in applied if each[0] not in _FORMER_APPS})
        super().handle(*args, **options)

    @contextmanager
    def _lock(self, connection: Any, *, is_quiet: bool) -> Iterator[None]:
        """Wait until no other process migrates this database, and keep others from it.

        The lock is that of a transaction, since a connection pooler shares connections, and of
        another connection's, since migrations commit. PostgreSQL releases it if this process dies.
        """
        # Both connections are of its pool, which it makes when it connects.
        connection.ensure_connection()
        holder = connection.copy()
        # The pool may have a single connection, which the migrations need.
        holder.settings_dict["OPTIONS"].pop("pool", None)
        try:
            holder.set_autocommit(False)
            is_waiting = False
            while not _take_lock(holder):
                if not is_waiting and not is_quiet:
                    self.stdout.write(
                        "Another process is migrating this database; waiting for it to finish."
                    )
                is_waiting = True
                holder.rollback()
                # Not in the database: what waits there would keep an index from being created
                # concurrently.
                time.sleep(_SECONDS_BETWEEN_TRIES)
            yield
        finally:
            holder.close()


def _take_lock(holder: Any) -> bool:
    with holder.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(_LOCK)
        return bool(cursor.fetchone()[0])


def _refuse_unknown(applied: set[tuple[str, str]]) -> None:
    if unknown := applied - known_migrations():
        names = ", ".join(sorted(".".join(each) for each in unknown))
        raise CommandError(
            "The database belongs to a newer version of myhealth, which has more migrations "
            f"({names}): use that version or a newer one."
        )
