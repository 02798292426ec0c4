"""Rows that are of no use after some time: deleted when people sign in, and after each collection.

Here are all of the tables that sign-ins fill.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import FailedSignIn, KnownNetwork, TokenFamily

# The longest that any limit on failed sign-ins looks back.
_FAILURES_FOR = timedelta(hours=1)
KNOWN_FOR = timedelta(days=30)
# One request does not have to wait for all of them.
_AT_ONCE = 1000


def old_sessions(now: datetime) -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lte=now)


def old_families(now: datetime) -> QuerySet[TokenFamily]:
    return TokenFamily.objects.filter(expires_at__lte=now)


def old_failures(now: datetime) -> QuerySet[FailedSignIn]:
    return FailedSignIn.objects.filter(at__lt=now - _FAILURES_FOR)


def old_networks(now: datetime) -> QuerySet[KnownNetwork]:
    return KnownNetwork.objects.filter(at__lt=now - KNOWN_FOR)


def delete_expired(*several: QuerySet[Any]) -> None:
    """Delete some of these rows, but for those that another request is deleting."""
    # No savepoint of its own, where the sign-in has a transaction.
    with transaction.atomic(savepoint=False):
        for rows in several:
            some = rows.select_for_update(skip_locked=True).values("pk")[:_AT_ONCE]
            rows.model._default_manager.filter(pk__in=some).delete()


def delete_all_expired(now: datetime, *more: QuerySet[Any]) -> None:
    """Delete some of the expired rows of all sign-ins, and of these."""
    delete_expired(
        old_sessions(now), old_families(now), old_failures(now), old_networks(now), *more
    )
