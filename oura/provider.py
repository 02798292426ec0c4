"""Oura as an OAuth2 provider: where its endpoints are, and what is asked of them.

Oura moved them in 2026. Its discovery document is the source of truth; applications of the old
portal still have theirs beside the API. A new application's perfect credentials get 400
`invalid_request` or `Invalid client` at the old address, so both are tried.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings

from metrics import TYPES
from oura.errors import OuraError, OuraUnavailable

log = structlog.get_logger("oura.provider")

# What people are asked for: whose account it is, and what the metric types need.
SCOPES = ("personal", *dict.fromkeys(each.scope for each in TYPES.values()))
PREFIX = "extapi:"
TIMEOUT = (5.0, 20.0)
KEPT, MISSED = 3600.0, 60.0  # Seconds for which a discovery document, or its lack, is believed.
FALLBACK = "https://moi.ouraring.com/oauth/v2/ext/oauth"


class GrantRefused(OuraError):
    """`invalid_grant`: the code or refresh token is spent, expired or revoked, for good."""

    kind = "disconnected"


@dataclass(frozen=True)
class Endpoints:
    """Where to ask; `tokens` in the order in which to try."""

    issuer: str
    authorize: str
    tokens: tuple[str, ...]
    revoke: str
    prefixed: bool


@dataclass(frozen=True)
class Grant:
    """What Oura gave: tokens, when the access token ends, the scopes, and the address it came from.

    `scopes` is None where the answer names none: then all that were asked for (RFC 6749, 5.1).
    """

    access_token: str
    refresh_token: str
    expires_at: datetime
    scopes: tuple[str, ...] | None
    token_url: str


_found: dict[str, tuple[float, dict[str, Any]]] = {}


def endpoints() -> Endpoints:
    """What the settings say, else Oura's discovery document, else what is known of it."""
    document = discovered()
    token = settings.OURA_TOKEN_URL or document.get("token_endpoint", f"{FALLBACK}-token")
    old = f"{settings.OURA_API_URL}/oauth/token"
    return Endpoints(
        issuer=str(document.get("issuer", "")),
        authorize=settings.OURA_AUTHORIZE_URL
        or document.get("authorization_endpoint", f"{FALLBACK}-authorize"),
        tokens=tuple(dict.fromkeys((token, old))),
        revoke=settings.OURA_REVOKE_URL
        or document.get("revocation_endpoint", f"{FALLBACK}-revoke"),
        # Only the new provider writes them so.
        prefixed=urlsplit(settings.OURA_AUTHORIZE_URL).path != "/oauth/authorize",
    )


def discovered() -> dict[str, Any]:
    """Oura's discovery document; empty when it can't be read."""
    url = settings.OURA_OAUTH_DISCOVERY_URL
    until, document = _found.get(url, (0.0, {}))
    if time.monotonic() > until:
        document = read_discovery(url)
        _found[url] = (time.monotonic() + (KEPT if document else MISSED), document)
    return document


def read_discovery(url: str) -> dict[str, Any]:
    try:
        answer = plain_session().get(url, timeout=(3.0, 5.0), allow_redirects=False)
        document = answer.json() if answer.status_code == 200 else {}
    except (requests.RequestException, ValueError):
        document = {}
    if not isinstance(document, dict) or not document:
        log.warning("Oura's discovery document can't be read; known addresses are used")
        return {}
    return document


def plain_session() -> requests.Session:
    """Without .netrc and proxy settings, which must not decide where a token goes."""
    made = requests.Session()
    made.trust_env = False
    return made


def bare(scope: str) -> str:
    return scope.removeprefix(PREFIX)


def session(redirect_uri: str = "") -> OAuth2Session:
    made = OAuth2Session(
        settings.OURA_CLIENT_ID,
        settings.OURA_CLIENT_SECRET,
        token_endpoint_auth_method="client_secret_post",
        revocation_endpoint_auth_method="client_secret_post",
        redirect_uri=redirect_uri or None,
        code_challenge_method="S256",
    )
    made.trust_env = False
    return made


def consent_url(redirect_uri: str, state: str, verifier: str) -> str:
    """Where a person agrees; comes back to `redirect_uri` with `state`."""
    where = endpoints()
    scopes = [f"{PREFIX}{scope}" if where.prefixed else scope for scope in SCOPES]
    with session(redirect_uri) as asking:
        url, _ = asking.create_authorization_url(
            where.authorize, state=state, code_verifier=verifier, scope=" ".join(scopes)
        )
    return str(url)


def exchange(code: str, verifier: str, redirect_uri: str) -> Grant:
    """Tokens for a code. Raises GrantRefused or OuraUnavailable."""
    return _ask(
        endpoints().tokens,
        lambda asking, url: asking.fetch_token(
            url, code=code, code_verifier=verifier, timeout=TIMEOUT, allow_redirects=False
        ),
        redirect_uri,
    )


def refresh(refresh_token: str, first: str) -> Grant:
    """New tokens for a refresh token, which is spent by that; `first` is the address it is from.

    Raises GrantRefused only when that address says so: another knows nothing of the token.
    Raises OuraUnavailable for all that may pass.
    """
    return _ask(
        dict.fromkeys((first, *endpoints().tokens)),
        lambda asking, url: asking.refresh_token(
            url, refresh_token=refresh_token, timeout=TIMEOUT, allow_redirects=False
        ),
    )


def _ask(
    urls: Iterable[str], ask: Callable[[OAuth2Session, str], Any], redirect_uri: str = ""
) -> Grant:
    said = "no answer"
    for number, url in enumerate(urls):
        try:
            with session(redirect_uri) as asking:
                return _grant(ask(asking, url), url)
        except OAuthError as error:
            if error.error == "invalid_grant" and number == 0:
                raise GrantRefused(
                    "Oura refuses: the grant is spent, expired or revoked."
                ) from None
            # Perhaps it is the other portal's address.
            said = str(error.error)[:40]
        except (
            requests.RequestException,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            # It may have reached Oura, so no second address gets the same single-use token.
            raise OuraUnavailable(
                f"Oura's token address gave no answer to use ({type(error).__name__})."
            ) from None
    raise OuraUnavailable(f"Oura's token addresses do not accept the application ({said}).")


def _grant(token: Any, url: str) -> Grant:
    now = datetime.now(UTC)
    scope = token.get("scope")
    return Grant(
        access_token=str(token["access_token"]),
        refresh_token=str(token["refresh_token"]),
        expires_at=now + lifetime(token.get("expires_in")),
        scopes=tuple(map(bare, str(scope).split())) if scope else None,
        token_url=url,
    )


def lifetime(told: Any) -> timedelta:
    """How long a token lives; a day where Oura does not say it in seconds."""
    try:
        return timedelta(seconds=min(max(float(told), 0.0), 1e9))
    except (TypeError, ValueError):
        return timedelta(days=1)


def revoke(token: str, token_url: str) -> bool:
    """Ask the provider that gave a token to forget it; whether it did."""
    old = f"{settings.OURA_API_URL}/oauth"
    try:
        with session() as asking:
            if token_url == f"{old}/token" and not settings.OURA_REVOKE_URL:
                # The old provider's own way.
                answer = plain_session().post(
                    f"{old}/revoke", params={"access_token": token}, timeout=TIMEOUT
                )
            else:
                answer = asking.revoke_token(
                    endpoints().revoke, token=token, timeout=TIMEOUT, allow_redirects=False
                )
        return bool(answer.status_code == 200)
    except (OAuthError, requests.RequestException):
        return False
