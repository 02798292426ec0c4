"""Connecting a person's Oura account, and letting go of it."""

from dataclasses import dataclass
from typing import Any

import requests
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from oura import provider, tokens, vault
from oura.errors import OuraError, OuraForbidden, OuraUnavailable
from oura.models import Connection

log = structlog.get_logger("oura.connections")


class AnothersAccount(OuraError):
    """This Oura account is connected to somebody else here."""

    kind = "anothers"


@dataclass(frozen=True)
class Connected:
    """What a consent led to; `missing` are scopes that were asked for and not granted."""

    connection: Connection
    missing: tuple[str, ...]


def redirect_uri() -> str:
    return f"{settings.PUBLIC_URL}/connect/oura/callback"


def connect(user: Any, code: str, verifier: str) -> Connected:
    """Exchange a consent's code for tokens and keep them.

    Raises GrantRefused, OuraForbidden, OuraUnavailable or AnothersAccount.
    """
    grant = provider.exchange(code, verifier, redirect_uri())
    scopes = provider.SCOPES if grant.scopes is None else grant.scopes
    oura_user_id = account_id(grant.access_token)
    if Connection.objects.filter(user=user).exclude(oura_user_id=oura_user_id).exists():
        provider.revoke(grant.refresh_token)
        raise AnothersAccount(
            "You are connected to a different Oura account. Disconnect it first; two people's days "
            "would mix."
        )
    fields = {
        **tokens.kept(grant),
        "oura_user_id": oura_user_id,
        "scopes": list(scopes),
        "connected_at": timezone.now(),
        "collected_at": None,
        "asked_at": None,
        "problem": "",
    }
    try:
        with transaction.atomic():
            connection, _ = Connection.objects.update_or_create(user=user, defaults=fields)
    except IntegrityError:
        provider.revoke(grant.refresh_token)
        raise AnothersAccount(
            "This Oura account is connected to another person here; each connects their own."
        ) from None
    log.info("connected", connection=connection.pk, scopes=sorted(scopes))
    return Connected(connection, tuple(set(provider.SCOPES) - set(scopes)))


def account_id(access_token: str) -> str:
    """Oura's id of the account. Raises OuraForbidden or OuraUnavailable."""
    try:
        answer = requests.get(
            f"{settings.OURA_API_URL}/v2/usercollection/personal_info",
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=provider.TIMEOUT,
            allow_redirects=False,
        )
        if answer.status_code == 403:
            raise OuraForbidden(
                "Oura does not permit it (403): renew your membership at Oura, then connect again."
            )
        answer.raise_for_status()
        return str(answer.json()["id"])[:128]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise OuraUnavailable(
            f"Oura did not tell whose account it is ({type(error).__name__}); connect again."
        ) from None


def disconnect(connection: Connection) -> bool:
    """Revoke the tokens at Oura and forget them; whether Oura confirmed it."""
    try:
        # Both, since some providers end only the token that is named.
        ended = [
            provider.revoke(vault.unseal(sealed))
            for sealed in (connection.refresh_token, connection.access_token)
        ]
        revoked = all(ended)
    except vault.Sealed:
        revoked = False
    connection.delete()
    log.info("disconnected", revoked=revoked)
    return revoked
