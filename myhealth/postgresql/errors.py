"""What is wrong with the database, in a sentence for those who use it, and one for its operator."""

import re
from types import TracebackType
from typing import Any, NamedTuple

import psycopg
from django.db import DatabaseError, InterfaceError, NotSupportedError, OperationalError
from django.db.utils import DatabaseErrorWrapper


class ServerMissing(OperationalError):
    """There is no PostgreSQL to connect to; the message says what to do."""


class Trouble(NamedTuple):
    """Something wrong with the database that is not our mistake.

    It is known by PostgreSQL's code, of which these are the first letters, or, before there is a
    connection, by words. What names hosts, users and databases is never quoted.
    """

    codes: tuple[str, ...]
    words: str
    # What to do, for the operator.
    advice: str
    # What is wrong, for everybody else.
    public: str = "The database can't be reached; try again shortly."


_SLOW = "The database is taking too long; try again shortly."
_UNKNOWN = Trouble((), "", "PostgreSQL can't be reached: check DB_HOST and DB_PORT, and its log.")
_TROUBLES = (
    Trouble(
        ("53100",),
        "No space left on device",
        "PostgreSQL's disk is full: free some space. Nothing was partly stored.",
        "The database has no space left; try again later.",
    ),
    Trouble(
        ("25006",),
        "read-only transaction",
        "The database is read-only: DB_HOST must name the main server, not a replica, and "
        "default_transaction_read_only must be off.",
        "The database is read-only; try again later.",
    ),
    Trouble(
        ("53300",),
        "too many (clients|connections)|connection slots|no more connections allowed",
        "PostgreSQL has no connections left: raise its max_connections, or lower DB_POOL_SIZE.",
        "The database is overloaded; try again shortly.",
    ),
    Trouble(
        ("53", "54"),
        "out of memory",
        "PostgreSQL has run out of memory or reached another limit: see its log.",
        "The database is overloaded; try again shortly.",
    ),
    Trouble(("57014",), "statement timeout", "A statement took too long and was cancelled.", _SLOW),
    Trouble(
        ("55P03", "40"), "", "A statement waited too long for another one and was cancelled.", _SLOW
    ),
    Trouble(
        ("58",),
        "",
        "PostgreSQL can't read or write some of its files: see its log.",
        "The database has a fault; try again later.",
    ),
    Trouble(
        ("42501", "3F000"),
        "permission denied for",
        "PostgreSQL doesn't allow this user to do that: make the user the owner of the database, "
        "or run GRANT ALL ON SCHEMA public TO the user in that database (needed with PostgreSQL "
        "15 and newer).",
    ),
    Trouble(
        ("3D000",),
        'database ".*" does not exist|no such database',
        "PostgreSQL has no database of this name: create it, or check DB_NAME.",
    ),
    Trouble(
        ("28",),
        "authentication failed|no password supplied|no such user|role .* does not exist"
        "|not permitted to log in|SASL|SCRAM",
        "PostgreSQL rejects the user or the password: check DB_USER and DB_PASSWORD.",
    ),
    Trouble(
        (),
        "pg_hba.conf",
        "PostgreSQL does not accept this user from this machine, or not without TLS: check "
        "pg_hba.conf and DB_SSLMODE.",
    ),
    Trouble(
        (),
        "does not support SSL|invalid response to SSL",
        "PostgreSQL does not offer TLS, but DB_SSLMODE requires it: turn TLS on in PostgreSQL, or "
        "change DB_SSLMODE.",
    ),
    Trouble(
        (),
        "certificate|SSL",
        "The TLS connection to PostgreSQL fails: check DB_SSLROOTCERT, and that DB_HOST is a name "
        "in PostgreSQL's certificate.",
    ),
    Trouble((), "resolve host|translate host name", "PostgreSQL's host is unknown: check DB_HOST."),
    Trouble(
        ("57P",),
        "starting up|shutting down|recovery mode|not yet accepting|server.login|terminating",
        "PostgreSQL is starting or stopping, or has been stopped: try again shortly.",
    ),
    Trouble(
        ("08",),
        "refused|No such file|server closed the connection|connection is lost",
        "No PostgreSQL server answers: check DB_HOST and DB_PORT, and that it is running.",
    ),
    Trouble(
        (),
        "couldn't get a connection|time|unreachable|No route",
        "PostgreSQL does not answer in time, or all connections are in use (DB_POOL_SIZE).",
    ),
    Trouble((), "or later is required", "PostgreSQL is too old: myhealth needs 14 or newer."),
)


def sqlstate(error: BaseException | None) -> str:
    """Return PostgreSQL's code of the error behind an exception, if it has one."""
    while error:
        if code := getattr(error, "sqlstate", None):
            return str(code)
        error = error.__cause__ or error.__context__
    return ""


def trouble(error: BaseException) -> Trouble | None:
    """Return what is wrong with the database, or None if an exception is about something else."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    if isinstance(error, ServerMissing):
        return _UNKNOWN._replace(advice=str(error))
    code, text = sqlstate(error), str(error)
    if code:
        return next((each for each in _TROUBLES if code.startswith(each.codes)), None)
    if not isinstance(error, OperationalError | InterfaceError | NotSupportedError):
        return None
    known = (each for each in _TROUBLES if each.words and re.search(each.words, text))
    return next(known, None if isinstance(error, NotSupportedError) else _UNKNOWN)


class ErrorWrapper(DatabaseErrorWrapper):
    """Django's, for which a database that has become read-only is as unavailable as any other.

    The connection is closed: after a failover, the next one may lead to the main server.
    """

    def __init__(self, wrapper: Any) -> None:
        super().__init__(wrapper)
        self._django = wrapper

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            self._django.errors_occurred = True
            self._django.connection.close()
            raise OperationalError(*error.args) from error
        super().__exit__(kind, error, traceback)
