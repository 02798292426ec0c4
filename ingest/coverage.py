"""Which days are held, and which are missing between them."""

from typing import Any

from django.db import connection

from ingest.registry import METRICS


def coverage(user_id: int) -> dict[str, dict[str, Any]]:
    """Per type `first`, `last`, `days` held, and the `missing` ranges between (ends included)."""
    return {name: _of(user_id, kind.model._meta.db_table) for name, kind in METRICS.items()}


def _of(user_id: int, table: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT min(day), max(day), count(*),
                   coalesce(json_agg(json_build_array(previous + 1, day - 1) ORDER BY day)
                            FILTER (WHERE day > previous + 1), '[]')
            FROM (SELECT day, lag(day) OVER (ORDER BY day) AS previous
                  FROM {connection.ops.quote_name(table)} WHERE user_id = %s) AS days""",
            [user_id],
        )
        first, last, days, missing = cursor.fetchone()
    return {"first": first, "last": last, "days": days, "missing": missing}
