"""Health checks: whether the process is up, and whether it is ready to serve."""

import functools

from django.db import DatabaseError, InterfaceError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from psycopg.errors import UndefinedTable

from myhealth import __version__
from myhealth.errors import log_database_error

_APPLIED = "SELECT app, name FROM django_migrations"


def health(request: HttpRequest) -> JsonResponse:
    """`GET /health`: report that the process is up, and its version.

    The database is not checked: an outage must not restart the processes.
    """
    return JsonResponse({"status": "ok", "version": __version__})


def ready(request: HttpRequest) -> JsonResponse:
    """`GET /health/ready`: report with a 503 and a reason that this process can't serve yet."""
    try:
        return JsonResponse({"status": "ok"}) if _is_migrated() else _unready("migrations")
    except (DatabaseError, InterfaceError) as error:
        log_database_error(error)
        return _unready("database")


@functools.cache
def known_migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of this version, by app and name."""
    return frozenset(MigrationLoader(None).disk_migrations or ())


def lacks_migrations() -> bool:
    """Return whether the database can be asked, and lacks migrations of this version.

    Then a table or a column that is missing is no fault of the code that asked for it.
    """
    try:
        return not _is_migrated()
    except (DatabaseError, InterfaceError):
        return False


def _is_migrated() -> bool:
    """Return whether the database has the tables of this version.

    It is asked each time: a backup of another version may have been restored meanwhile. One of a
    newer version will do, since the previous version can use the tables after a migration.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(_APPLIED)
            return known_migrations() <= set(cursor.fetchall())
    except ProgrammingError as error:
        if isinstance(error.__cause__, UndefinedTable):
            return False
        raise


def _unready(reason: str) -> JsonResponse:
    body = {
        "status": "unavailable",
        "reason": reason,
        "detail": f"Not ready: {reason}.",
        "code": "unavailable",
        "errors": {},
    }
    return JsonResponse(body, status=503, headers={"Retry-After": "5"})
