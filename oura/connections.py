"""Connecting a person's Oura account, and disconnecting it."""

from dataclasses import dataclass
from typing import Any

import requests
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Origin
from myhealth.errors import START_OVER
from oura import provider, tokens, vault
from oura.client import parse_user_id
from oura.errors import OuraError, OuraForbidden, OuraUnavailable
from oura.exchange import connection_problem, session_for
from oura.models import Connection
from oura.origin import origin_of

log = structlog.get_logger("oura.connections")


class AccountMismatch(OuraError):
    """The Oura account is connected to another person, or the person to another Oura account."""

    kind = "anothers"


@dataclass(frozen=True)
class ConnectResult:
    """A connection, and the scopes that were requested and not granted."""

    connection: Connection
    missing_scopes: tuple[str, ...]


def redirect_uri() -> str:
    return f"{settings.PUBLIC_URL}/connect/oura/callback"


def connect(user: Any, code: str, verifier: str) -> ConnectResult:
    """Exchange the code of a consent for tokens, and store them.

    Raises GrantRefused, OuraForbidden, OuraUnavailable or AccountMismatch.
    """
    grant = provider.exchange_code(code, verifier, redirect_uri())
    scopes = provider.SCOPES if grant.scopes is None else grant.scopes
    try:
        oura_user_id = _fetch_oura_user_id(grant.access_token)
    except OuraError:
        _revoke(grant)
        raise
    if refusal := _owner_refusal(user, oura_user_id):
        _revoke(grant)
        raise AccountMismatch(refusal)
    fields = {
        **tokens.token_columns(grant, user.pk),
        "oura_user_id": oura_user_id,
        "origin": origin_of(settings.OURA_API_URL),
        "scopes": list(scopes),
        "connected_at": timezone.now(),
        "collected_at": None,
        "asked_at": None,
        "wanted_at": None,
        "finished_at": None,
        "problem": "",
    }
    try:
        with transaction.atomic():
            previous = Connection.objects.select_for_update().filter(user=user).first()
            # A process that has read the old tokens must not take the lease for the new ones.
            fields["generation"] = previous.generation + 1 if previous else 0
            if previous and previous.oura_user_id == oura_user_id:
                fields["collected_at"] = previous.collected_at
            connection, _ = Connection.objects.update_or_create(user=user, defaults=fields)
    except IntegrityError:
        _revoke(grant)
        raise AccountMismatch(
            "This Oura account is already connected to another person's account. Connect your own "
            "Oura account."
        ) from None
    log.info("connected", connection=connection.pk, scopes=sorted(scopes))
    return ConnectResult(connection, tuple(set(provider.SCOPES) - set(scopes)))


def origin_refusal(user: Any) -> str:
    """Return why the person can't connect any Oura account of this server; empty if they can.

    An account keeps the origin of its data until all are deleted.
    """
    origin = Origin.objects.filter(user=user).exclude(name="").first()
    name = origin_of(settings.OURA_API_URL)
    if origin is None or origin.name == name:
        return ""
    if name == "sandbox":
        return (
            "This server is connected to the sandbox, whose people are made up, and your account "
            "has a real ring's data, which are never mixed with theirs. Set up the connection to "
            "Oura first."
        )
    return (
        "Your account has sample data, which are never mixed with a ring's. Delete the sample "
        "data first, or sign in with another account."
    )


def _owner_refusal(user: Any, oura_user_id: str) -> str:
    """Return why the person can't connect this Oura account; empty if they can.

    An account keeps the origin and the owner of its data when it is disconnected.
    """
    if refusal := origin_refusal(user):
        return refusal
    origin = Origin.objects.filter(user=user).first()
    if origin and origin.owner not in ("", oura_user_id):
        return (
            "This account has the days of a different Oura account, and two people's days would be "
            f"mixed. {START_OVER}"
        )
    if Origin.objects.filter(owner=oura_user_id).exclude(user=user).exists():
        return "Another account here already has the days of this Oura account. Use that account."
    if Connection.objects.filter(user=user).exclude(oura_user_id=oura_user_id).exists():
        return "You are connected to a different Oura account. Disconnect it first."
    return ""


def _revoke(grant: provider.Grant) -> None:
    """Revoke a grant that is not stored, so that it does not stay valid at Oura."""
    provider.revoke(grant.refresh_token, grant.token_url)


def _fetch_oura_user_id(access_token: str) -> str:
    """Return Oura's id of the account. Raises OuraForbidden or OuraUnavailable."""
    try:
        response = session_for(settings.OURA_API_URL).get(
            f"{settings.OURA_API_URL}/v2/usercollection/personal_info",
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=provider.TIMEOUT,
            allow_redirects=False,
        )
        if response.status_code == 403:
            raise OuraForbidden(
                "Oura denies access (403): renew your membership at Oura, then connect again."
            )
        response.raise_for_status()
        return parse_user_id(response.json()["id"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        problem = isinstance(error, requests.RequestException) and connection_problem(error)
        raise OuraUnavailable(
            problem
            or f"Oura did not return the account's identity ({type(error).__name__}). "
            "Please connect again."
        ) from None


def disconnect(connection: Connection) -> bool:
    """Delete the connection, revoke its tokens, and return whether they are valid nowhere."""
    # First, so that what comes later finds no connection: a renewal revokes its own tokens, and a
    # consent makes a new connection. The tokens are read again: they may have been renewed.
    with transaction.atomic():
        rows = Connection.objects.filter(pk=connection.pk)
        # Not the person's row, which the processor needs until the admin's transaction ends.
        connection = rows.select_for_update(of=("self",)).first() or connection
        rows.delete()
    # Both, since some providers revoke only the given token.
    revoked = [_revoke_stored(connection, column) for column in (vault.REFRESH, vault.ACCESS)]
    log.info("disconnected", revoked=all(revoked))
    return all(revoked)


def _revoke_stored(connection: Connection, column: str) -> bool:
    if connection.origin != origin_of(settings.OURA_API_URL):
        # Tokens are sent nowhere else; the sandbox's open nobody's data.
        return connection.origin == "sandbox"
    try:
        return provider.revoke(vault.decrypt(connection, column), connection.token_url)
    except vault.CannotDecrypt:
        return False
