"""A connection's access token, renewed in time by exactly one of all our processes."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db import connection as database
from django.db.models import Q
from django.utils import timezone

from oura import provider, vault
from oura.errors import Disconnected, OuraUnavailable, RunEnded
from oura.models import Connection, ConnectionQuerySet
from oura.origin import origin_of

log = structlog.get_logger("oura.tokens")

# The least that is left of a token's life; one person's collection takes less.
_MIN_LIFETIME = timedelta(minutes=15)
# Longer than Oura may take to answer, so that no other process renews in the meantime.
LEASE = timedelta(minutes=10)
_RENEWAL_WAIT_SECONDS = 60.0  # How long to wait for another process's renewal.
_POLL_SECONDS = 0.1
CONNECTION_DELETED = "The person has ended the connection."
RECONNECT = "Connect Oura again on your account page."
CHANGE_SETTINGS = "The person who runs this server can change that."


def why_lost(connection: Connection) -> str:
    """Return why nothing comes by this connection, as what follows "The connection".

    Empty if the connection works. Only what Oura said is stored: the rest depends on the settings,
    which are named last, in parentheses, and is over once they are right again.
    """
    origin = origin_of(settings.OURA_API_URL)
    if connection.ended:
        return connection.get_ended_display()
    if not settings.OURA_CLIENT_ID:
        return "can't be used, because this server is not registered at Oura (OURA_CLIENT_ID)"
    if connection.origin != origin:
        comes_from, server = _name(connection.origin), _name(origin)
        return f"comes from {comes_from}, but this server is connected to {server} (OURA_API_URL)"
    if not vault.can_decrypt(connection):
        return "can't be decrypted with the keys of this server (TOKEN_ENCRYPTION_KEYS)"
    return ""


def _name(origin: str) -> str:
    return "the sandbox" if origin == "sandbox" else "Oura"


def is_closed_by_settings(connection: Connection) -> bool:
    """Return whether the settings close a lost connection, so that reconnecting is impossible."""
    is_of_server = connection.origin == origin_of(settings.OURA_API_URL)
    return not connection.ended and not (settings.OURA_CLIENT_ID and is_of_server)


def lost_sentence(connection: Connection) -> str:
    """Return `why_lost` as a sentence, and what to do; empty if the connection works."""
    reason = why_lost(connection)
    remedy = CHANGE_SETTINGS if is_closed_by_settings(connection) else RECONNECT
    return f"The connection {reason}. {remedy}" if reason else ""


def present_problem(connection: Connection) -> str:
    """Return the last run's problem; empty if it was a lost connection that works again."""
    was_lost = connection.problem.endswith((RECONNECT, CHANGE_SETTINGS))
    return connection.problem if lost_sentence(connection) or not was_lost else ""


def access_token(
    pk: int,
    *,
    refused: str = "",
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return a token that is valid for some minutes; `refused` is one that Oura refused.

    Raises Disconnected, OuraUnavailable if a later attempt may succeed, or RunEnded if the
    connection was deleted.
    """
    deadline = time.monotonic() + _RENEWAL_WAIT_SECONDS
    while time.monotonic() < deadline:
        connection = Connection.objects.filter(pk=pk).first()
        if connection is None:
            raise RunEnded(CONNECTION_DELETED)
        if sentence := lost_sentence(connection):
            if not connection.ended:
                log.error("connection can't be used", connection=pk, error=sentence)
            raise Disconnected(sentence)
        token = vault.decrypt(connection, vault.ACCESS)
        if connection.expires_at > now() + _MIN_LIFETIME and token != refused:
            return token
        if lease := take_lease(connection, now()):
            return renew_tokens(connection, lease)
        sleep(_POLL_SECONDS)
    raise OuraUnavailable("Another process is renewing this connection; try again later.")


def take_lease(connection: Connection, now: datetime) -> uuid.UUID | None:
    """Take the right to renew these tokens; return None if another process has it or renewed them.

    This is a transaction by itself: a process that dies with the lease leaves `unanswered` set.
    """
    lease = uuid.uuid4()
    taken = (
        Connection.objects.living()
        .filter(Q(leased_until=None) | Q(leased_until__lt=now))
        .filter(pk=connection.pk, generation=connection.generation)
        .update(lease=lease, leased_until=now + LEASE, unanswered=True)
    )
    return lease if taken else None


def renew_tokens(connection: Connection, lease: uuid.UUID) -> str:
    """Use up the refresh token, store the new pair, and return the new access token.

    Raises Disconnected or OuraUnavailable.
    """
    leased = Connection.objects.filter(pk=connection.pk, lease=lease)
    same_tokens = Connection.objects.filter(pk=connection.pk, generation=connection.generation)
    try:
        grant = provider.refresh(vault.decrypt(connection, vault.REFRESH), connection.token_url)
    except provider.GrantRefused:
        # An earlier renewal may have used up the token and died before it stored the answer.
        interrupted = connection.unanswered
        ended = Connection.Ended.INTERRUPTED if interrupted else Connection.Ended.REFUSED
        current = leased.filter(generation=connection.generation)
        if not current.update(ended=ended, lease=None):
            raise OuraUnavailable(
                "Another process has renewed the connection; try again."
            ) from None
        log.error("connection ended", reason=ended.value, connection=connection.pk)
        raise Disconnected(f"The connection {ended.label}. {RECONNECT}") from None
    except BaseException:
        leased.update(lease=None, leased_until=None)
        raise
    # A renewal that names none changes none: only a consent says that nothing is shared.
    scopes = {"scopes": list(grant.scopes)} if grant.scopes else {}
    columns = {
        **token_columns(grant, connection.user_id),
        **scopes,
        "generation": connection.generation + 1,
    }
    # Not filtered by the lease: even if it has run out, these are the only valid tokens.
    if not _store_tokens(same_tokens, columns):
        provider.revoke(grant.refresh_token, grant.token_url)
        raise Disconnected(
            "The connection was ended or replaced in the meantime. If you are no longer "
            "connected, connect Oura again on your account page."
        )
    log.info("connection renewed", connection=connection.pk)
    return grant.access_token


def _store_tokens(row: ConnectionQuerySet, columns: dict[str, object]) -> int:
    """Update the row and return the number of rows.

    The tokens exist nowhere else yet, so this waits some minutes for an unavailable database.
    """
    for pause in (*[1.0] * 10, *[10.0] * 12):
        try:
            return row.update(**columns)
        except (OperationalError, InterfaceError):
            log.error("the new tokens can't be written; trying again")
            database.close()
            time.sleep(pause)
    return row.update(**columns)


def token_columns(grant: provider.Grant, user_id: int) -> dict[str, object]:
    """Return the values of a connection's columns that come from a grant."""
    return {
        "access_token": vault.encrypt(grant.access_token, user_id, vault.ACCESS),
        "refresh_token": vault.encrypt(grant.refresh_token, user_id, vault.REFRESH),
        "expires_at": grant.expires_at,
        "token_url": grant.token_url,
        "lease": None,
        "leased_until": None,
        "unanswered": False,
        "ended": "",
    }
