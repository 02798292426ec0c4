"""Applications, and what people have granted them: the state of the sandbox's OAuth2."""

import base64
import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from threading import RLock

from sandbox.people import Person
from sandbox.registry import scope_of

PREFIX = "extapi:"
# Each with what the consent page says of it.
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
OLD_NAMES = {"spo2Daily": "spo2"}
CODE_SECONDS = 600.0
NEW, OLD = "new", "old"
LAPTOP = re.compile(r"http://(localhost|127\.0\.0\.1):[0-9]{1,5}/connect/oura/callback")


@dataclass(frozen=True)
class Application:
    """`redirect_uris` None takes myhealth's own, on any port of this machine."""

    client_id: str
    client_secret: str
    portal: str = NEW
    redirect_uris: tuple[str, ...] | None = None

    def accepts(self, uri: str) -> bool:
        if self.redirect_uris is None:
            return bool(LAPTOP.fullmatch(uri))
        return uri in self.redirect_uris


@dataclass
class Grant:
    """What a person let an application have. Its tokens of the past stay spent for good."""

    person: Person
    application: Application
    scopes: tuple[str, ...]
    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    alive: bool = True

    def is_of(self, application: Application) -> bool:
        # By id: an application that was registered again keeps its grants.
        return self.application.client_id == application.client_id

    def covers(self, collection: str) -> bool:
        return scope_of(collection) in self.scopes


@dataclass
class Code:
    grant: Grant
    redirect_uri: str
    challenge: str
    until: float
    used: bool = False


@dataclass
class State:
    """All of it, in the memory of the one process; `lock` guards every change."""

    lock: RLock = field(default_factory=RLock)
    applications: dict[str, Application] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    by_access: dict[str, Grant] = field(default_factory=dict)
    by_refresh: dict[str, Grant] = field(default_factory=dict)
    lapsed: set[str] = field(default_factory=set)
    lifetime: int = 2_591_999

    def clear(self) -> None:
        with self.lock:
            own = Application("myhealth-sandbox", "myhealth-sandbox-secret")
            self.applications = {own.client_id: own}
            for each in (self.codes, self.grants, self.by_access, self.by_refresh, self.lapsed):
                each.clear()
            self.lifetime = 2_591_999


state = State()
state.clear()


def known_scopes(text: str) -> tuple[str, ...]:
    """The scopes that there are, without prefix; others are dropped, as Oura does, silently."""
    names = (each.removeprefix(PREFIX) for each in text.split())
    names = (OLD_NAMES.get(each, each) for each in names)
    return tuple(dict.fromkeys(each for each in names if each in SCOPES))


def new_code(grant: Grant, redirect_uri: str, challenge: str) -> str:
    code = secrets.token_urlsafe(24)
    with state.lock:
        state.grants.append(grant)
        until = time.monotonic() + CODE_SECONDS
        state.codes[code] = Code(grant, redirect_uri, challenge, until)
    return code


def redeem(code: str, application: Application, redirect_uri: str, verifier: str) -> Grant | None:
    """New tokens for a code, once; a code that comes again ends what it gave."""
    with state.lock:
        held = state.codes.get(code)
        if held is None or not held.grant.is_of(application):
            return None
        if held.used:
            held.grant.alive = False
            return None
        held.used = True
        fits = held.redirect_uri == redirect_uri and matches(held.challenge, verifier)
        if not (fits and held.grant.alive) or time.monotonic() > held.until:
            return None
        return issue(held.grant)


def matches(challenge: str, verifier: str) -> bool:
    """PKCE by S256 (RFC 7636), where the application asked for it."""
    if not challenge:
        return True
    digest = hashlib.sha256(verifier.encode()).digest()
    return challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def renew(refresh_token: str, application: Application) -> Grant | None:
    """New tokens for a refresh token, which is spent from then on."""
    with state.lock:
        grant = state.by_refresh.get(refresh_token)
        if grant is None or not grant.is_of(application):
            return None
        return issue(grant) if can_renew(grant, refresh_token) else None


def issue(grant: Grant) -> Grant:
    state.by_access.pop(grant.access_token, None)
    grant.access_token = secrets.token_urlsafe(32)
    grant.refresh_token = secrets.token_urlsafe(32)
    grant.expires_at = time.time() + state.lifetime
    state.by_access[grant.access_token] = grant
    state.by_refresh[grant.refresh_token] = grant
    return grant


def end(grant: Grant | None) -> None:
    """Both its tokens work no more."""
    with state.lock:
        if grant:
            grant.alive = False


def of_token(token: str) -> Grant | None:
    """The grant of its last access token, or of any of its refresh tokens, spent or not."""
    with state.lock:
        return state.by_access.get(token) or state.by_refresh.get(token)


def is_good(grant: Grant, access_token: str) -> bool:
    return grant.alive and grant.access_token == access_token and time.time() < grant.expires_at


def can_renew(grant: Grant, refresh_token: str) -> bool:
    return grant.alive and grant.refresh_token == refresh_token


def of_person(name: str) -> list[Grant]:
    with state.lock:
        return [grant for grant in state.grants if grant.person.name == name and grant.alive]
