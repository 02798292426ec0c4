"""Finding, checking and locking the account that a request is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection
from rest_framework.exceptions import APIException

from myhealth.errors import Invalid
from myhealth.postgresql.prepared import fetch_all

_FOREIGN_KEY_VIOLATION = "23503"
# Waits for the lock of a person for a purpose, which is held until the transaction ends.
LOCK = "pg_advisory_xact_lock(hashtext(%s::text), (%s::bigint %% 2147483647)::integer)"


def find_user_id(name: Any) -> int:
    """Return the id of the account of that name, ignoring case.

    Without a name it is the account that `OURA_USER` names, or else the only one. Raises Invalid;
    never creates an account.
    """
    if name is None or name == "":
        name = settings.OURA_USER
    if name == "":
        accounts = fetch_all("SELECT id FROM accounts_user LIMIT 2")
        if len(accounts) == 1:
            return int(accounts[0][0])
        raise Invalid({"user": ["It is missing; expected the name of an account."]}, "unknown_user")
    if not isinstance(name, str) or "\x00" in name:
        raise Invalid({"user": ["It must be a string: the name of an account."]}, "unknown_user")
    accounts = fetch_all(_BY_NAME, [name])
    if not accounts:
        raise unknown_account()
    return int(accounts[0][0])


# The database folds both names, as its unique index does.
_BY_NAME = "SELECT id FROM accounts_user WHERE lower(username) = lower(%s::text)"


# Read while the lock is held: deleting a person's data waits for it, and changes the generation.
SELECT_GENERATION = "SELECT data_generation::text FROM accounts_user WHERE id = %s::bigint"


class DataDeleted(APIException):
    """What was sent is of a run that began before the person's data were deleted."""

    status_code = 409
    default_code = "data_deleted"
    default_detail = "This person's data have been deleted meanwhile, so nothing was stored."


def check_generation(sent: str, current: str) -> None:
    """Raise DataDeleted if a generation was sent that is not the person's any more."""
    if sent not in ("", current):
        raise DataDeleted


@contextmanager
def account_must_exist() -> Iterator[None]:
    """Raise Invalid if the account has been deleted in the meantime."""
    try:
        yield
    except IntegrityError as error:
        if sqlstate(error) != _FOREIGN_KEY_VIOLATION:
            raise
        raise unknown_account() from None


def unknown_account() -> Invalid:
    return Invalid({"user": ["There is no account with this name."]}, "unknown_user")


def sqlstate(error: Exception) -> str:
    """Return PostgreSQL's code of the error that caused an exception of Django."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def lock_person(purpose: str, user_id: int) -> None:
    """Wait for the lock of a person for a purpose, and hold it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {LOCK}", [purpose, user_id])
