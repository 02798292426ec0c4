"""Prepared statements on Django's connections, for the statements that run with every request.

PostgreSQL parses and plans such a statement once for each connection, and neither Django's nor
django-prometheus' cursors stand between.
"""

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from django.conf import settings
from django.db import connections

from myhealth.prometheus import DB_ERRORS, QUERY_SECONDS


def fetch_all(
    sql: LiteralString, parameters: Sequence[Any] = (), *, using: str = "default"
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; none for a statement that returns no rows.

    It belongs to the transaction of Django's connection, if there is one. Raises Django's database
    errors. JSON is returned as text.
    """
    connection = connections[using]
    if connection.queries_logged:
        # Tests count statements by Django's cursors.
        with connection.cursor() as django_cursor:
            django_cursor.execute(sql, parameters)
            return django_cursor.fetchall() if django_cursor.description else []
    connection.validate_no_broken_transaction()
    connection.ensure_connection()
    started = time.perf_counter()
    try:
        with connection.wrap_database_errors:
            cursor = psycopg.Cursor(connection.connection)
            cursor.execute(sql, parameters, prepare=settings.DB_PREPARED_STATEMENTS)
            return cursor.fetchall() if cursor.description else []
    except Exception:
        DB_ERRORS.inc()
        raise
    finally:
        QUERY_SECONDS.observe(time.perf_counter() - started)
