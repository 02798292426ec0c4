"""Oura as an OAuth2 provider: its endpoints, and the requests to them.

Oura moved the endpoints in 2026. Its discovery document is the source of truth; applications of
the old portal still use those beside the API. There, a new application's valid credentials get 400
`invalid_request` or `Invalid client`, so both addresses are tried.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import structlog
from django.conf import settings

from metrics import TYPES
from myhealth.states import FailureKind
from oura.errors import OuraError, OuraUnavailable
from oura.exchange import connection_problem, prepare_session, session_for

# Imported where it is used: it takes a tenth of a process's start, and is rarely needed.
if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

log = structlog.get_logger("oura.provider")

# What people are asked to share: whose account it is, and what the metric types need.
SCOPES = ("personal", *dict.fromkeys(metric_type.scope for metric_type in TYPES.values()))
TIMEOUT = (5.0, 20.0)
_SCOPE_PREFIX = "extapi:"
# Seconds for which a discovery document, or a failure to read it, is cached.
_DISCOVERY_SECONDS, _FAILED_DISCOVERY_SECONDS = 3600.0, 60.0
# How many seconds a page waits for the document; browsers get the known addresses otherwise.
_PAGE_SECONDS = 1.0
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?\Z")
_OURA_SITES = "https://*.ouraring.com"
_FALLBACK_URL = "https://moi.ouraring.com/oauth/v2/ext/oauth"


class GrantRefused(OuraError):
    """`invalid_grant`: the code or refresh token was used before, has expired or was revoked."""

    kind = FailureKind.DISCONNECTED


@dataclass(frozen=True)
class Endpoints:
    """The endpoints' addresses.

    `tokens` are in the order in which to try them; `has_prefix` tells whether scopes are written
    with Oura's prefix, and `names_issuer` whether all callbacks have the parameter `iss`.
    """

    issuer: str
    names_issuer: bool
    authorize: str
    tokens: tuple[str, ...]
    revoke: str
    has_prefix: bool


@dataclass(frozen=True)
class Grant:
    """Tokens, when the access token expires, the granted scopes, and the address they came from.

    `scopes` is None if the response names none: then all requested ones were granted (RFC 6749,
    5.1).
    """

    access_token: str
    refresh_token: str
    expires_at: datetime
    scopes: tuple[str, ...] | None
    token_url: str


_discovery_cache: dict[str, tuple[float, dict[str, Any]]] = {}
_discovery_readers: dict[str, threading.Thread] = {}


def endpoints() -> Endpoints:
    """Return the endpoints: from settings, else Oura's discovery document, else known ones."""
    return _endpoints(_discovery_document())


def _endpoints(document: dict[str, Any]) -> Endpoints:
    is_new = urlsplit(settings.OURA_AUTHORIZE_URL).path != "/oauth/authorize"
    promise = document.get("authorization_response_iss_parameter_supported")
    token = settings.OURA_TOKEN_URL or document.get("token_endpoint", f"{_FALLBACK_URL}-token")
    old = f"{settings.OURA_API_URL}/oauth/token"
    return Endpoints(
        issuer=str(document.get("issuer", "")),
        # The document, with this promise, is the new provider's.
        names_issuer=is_new and promise is True,
        authorize=settings.OURA_AUTHORIZE_URL
        or document.get("authorization_endpoint", f"{_FALLBACK_URL}-authorize"),
        tokens=tuple(dict.fromkeys((token, old))),
        revoke=settings.OURA_REVOKE_URL
        or document.get("revocation_endpoint", f"{_FALLBACK_URL}-revoke"),
        has_prefix=is_new,
    )


def is_issuer(iss: str | None) -> bool:
    """Return whether a callback with this parameter `iss` can come from Oura (RFC 9207)."""
    oura = endpoints()
    if iss is None:
        return not oura.names_issuer
    return iss == oura.issuer or not oura.issuer


def consent_origins() -> list[str]:
    """Return the origins that connecting may redirect to, for a page's Content-Security-Policy.

    Unlike the other functions, it never waits for long: the page must not depend on Oura.
    """
    addresses = [settings.OURA_AUTHORIZE_URL]
    if not settings.OURA_AUTHORIZE_URL:
        addresses = [_endpoints(_document_soon()).authorize, settings.OURA_OAUTH_DISCOVERY_URL]
    origins = ["/".join(str(address).split("/")[:3]) for address in addresses]
    if any(origin.endswith(_OURA_SITES.removeprefix("https://*")) for origin in origins):
        # The page for signing in may be at another of its names.
        origins.append(_OURA_SITES)
    return [each for each in dict.fromkeys(origins) if each == _OURA_SITES or _ORIGIN.match(each)]


def _document_soon() -> dict[str, Any]:
    """Return Oura's discovery document, as `_discovery_document`, or what is known by then."""
    url = settings.OURA_OAUTH_DISCOVERY_URL
    if time.monotonic() > _discovery_cache.get(url, (0.0, {}))[0]:
        reader = _discovery_readers.get(url)
        if reader is None or not reader.is_alive():
            reader = threading.Thread(target=_discovery_document, daemon=True)
            _discovery_readers[url] = reader
            reader.start()
        reader.join(_PAGE_SECONDS)
    return _discovery_cache.get(url, (0.0, {}))[1]


