"""Finding, checking and locking the account that a request is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

from django.conf import settings
from django.db import IntegrityError, connection

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
    account = account_key(name)
    if isinstance(account, int):
        return account
    accounts = fetch_all(f"SELECT {account_id(account)}", [account])
    if accounts[0][0] is None:
        raise unknown_account()
    return int(accounts[0][0])


def account_key(name: Any) -> int | str:
    """Return the name that identifies an account, or the id of the only one; see `find_user_id`.

    Raises Invalid. Whether there is such an account is for the statements to find.
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
    return name


def account_id(account: int | str) -> LiteralString:
    """Return SQL for the id of an account that `account_key` returned; null if there is none."""
    if isinstance(account, int):
        return "%s::bigint"
    # The database folds both names, as its unique index does.
    return "(SELECT id FROM accounts_user WHERE lower(username) = lower(%s::text))"


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
