"""Whose data a request is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection

from myhealth.errors import Invalid

FOREIGN_KEY_VIOLATION = "23503"


def user_id_of(name: Any) -> int:
    """The account of that name, whatever its case; without a name `OURA_USER` or the only account.

    Raises Invalid; accounts are never made here.
    """
    users = get_user_model()._default_manager
    if name is None or name == "":
        if settings.OURA_USER:
            return user_id_of(settings.OURA_USER)
        ids = list(users.values_list("pk", flat=True)[:2])
        if len(ids) == 1:
            return int(ids[0])
        raise Invalid({"user": ["It is missing; expected an account's name."]}, "unknown_user")
    if not isinstance(name, str) or "\x00" in name:
        raise Invalid({"user": ["It must be a text, an account's name."]}, "unknown_user")
    try:
        return int(users.get_by_natural_key(name).pk)
    except get_user_model().DoesNotExist:
        raise unknown() from None


@contextmanager
def known_person() -> Iterator[None]:
    """Raises Invalid for an account that was deleted meanwhile."""
    try:
        yield
    except IntegrityError as error:
        if sqlstate(error) != FOREIGN_KEY_VIOLATION:
            raise
        raise unknown() from None


def unknown() -> Invalid:
    return Invalid({"user": ["There is no account of this name."]}, "unknown_user")


def sqlstate(error: Exception) -> str:
    """PostgreSQL's code of what a database error of Django's came from."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def lock_person(what: str, user_id: int) -> None:
    """One at a time does `what` for a person, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), (%s %% 2147483647)::integer)",
            [what, user_id],
        )
