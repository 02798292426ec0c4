"""Whose data a request is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError

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
        raise Invalid({"user": ["There is no account of this name."]}, "unknown_user") from None


@contextmanager
def known_person() -> Iterator[None]:
    """Raises Invalid for an account that was deleted meanwhile."""
    try:
        yield
    except IntegrityError as error:
        if getattr(error.__cause__, "sqlstate", None) != FOREIGN_KEY_VIOLATION:
            raise
        raise Invalid({"user": ["There is no account of this name."]}, "unknown_user") from None
