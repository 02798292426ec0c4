"""Errors, in the format that all services use: `{"detail", "code", "errors"}`."""

from typing import Any

_RETRY_AFTER_SECONDS = "5"
# What to do where an account has the days of another Oura account.
START_OVER = (
    "Use an account of your own for it. To start over with this one, an administrator deletes its "
    "stored days first (manage.py delete_person USER --data-only --yes). If it is the same person "
    "with a new id at Oura: manage.py accept_owner USER --yes."
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


def database_unavailable() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body and the headers of the 503 response while the database can't be reached."""
    body = error_body("The database can't be reached; try again shortly.", "unavailable")
    return body, {"Retry-After": _RETRY_AFTER_SECONDS}


def migrations_missing() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body and the headers of the 503 response while the tables are those of an
    earlier version.
    """
    return error_body(MIGRATE, "migrations"), {"Retry-After": _RETRY_AFTER_SECONDS}
