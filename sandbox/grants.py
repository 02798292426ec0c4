"""The state of the sandbox's OAuth2: applications and the grants that they have."""

import base64
import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from threading import RLock

from django.conf import settings

from sandbox.people import Person
from sandbox.registry import scope_of

SCOPE_PREFIX = "extapi:"
# With their descriptions on the consent page.
SCOPES = {
    "personal": "age, sex, height and weight",
    "daily": "summaries of sleep, activity and readiness",
    "heartrate": "heart rate through the day",
    "workout": "workouts, found by the ring or entered",
    "session": "guided and unguided sessions",
    "tag": "tags and their comments",
    "spo2": "blood oxygen during sleep",
    "stress": "daytime stress and resilience",
    "heart_health": "cardiovascular age and capacity",
    "ring_configuration": "the ring and its battery",
    "email": "email address",
}
_OLD_SCOPE_NAMES = {"spo2Daily": "spo2"}
_CODE_SECONDS = 600.0
NEW, OLD = "new", "old"
_LOCAL_CALLBACK = re.compile(r"http://(localhost|127\.0\.0\.1):[0-9]{1,5}/connect/oura/callback")


@dataclass(frozen=True)
class Application:
    """An OAuth2 client. Without `redirect_uris` it is myhealth, on any port of this machine or at
    `PUBLIC_URL`, where a phone opens it.
    """

    client_id: str
    client_secret: str
    portal: str = NEW
    redirect_uris: tuple[str, ...] | None = None

    def accepts(self, uri: str) -> bool:
        if self.redirect_uris is None:
            public = f"{settings.PUBLIC_URL}/connect/oura/callback"
            return uri == public or bool(_LOCAL_CALLBACK.fullmatch(uri))
        return uri in self.redirect_uris


@dataclass
class Grant:
    """A person's consent to an application, with its current tokens. Earlier tokens are void."""

    person: Person
    application: Application
    scopes: tuple[str, ...]
    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    active: bool = True

    def belongs_to(self, application: Application) -> bool:
        # By id, so that an application keeps its grants when it is registered again.
        return self.application.client_id == application.client_id

    def covers(self, collection: str) -> bool:
        return scope_of(collection) in self.scopes


@dataclass
class _Code:
    grant: Grant
    redirect_uri: str
    challenge: str
    expires_at: float
    used: bool = False


@dataclass
class _State:
    """The whole state, in memory. Hold `lock` for every change."""

    lock: RLock = field(default_factory=RLock)
    applications: dict[str, Application] = field(default_factory=dict)
    codes: dict[str, _Code] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    by_access: dict[str, Grant] = field(default_factory=dict)
    by_refresh: dict[str, Grant] = field(default_factory=dict)
    lapsed: set[str] = field(default_factory=set)  # People without a membership.
    lifetime: int = 2_591_999

    def clear(self) -> None:
        with self.lock:
            own = Application("myhealth-sandbox", "myhealth-sandbox-secret")
            self.applications = {own.client_id: own}
            for items in (self.codes, self.grants, self.by_access, self.by_refresh, self.lapsed):
                items.clear()
            self.lifetime = 2_591_999


state = _State()
state.clear()


def parse_scopes(text: str) -> tuple[str, ...]:
    """Return the known scopes without prefix. Others are dropped silently, as Oura does."""
    names = (name.removeprefix(SCOPE_PREFIX) for name in text.split())
    names = (_OLD_SCOPE_NAMES.get(name, name) for name in names)
    return tuple(dict.fromkeys(name for name in names if name in SCOPES))


def issue_code(grant: Grant, redirect_uri: str, challenge: str) -> str:
    code = secrets.token_urlsafe(24)
    with state.lock:
        state.grants.append(grant)
        expires_at = time.monotonic() + _CODE_SECONDS
        state.codes[code] = _Code(grant, redirect_uri, challenge, expires_at)
    return code


def redeem_code(
    code: str, application: Application, redirect_uri: str, verifier: str
) -> Grant | None:
    """Return the grant with new tokens. A code that is used twice revokes its grant."""
    with state.lock:
        issued = state.codes.get(code)
        if issued is None or not issued.grant.belongs_to(application):
            return None
        if issued.used:
            issued.grant.active = False
            return None
        issued.used = True
        matches = issued.redirect_uri == redirect_uri and _verify(issued.challenge, verifier)
        if not (matches and issued.grant.active) or time.monotonic() > issued.expires_at:
            return None
        return issue_tokens(issued.grant)


def _verify(challenge: str, verifier: str) -> bool:
    """Verify PKCE with S256 (RFC 7636), if the application sent a challenge."""
    if not challenge:
        return True
    digest = hashlib.sha256(verifier.encode()).digest()
    return challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def refresh_tokens(refresh_token: str, application: Application) -> Grant | None:
    """Return the grant with new tokens. The refresh token works only once."""
    with state.lock:
        grant = state.by_refresh.get(refresh_token)
        if grant is None or not grant.belongs_to(application):
            return None
        return issue_tokens(grant) if can_refresh(grant, refresh_token) else None


def issue_tokens(grant: Grant) -> Grant:
    state.by_access.pop(grant.access_token, None)
    grant.access_token = secrets.token_urlsafe(32)
    grant.refresh_token = secrets.token_urlsafe(32)
    grant.expires_at = time.time() + state.lifetime
    state.by_access[grant.access_token] = grant
    state.by_refresh[grant.refresh_token] = grant
    return grant


def revoke_grant(grant: Grant | None) -> None:
    """Invalidate both tokens of the grant."""
    with state.lock:
        if grant:
            grant.active = False


def grant_of_token(token: str) -> Grant | None:
    """Return the grant of a current access token or of any refresh token, used or not."""
    with state.lock:
        return state.by_access.get(token) or state.by_refresh.get(token)


def is_valid(grant: Grant, access_token: str) -> bool:
    return grant.active and grant.access_token == access_token and time.time() < grant.expires_at


def can_refresh(grant: Grant, refresh_token: str) -> bool:
    return grant.active and grant.refresh_token == refresh_token


def grants_of_person(name: str) -> list[Grant]:
    with state.lock:
        return [grant for grant in state.grants if grant.person.name == name and grant.active]
