"""Finding, checking and locking the account that a request is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection

from myhealth.errors import Invalid

_FOREIGN_KEY_VIOLATION = "23503"


def find_user_id(name: Any) -> int:
    """Return the id of the account of that name, ignoring case.

    Without a name it is the account that `OURA_USER` names, or else the only one. Raises Invalid;
    never creates an account.
    """
    users = get_user_model()._default_manager
    if name is None or name == "":
        if settings.OURA_USER:
            return find_user_id(settings.OURA_USER)
        ids = list(users.values_list("pk", flat=True)[:2])
        if len(ids) == 1:
            return int(ids[0])
        raise Invalid({"user": ["It is missing; expected the name of an account."]}, "unknown_user")
    if not isinstance(name, str) or "\x00" in name:
        raise Invalid({"user": ["It must be a string: the name of an account."]}, "unknown_user")
    try:
        return int(users.get_by_natural_key(name).pk)
    except get_user_model().DoesNotExist:
        raise _unknown_account() from None


@contextmanager
def account_must_exist() -> Iterator[None]:
    """Raise Invalid if the account has been deleted in the meantime."""
    try:
        yield
    except IntegrityError as error:
        if sqlstate(error) != _FOREIGN_KEY_VIOLATION:
            raise
        raise _unknown_account() from None


def _unknown_account() -> Invalid:
    return Invalid({"user": ["There is no account with this name."]}, "unknown_user")


def sqlstate(error: Exception) -> str:
    """Return PostgreSQL's code of the error that caused an exception of Django."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def lock_person(purpose: str, user_id: int) -> None:
    """Wait for the lock of a person for a purpose, and hold it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), (%s %% 2147483647)::integer)",
            [purpose, user_id],
        )
