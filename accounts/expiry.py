"""Rows that are of no use after some time are deleted when people sign in."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

# One sign-in does not have to wait for all of them.
_AT_ONCE = 1000


def delete_expired(rows: QuerySet[Any]) -> None:
    """Delete some of these rows, but for those that another sign-in is deleting."""
    # No savepoint of its own, where the sign-in has a transaction.
    with transaction.atomic(savepoint=False):
        some = rows.select_for_update(skip_locked=True).values("pk")[:_AT_ONCE]
        rows.model._default_manager.filter(pk__in=some).delete()
