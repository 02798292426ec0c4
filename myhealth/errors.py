"""Errors, in the format that all services use: `{"detail", "code", "errors"}`."""

import time
from typing import Any

import structlog

from myhealth.postgresql.errors import sqlstate, trouble

log = structlog.get_logger("myhealth.errors")

_RETRY_AFTER_SECONDS = "5"
# What to do where an account has the days of another Oura account.
START_OVER = (
    "Use a separate account for it. To start over with this account, delete its stored days first "
    "(on its account page, or with manage.py delete_person USER --data-only --yes). If the same "
    "person has a new id at Oura, use manage.py accept_owner USER --yes instead."
)

MIGRATE = "The database lacks migrations of this version: run `manage.py migrate`, or restart."


class Invalid(Exception):
    """Invalid input, as messages by field: `Invalid({"end": ["…"]})`.

    `code` is a stable word for programs. An exception that a view does not catch becomes a 400.
    """

    def __init__(self, errors: dict[str, list[str]], code: str = "invalid") -> None:
        self.errors = errors
        self.code = code
        super().__init__(join_messages(errors))


def join_messages(errors: dict[str, list[str]]) -> str:
    """Return the messages of all fields in one line."""
    return " ".join(f"{field}: {text}" for field, messages in errors.items() for text in messages)


def error_body(
    detail: str, code: str, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    return {"detail": detail, "code": code, "errors": errors or {}}


# When each trouble with the database was logged last: requests would flood the log.
_logged: dict[str, float] = {}
_SECONDS_BETWEEN_LINES = 60


def log_database_error(error: Exception) -> None:
    """Log what is wrong with the database, each trouble at most once a minute."""
    found = trouble(error)
    reason = found.advice if found else type(error).__name__
    now = time.monotonic()
    if now - _logged.get(reason, -_SECONDS_BETWEEN_LINES) >= _SECONDS_BETWEEN_LINES:
        _logged[reason] = now
        log.error("database unavailable", reason=reason, sqlstate=sqlstate(error) or None)


def database_unavailable(error: Exception) -> tuple[dict[str, Any], dict[str, str]]:
    """Log why the database fails; return the body and the headers of the 503 response."""
    log_database_error(error)
    found = trouble(error)
    detail = found.public if found else "The database can't do this right now; try again shortly."
    return error_body(detail, "unavailable"), {"Retry-After": _RETRY_AFTER_SECONDS}


def migrations_missing() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body and the headers of the 503 response while the tables are those of an
    earlier version.
    """
    return error_body(MIGRATE, "migrations"), {"Retry-After": _RETRY_AFTER_SECONDS}
