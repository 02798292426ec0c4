"""Is the process up, and can it serve?"""

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

migrated = False


def health(request: HttpRequest) -> JsonResponse:
    """`GET /health`: the process answers. Asks nothing else, so a database away restarts nobody."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """`GET /health/ready`: 503 with the reason's name while this process can't serve."""
    global migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        # Once migrated, always migrated: the look at every table's history is not repeated.
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
