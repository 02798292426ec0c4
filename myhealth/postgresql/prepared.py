"""Prepared statements on Django's connections, for the statements that run with every request.

PostgreSQL parses and plans such a statement once for each connection, and neither Django's nor
django-prometheus' cursors stand between.
"""

import contextlib
import itertools
import select
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import Error, NotSupportedError, connections
from msgspec import Raw
from psycopg.adapt import Loader, PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from myhealth.postgresql.poolers import is_pooled, limited, set_limit
from myhealth.prometheus import DB_ERRORS, QUERY_SECONDS

Rows = list[tuple[Any, ...]]


class RawJsonLoader(Loader):
    """Return jsonb values as JSON text, to be copied into an answer without being parsed."""

    format = Format.BINARY

    def load(self, data: Any) -> Raw:
        # The first byte is the version of the format.
        return Raw(bytes(data)[1:])


class Statement(NamedTuple):
    """A statement of a `Transaction`, with a value for each `%s`, which needs a cast.

    If it is not `prepared`, it is planned each time, for tables of the size that they have then.
    """

    sql: str
    values: Sequence[Any] = ()
    prepared: bool = True


def fetch_all(
    sql: str, parameters: Sequence[Any] = (), *, using: str = "default", raw_json: bool = False
) -> Rows:
    """Return the rows of a statement; none for a statement that returns no rows.

    The parameters stand in the statement as %s or as $1, $2 and so on. It belongs to the
    transaction of Django's connection, if there is one. JSON is returned as text, or as
    `msgspec.Raw`. Raises Django's database errors.
    """
    connection = connections[using]
    connection.validate_no_broken_transaction()
    with _measured(connection, sql):
        connection.ensure_connection()
        cursor = psycopg.RawCursor(connection.connection)
        prepare = _may_prepare(connection.connection)
        with limited(connection):
            cursor.execute(_numbered(sql), parameters, prepare=prepare, binary=raw_json)
        # Not `description`, which makes an object for each column.
        returns_rows = cursor.pgresult is not None and cursor.pgresult.nfields > 0
        return cursor.fetchall() if returns_rows else []


@contextlib.contextmanager
def _measured(connection: Any, *statements: str) -> Iterator[None]:
    """Raise Django's database errors; record the time of statements that are sent together."""
    started = time.perf_counter()
    try:
        with connection.wrap_database_errors:
            yield
    except Exception as error:
        DB_ERRORS.inc()
        if isinstance(error, NotSupportedError) and not connection.in_atomic_block:
            # A prepared statement may no longer fit a table, so the pool shall replace this one.
            connection.connection.close()
        raise
    finally:
        seconds = time.perf_counter() - started
        QUERY_SECONDS.observe(seconds)
        if connection.queries_logged:
            # Tests count the statements of a request.
            connection.queries_log.extend(
                {"sql": sql, "time": f"{seconds:.3f}"} for sql in statements
            )


class Transaction:
    """A transaction, or a savepoint inside one of Django's, in few round trips.

    The statements of each call of `execute` are sent together; each has a snapshot of its own. The
    first call begins the transaction. As a context manager it is rolled back unless a call has
    committed it. psycopg's own pipelines take five times as long as libpq's, so those are used.
    """

    def __init__(self, *, using: str = "default") -> None:
        self._django = connections[using]
        self._is_open = False

    def __enter__(self) -> Self:
        self._django.validate_no_broken_transaction()
        self._django.ensure_connection()
        self._commands = _SAVEPOINT if self._django.in_atomic_block else _TRANSACTION
        self._begin = [self._commands[0]]
        if not self._django.in_atomic_block and is_pooled(self._django.connection):
            self._begin.append(Statement(set_limit(), prepared=False))
        if self._django.in_atomic_block:
            # psycopg begins Django's transaction with its first statement.
            fetch_all("SELECT 1", using=self._django.alias)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_open:
            # Without a connection, there is nothing to roll back.
            with contextlib.suppress(Error):
                self._send([self._commands[2]])

    def execute(self, *statements: Statement, commit: bool = False) -> list[Rows]:
        """Return the rows of each statement; JSON has to be cast to text.

        With `commit`, the transaction ends. Raises Django's database errors.
        """
        first = [] if self._is_open else self._begin
        end = self._commands[1]
        rows = self._send([*first, *statements, *([end] if commit else [])])
        self._is_open = not commit
        return rows[len(first) : len(first) + len(statements)]

    def _send(self, statements: Sequence[Statement]) -> list[Rows]:
        if self._django.in_atomic_block:
            # psycopg may deallocate all statements after a savepoint has been rolled back.
            statements = [each._replace(prepared=False) for each in statements]
        with _measured(self._django, *(each.sql for each in statements)):
            # A value that can't be sent is an error of the caller, not of the connection.
            sendable = [_Sendable(each, *_dump(each.values)) for each in statements]
            self._is_open = True
            return _run(self._django.connection, sendable)


