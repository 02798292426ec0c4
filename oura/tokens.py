"""A connection's access token, renewed in time by exactly one of all our processes."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from oura import provider, vault
from oura.errors import Disconnected, OuraUnavailable
from oura.models import Connection, ConnectionQuerySet

log = structlog.get_logger("oura.tokens")

# Longer than a person's run takes.
MARGIN = timedelta(minutes=15)
# Longer than Oura may take to answer, so nobody takes over from one who waits.
LEASE = timedelta(minutes=10)
PATIENCE = 60.0  # Seconds to wait for another process's renewal.
PAUSE = 0.1
RECONNECT = "Connect Oura again on your account page."


def access_token(
    pk: int,
    *,
    refused: str = "",
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return a token that is good for a while; `refused` is one that Oura did not take.

    Raises Disconnected, or OuraUnavailable when it may work later.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        held = Connection.objects.get(pk=pk)
        if held.ended:
            raise Disconnected(f"The connection is {held.get_ended_display()}. {RECONNECT}")
        token = vault.unseal(held.access_token)
        if held.expires_at > now() + MARGIN and token != refused:
            return token
        if lease := take_lease(held, now()):
            return renew(held, lease)
        sleep(PAUSE)
    raise OuraUnavailable("Another process is renewing this connection; try again later.")


def take_lease(held: Connection, now: datetime) -> uuid.UUID | None:
    """Become the one who renews these tokens; None when somebody else is, or has.

    Committed by itself: a process that dies with the lease leaves `unanswered` behind.
    """
    lease = uuid.uuid4()
    taken = (
        Connection.objects.living()
        .filter(Q(leased_until=None) | Q(leased_until__lt=now))
        .filter(pk=held.pk, generation=held.generation)
        .update(lease=lease, leased_until=now + LEASE, unanswered=True)
    )
    return lease if taken else None


def renew(held: Connection, lease: uuid.UUID) -> str:
    """Spend the refresh token and keep the new pair before anybody uses it."""
    mine = Connection.objects.filter(pk=held.pk, lease=lease)
    try:
        grant = provider.refresh(vault.unseal(held.refresh_token), held.token_url)
    except provider.GrantRefused:
        # A renewal before this one may have spent the token and died with the answer.
        ended = Connection.Ended.INTERRUPTED if held.unanswered else Connection.Ended.REFUSED
        if not mine.filter(generation=held.generation).update(ended=ended, lease=None):
            raise OuraUnavailable("The connection was renewed meanwhile; try again.") from None
        log.error("connection ended", reason=ended.value, connection=held.pk)
        raise Disconnected(f"The connection is {ended.label}. {RECONNECT}") from None
    except BaseException:
        mine.update(lease=None, leased_until=None)
        raise
    scopes = {} if grant.scopes is None else {"scopes": list(grant.scopes)}
    changes = {**kept(grant), **scopes, "generation": held.generation + 1}
    # Not by the lease: even one that ran out must not cost the only good tokens.
    if not keep(Connection.objects.filter(pk=held.pk, generation=held.generation), changes):
        provider.revoke(grant.refresh_token, grant.token_url)
        raise Disconnected(f"The connection was ended or renewed meanwhile. {RECONNECT}")
    log.info("connection renewed", connection=held.pk)
    return grant.access_token


def keep(row: ConnectionQuerySet, changes: dict[str, object]) -> int:
    """Write tokens that exist nowhere else: a database that is away is waited for, some minutes."""
    for pause in (*[1.0] * 10, *[10.0] * 12):
        try:
            return row.update(**changes)
        except (OperationalError, InterfaceError):
            log.error("the new tokens can't be written; trying again")
            connection.close()
            time.sleep(pause)
    return row.update(**changes)


def kept(grant: provider.Grant) -> dict[str, object]:
    """The columns that a grant fills."""
    return {
        "access_token": vault.seal(grant.access_token),
        "refresh_token": vault.seal(grant.refresh_token),
        "expires_at": grant.expires_at,
        "token_url": grant.token_url,
        "lease": None,
        "leased_until": None,
        "unanswered": False,
        "ended": "",
    }
