"""Connecting a person's Oura account, and letting go of it."""

from dataclasses import dataclass
from typing import Any

import requests
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from oura import provider, tokens, vault
from oura.client import origin_of
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
    try:
        oura_user_id = account_id(grant.access_token)
    except OuraError:
        give_back(grant)
        raise
    if Connection.objects.filter(user=user).exclude(oura_user_id=oura_user_id).exists():
        give_back(grant)
        raise AnothersAccount(
            "You are connected to a different Oura account. Disconnect it first; two people's days "
            "would mix."
        )
    fields = {
        **tokens.kept(grant),
        "oura_user_id": oura_user_id,
        "origin": origin_of(settings.OURA_API_URL),
        "scopes": list(scopes),
        "connected_at": timezone.now(),
        "collected_at": None,
        "asked_at": None,
        "problem": "",
    }
    try:
        with transaction.atomic():
            before = Connection.objects.select_for_update().filter(user=user).first()
            # Whoever read the old tokens must not take the lease for the new ones.
            fields["generation"] = before.generation + 1 if before else 0
            connection, _ = Connection.objects.update_or_create(user=user, defaults=fields)
    except IntegrityError:
        give_back(grant)
        raise AnothersAccount(
            "This Oura account is connected to another person here; each connects their own."
        ) from None
    log.info("connected", connection=connection.pk, scopes=sorted(scopes))
    return Connected(connection, tuple(set(provider.SCOPES) - set(scopes)))


def give_back(grant: provider.Grant) -> None:
    """What is not kept must not live on at Oura."""
    provider.revoke(grant.refresh_token, grant.token_url)


def account_id(access_token: str) -> str:
    """Oura's id of the account. Raises OuraForbidden or OuraUnavailable."""
    try:
        answer = provider.plain_session().get(
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
            provider.revoke(vault.unseal(sealed), connection.token_url)
            for sealed in (connection.refresh_token, connection.access_token)
        ]
        revoked = all(ended)
    except vault.Sealed:
        revoked = False
    connection.delete()
    log.info("disconnected", revoked=revoked)
    return revoked