class _Sendable(NamedTuple):
    """A statement with its values for libpq, and their formats."""

    statement: Statement
    parameters: Sequence[Any]
    formats: Sequence[Format] | None


# The statement that ends a failed transaction must not fail itself.
_TRANSACTION = (Statement("BEGIN"), Statement("COMMIT"), Statement("ROLLBACK", prepared=False))
_SAVEPOINT = (
    Statement("SAVEPOINT prepared"),
    Statement("RELEASE SAVEPOINT prepared"),
    Statement("ROLLBACK TO SAVEPOINT prepared"),
)
# The names of each connection's prepared statements, and numbers for them. After an error it isn't
# known which of a pipeline's new ones were prepared, so none is used again.
_numbers = itertools.count()
_names: WeakKeyDictionary[psycopg.Connection[Any], dict[str, bytes]] = WeakKeyDictionary()
# How long to try to tell the server that a statement is cancelled.
_CANCEL_SECONDS = 5.0


def _run(connection: psycopg.Connection[Any], statements: Sequence[_Sendable]) -> list[Rows]:
    """Return the rows of each statement."""
    try:
        return _pipeline(connection, statements)
    except psycopg.errors.InvalidSqlStatementName:
        # psycopg deallocates all statements after a rollback. So it was BEGIN that failed, and
        # nothing has happened.
        _names.pop(connection, None)
        return _pipeline(connection, statements)


def _pipeline(connection: psycopg.Connection[Any], statements: Sequence[_Sendable]) -> list[Rows]:
    names, new = _names.setdefault(connection, {}), dict[str, bytes]()
    pgconn = connection.pgconn
    may_prepare = _may_prepare(connection)
    pgconn.enter_pipeline_mode()
    try:
        for (sql, _, prepared), parameters, formats in statements:
            if not prepared or not may_prepare:
                pgconn.send_query_params(_numbered(sql), parameters, None, formats, Format.BINARY)
                continue
            if (name := names.get(sql) or new.get(sql)) is None:
                name = new[sql] = f"prepared_{next(_numbers)}".encode()
                pgconn.send_prepare(name, _numbered(sql))
            pgconn.send_query_prepared(name, parameters, formats, Format.BINARY)
        pgconn.pipeline_sync()
        results = _results(pgconn)
        pgconn.exit_pipeline_mode()
    except BaseException:
        _abandon(connection)
        raise
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    names.update(new)
    # That a statement is prepared has a result as well, without the name of a command.
    return [_rows(result) for result in results if result.command_status]


def _may_prepare(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the next transaction finds the statements that this one prepares."""
    chosen: bool | None = settings.DB_PREPARED_STATEMENTS
    return not is_pooled(connection) if chosen is None else chosen


def _abandon(connection: psycopg.Connection[Any]) -> None:
    """Close a connection in the middle of a pipeline, without waiting for what was sent.

    The server would go on with it, and commit it, unless it is stopped.
    """
    try:
        if not connection.closed:
            connection.cancel_safe(timeout=_CANCEL_SECONDS)
    except psycopg.Error:
        pass
    finally:
        connection.close()


def _dump(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Format] | None]:
    """Return the values for libpq, and their formats."""
    if not values:
        return [], []
    transformer = Transformer()
    return transformer.dump_sequence(values, list(map(_format, values))), transformer.formats


def _format(value: Any) -> PyFormat:
    """Return the format of a value.

    Text has no type of its own, as a cast needs it, but takes twice the space for bytes. A list of
    whole numbers would have the type of the smallest integers that hold them.
    """
    kind = type(value)
    if kind is list and value:
        return PyFormat.TEXT if type(value[0]) is int else PyFormat.BINARY
    return PyFormat.BINARY if kind is bytes else PyFormat.TEXT


@lru_cache(maxsize=512)
def _numbered(sql: str) -> bytes:
    """Return a statement with its parameters as $1, $2 and so on.

    psycopg would look for %s each time, which takes a while for long statements.
    """
    first, *parts = sql.split("%s")
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(parts, 1))
    return numbered.replace("%%", "%").encode()


def _results(pgconn: PGconn) -> list[PGresult]:
    """Return the results of a pipeline. Other threads run while this one waits."""
    events = select.poll()
    events.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        events.poll()
        pgconn.consume_input()
    events.modify(pgconn.socket, select.POLLIN)
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            events.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            # Between the results of two statements, or of a lost connection.
            if pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError(pgconn.get_error_message())
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


def _rows(result: PGresult) -> Rows:
    if not result.ntuples:
        return []
    transformer = Transformer()
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)
