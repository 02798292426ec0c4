"""Prepared statements on Django's connections, for the statements that run with every request.

PostgreSQL parses and plans such a statement once for each connection, and neither Django's nor
django-prometheus' cursors stand between.
"""

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from msgspec import Raw
from psycopg.adapt import Loader
from psycopg.pq import Format

from myhealth.prometheus import DB_ERRORS, QUERY_SECONDS


class RawJsonLoader(Loader):
    """Return jsonb values as JSON text, to be copied into an answer without being parsed."""

    format = Format.BINARY

    def load(self, data: Any) -> Raw:
        # The first byte is the version of the format.
        return Raw(bytes(data)[1:])


def fetch_all(
    sql: str,
    parameters: Sequence[Any] = (),
    *,
    using: str = "default",
    raw_json: bool = False,
    numbered: bool = False,
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; none for a statement that returns no rows.

    It belongs to the transaction of Django's connection, if there is one. JSON is returned as text,
    or as `msgspec.Raw`. If the parameters are `numbered`, they stand in the statement as $1, $2 …
    instead of %s: psycopg would look for those in a long statement each time. Raises Django's
    database errors.
    """
    connection = connections[using]
    connection.validate_no_broken_transaction()
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    started = time.perf_counter()
    try:
        with connection.wrap_database_errors:
            cursor_class = psycopg.RawCursor if numbered else psycopg.Cursor
            cursor = cursor_class(connection.connection)
            cursor.execute(
                sql, parameters, prepare=settings.DB_PREPARED_STATEMENTS, binary=raw_json
            )
            # Not `description`, which makes an object for each column.
            returns_rows = cursor.pgresult is not None and cursor.pgresult.nfields > 0
            return cursor.fetchall() if returns_rows else []
    except Exception:
        DB_ERRORS.inc()
        raise
    finally:
        seconds = time.perf_counter() - started
        QUERY_SECONDS.observe(seconds)
        if connection.queries_logged:
            # Tests count the statements of a request.
            connection.queries_log.append({"sql": sql, "time": f"{seconds:.3f}"})
