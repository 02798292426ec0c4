import hashlib
import threading
import time
from typing import Any

from cachetools import LRUCache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from accounts import tokens
from accounts.models import User
from accounts.tokens import AccessToken
from myhealth.headers import bearer_token

# Verifying a token and looking up its account would take longer than the rest of a request. An
# account that another process disables keeps access for so many seconds; the contract allows 60. A
# changed time zone is seen as late.
KNOWN_SECONDS = 30
_MOST_KNOWN = 5_000


class _KnownTokens:
    """Accounts by access token, for tokens that this process has verified a moment ago."""

    def __init__(self) -> None:
        self._tokens: LRUCache[bytes, tuple[float, User, AccessToken]] = LRUCache(_MOST_KNOWN)
        self._lock = threading.Lock()

    def get(self, raw_token: bytes) -> tuple[User, AccessToken] | None:
        with self._lock:
            known = self._tokens.get(_digest(raw_token))
        if known is None:
            return None
        verified_at, user, token = known
        now = time.time()
        # A clock that was set back must not make it last longer.
        is_recent = 0 <= now - verified_at < KNOWN_SECONDS
        return (user, token) if is_recent and now < token["exp"] else None

    def add(self, raw_token: bytes, user: User, token: AccessToken) -> None:
        with self._lock:
            self._tokens[_digest(raw_token)] = time.time(), user, token

    def clear(self) -> None:
        with self._lock:
            self._tokens.clear()


def _digest(raw_token: bytes) -> bytes:
    """Return a hash, so that no token stays in memory."""
    return hashlib.blake2b(raw_token, digest_size=16).digest()


_known_tokens = _KnownTokens()


def known_user(request: HttpRequest) -> User | None:
    """Return the account of a request, if this process has verified its token a moment ago."""
    known = _known_tokens.get(bearer_token(request).encode())
    return known[0] if known else None


@receiver([post_save, post_delete], sender=User)
def _forget_tokens(update_fields: Any = None, **_: Any) -> None:
    """Look accounts up again after one of them was changed in this process."""
    if update_fields is None or set(update_fields) != {"last_login"}:
        _known_tokens.clear()


class TokenAuthentication(JWTAuthentication):
    """Authenticate `Authorization: Bearer …` with an access token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = self.get_header(request)
        raw_token = self.get_raw_token(header) if header else None
        if raw_token is None:
            return None
        if known := _known_tokens.get(raw_token):
            return known
        token = self.get_validated_token(raw_token)
        user = self.get_user(token)
        _known_tokens.add(raw_token, user, token)
        return user, token

    def get_header(self, request: Request) -> bytes:
        # A scheme may be in any case.
        header: bytes = super().get_header(request)
        scheme, blank, rest = (header or b"").partition(b" ")
        return scheme.title() + blank + rest

    def get_validated_token(self, raw_token: bytes) -> Any:
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken:
            raise InvalidToken(
                "The access token is invalid or expired (they last 15 minutes): "
                "refresh it or sign in again."
            ) from None

    def get_user(self, validated_token: Any) -> Any:
        try:
            return tokens.get_user(validated_token)
        except TokenError as error:
            raise InvalidToken(str(error)) from None


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication  # type: ignore[assignment]
    name = "accessToken"