def _discovery_document() -> dict[str, Any]:
    """Return Oura's discovery document, cached; empty if it could never be read."""
    url = settings.OURA_OAUTH_DISCOVERY_URL
    expires, document = _discovery_cache.get(url, (0.0, {}))
    if time.monotonic() > expires:
        fetched = _fetch_discovery_document(url)
        seconds = _DISCOVERY_SECONDS if fetched else _FAILED_DISCOVERY_SECONDS
        document = fetched or document
        _discovery_cache[url] = (time.monotonic() + seconds, document)
    return document


def _fetch_discovery_document(url: str) -> dict[str, Any]:
    problem = ""
    try:
        response = session_for(url).get(url, timeout=(3.0, 5.0), allow_redirects=False)
        document = response.json() if response.status_code == 200 else {}
    except requests.RequestException as error:
        document, problem = {}, connection_problem(error)
    except ValueError:
        document = {}
    if not isinstance(document, dict) or not document:
        log.warning(
            "Oura can't be asked for its addresses for signing in; using the known ones",
            error=problem or f"no usable answer from {url}",
        )
        return {}
    return document


def _oauth_session(url: str, redirect_uri: str = "") -> "OAuth2Session":
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session(
        settings.OURA_CLIENT_ID,
        settings.OURA_CLIENT_SECRET,
        token_endpoint_auth_method="client_secret_post",
        revocation_endpoint_auth_method="client_secret_post",
        redirect_uri=redirect_uri or None,
        code_challenge_method="S256",
    )
    return prepare_session(session, url)


def consent_url(redirect_uri: str, state: str, verifier: str) -> str:
    """Return the address of Oura's consent page, which redirects to `redirect_uri` with `state`."""
    oura = endpoints()
    prefix = _SCOPE_PREFIX if oura.has_prefix else ""
    scopes = [prefix + scope for scope in SCOPES]
    with _oauth_session(oura.authorize, redirect_uri) as session:
        url, _ = session.create_authorization_url(
            oura.authorize, state=state, code_verifier=verifier, scope=" ".join(scopes)
        )
    return str(url)


def exchange_code(code: str, verifier: str, redirect_uri: str) -> Grant:
    """Return the tokens for a code. Raises GrantRefused or OuraUnavailable."""
    return _request_grant(
        endpoints().tokens,
        lambda session, url: session.fetch_token(
            url, code=code, code_verifier=verifier, timeout=TIMEOUT, allow_redirects=False
        ),
        redirect_uri,
    )


def refresh(refresh_token: str, token_url: str) -> Grant:
    """Return new tokens for a refresh token, which is used up; `token_url` is where it came from.

    Raises GrantRefused only if that address refuses, since no other knows the token, and
    OuraUnavailable if a later attempt may succeed.
    """
    return _request_grant(
        dict.fromkeys((token_url, *endpoints().tokens)),
        lambda session, url: session.refresh_token(
            url, refresh_token=refresh_token, timeout=TIMEOUT, allow_redirects=False
        ),
    )


def _request_grant(
    urls: Iterable[str], request: Callable[["OAuth2Session", str], Any], redirect_uri: str = ""
) -> Grant:
    """Return the grant of the first address that accepts the application."""
    from authlib.integrations.base_client import OAuthError

    reason = "no answer"
    for number, url in enumerate(urls):
        try:
            with _oauth_session(url, redirect_uri) as session:
                return _to_grant(request(session, url), url)
        except OAuthError as error:
            if error.error == "invalid_grant" and number == 0:
                raise GrantRefused(
                    "Oura refused the authorization code: it was already used, has expired or was "
                    "revoked."
                ) from None
            # It may be the other portal's address.
            reason = str(error.error)[:40]
        except (
            requests.RequestException,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            # It may have reached Oura, so the single-use token is not sent to a second address.
            problem = isinstance(error, requests.RequestException) and connection_problem(error)
            raise OuraUnavailable(
                problem
                or f"Oura's token endpoint returned an unusable response ({type(error).__name__})."
            ) from None
    raise OuraUnavailable(f"Oura's token endpoints did not accept the application ({reason}).")


def _to_grant(token: Any, url: str) -> Grant:
    now = datetime.now(UTC)
    scopes = None
    if token.get("scope") is not None:
        scopes = tuple(name.removeprefix(_SCOPE_PREFIX) for name in str(token["scope"]).split())
    return Grant(
        access_token=str(token["access_token"]),
        refresh_token=str(token["refresh_token"]),
        expires_at=now + token_lifetime(token.get("expires_in")),
        scopes=scopes,
        token_url=url,
    )


def token_lifetime(expires_in: Any) -> timedelta:
    """Return how long a token is valid; a day if Oura does not say it in seconds."""
    try:
        return timedelta(seconds=min(max(float(expires_in), 0.0), 1e9))
    except (TypeError, ValueError):
        return timedelta(days=1)


def revoke(token: str, token_url: str) -> bool:
    """Ask the provider that issued a token to revoke it, and return whether it did."""
    from authlib.integrations.base_client import OAuthError

    old = f"{settings.OURA_API_URL}/oauth"
    is_old = token_url == f"{old}/token" and not settings.OURA_REVOKE_URL
    url = f"{old}/revoke" if is_old else endpoints().revoke
    options: dict[str, Any] = {"timeout": TIMEOUT, "allow_redirects": False}
    try:
        with _oauth_session(url) as session:
            if is_old:
                # The old provider has its own parameters.
                response = session_for(url).post(url, params={"access_token": token}, **options)
            else:
                response = session.revoke_token(url, token=token, **options)
        return bool(response.status_code == 200)
    except (OAuthError, requests.RequestException):
        return False
