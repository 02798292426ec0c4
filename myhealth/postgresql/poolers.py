"""Connection poolers such as PgBouncer in transaction mode.

A pooler refuses or drops the options that a connection starts with, and each transaction may have
another connection to PostgreSQL. So the limit on the time of statements is set in each transaction,
and statements that have none get one. Nothing else here depends on the state of a connection.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import psycopg
from django.conf import settings
from django.db import transaction

# Prepared statements are about one person each, so one plan serves all of them: made for each
# person again, it takes longer than the statement.
_PLAN_MODE = "force_generic_plan"
# The words of PgBouncer and of AWS' RDS Proxy, which are not translated.
_REFUSED = re.compile(r"unsupported startup parameter|command-line options")
# Hosts and ports where a pooler has refused options: it would log an error for each connection.
_refused: set[tuple[Any, Any]] = set()
# Why the last connection to a host and port failed.
_failures: dict[tuple[Any, Any], str] = {}


class Connection(psycopg.Connection[Any]):
    """A connection that knows if a pooler stands between it and PostgreSQL."""

    is_pooled = False

    @classmethod
    def connect(cls, conninfo: str = "", **params: Any) -> Self:
        address = params.get("host", ""), params.get("port", "")
        options = "" if address in _refused else _options()
        try:
            connection = super().connect(conninfo, **{**params, "options": options})
            # Only PostgreSQL knows if the options have reached it.
            [mode] = connection.execute("SHOW plan_cache_mode").fetchone() or [""]
        except psycopg.OperationalError as error:
            if options and _REFUSED.search(str(error)):
                _refused.add(address)
                return cls.connect(conninfo, **params)
            _failures[address] = str(error)
            raise
        _failures.pop(address, None)
        connection.is_pooled = mode != _PLAN_MODE or not options
        return connection


def failure(host: Any, port: Any) -> str | None:
    """Return why the last connection to a host and port failed, if it did."""
    return _failures.get((host, port))


def _options() -> str:
    return f"-c statement_timeout={settings.STATEMENT_SECONDS}s -c plan_cache_mode={_PLAN_MODE}"


def is_pooled(connection: Any) -> bool:
    """Return whether a pooler stands between a connection of psycopg's and PostgreSQL."""
    return getattr(connection, "is_pooled", False)


def set_limit() -> str:
    """Return the statement that limits the others of its transaction behind a pooler."""
    return f"SET LOCAL statement_timeout = '{settings.STATEMENT_SECONDS}s'"


def limited(django: Any) -> AbstractContextManager[Any]:
    """Return a transaction for a statement of a service that has none, if a pooler needs one."""
    needs_limit = settings.STATEMENT_SECONDS and is_pooled(django.connection)
    if needs_limit and django.get_autocommit():
        atomic: AbstractContextManager[Any] = transaction.atomic(using=django.alias)
        return atomic
    return nullcontext()


def limit_statement(
    execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute an SQL statement with its limit (a database wrapper of Django's)."""
    with limited(context["connection"]):
        return execute(sql, params, many, context)
