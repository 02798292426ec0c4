"""Health checks: whether the process is up, and whether it is ready to serve."""

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from myhealth import __version__

migrated = False


def health(request: HttpRequest) -> JsonResponse:
    """`GET /health`: report that the process is up, and its version.

    The database is not checked: an outage must not restart the processes.
    """
    return JsonResponse({"status": "ok", "version": __version__})


def ready(request: HttpRequest) -> JsonResponse:
    """`GET /health/ready`: report with a 503 and a reason that this process can't serve yet."""
    global migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        # Migrations are not checked again once they have been applied.
        if not migrated:
            executor = MigrationExecutor(connection)
            migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError):
        return _unready("database")
    return JsonResponse({"status": "ok"}) if migrated else _unready("migrations")


def _unready(reason: str) -> JsonResponse:
    body = {
        "status": "unavailable",
        "reason": reason,
        "detail": f"Not ready: {reason}.",
        "code": "unavailable",
        "errors": {},
    }
    return JsonResponse(body, status=503, headers={"Retry-After": "5"})
