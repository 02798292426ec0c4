"""JSON Web Tokens: issued at login, renewed once each, ended with the account or its password."""

import functools
from typing import Any, Self, cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.models import User

VERSION = "version"


class Keyring(TokenBackend):
    """Signs with the first secret and accepts any, so that secrets can be changed in use."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__("HS256", signing_key=secrets[0])
        self.others = [TokenBackend("HS256", signing_key=secret) for secret in secrets[1:]]

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            return super().decode(token, verify)
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            for other in self.others:
                try:
                    return other.decode(token, verify)
                except TokenBackendExpiredToken:
                    raise
                except TokenBackendError:
                    continue
            raise


@functools.lru_cache(maxsize=4)
def keyring(secrets: tuple[str, ...]) -> Keyring:
    return Keyring(secrets)


class Signed:
    @property
    def token_backend(self) -> Keyring:
        return keyring(tuple(settings.JWT_SECRETS))


class AccessToken(Signed, tokens.AccessToken):
    pass


class RefreshToken(Signed, tokens.RefreshToken):
    access_token_class = AccessToken

    @classmethod
    def for_user(cls, user: Any) -> Self:
        """A new token, remembered by its id alone: a copy of the database gives no access."""
        token = tokens.Token.for_user.__func__(cls, user)  # type: ignore[attr-defined]
        token[VERSION] = user.token_version
        OutstandingToken.objects.create(
            user=user,
            jti=token[api_settings.JTI_CLAIM],
            token="",
            created_at=token.current_time,
            expires_at=datetime_from_epoch(token["exp"]),
        )
        return token  # type: ignore[no-any-return]


def issue(user: User) -> dict[str, str]:
    """The answer to a login: `token` (the same as `access`), `access` and `refresh`."""
    OutstandingToken.objects.filter(user=user, expires_at__lt=timezone.now()).delete()
    refresh = RefreshToken.for_user(user)
    access = str(refresh.access_token)
    return {"token": access, "access": access, "refresh": str(refresh)}


def holder(token: tokens.Token) -> User:
    """Whose token it is. Raises TokenError when it ended with the account or its password."""
    user = User.objects.filter(pk=token[api_settings.USER_ID_CLAIM]).first()
    if user is None or not user.is_active or user.token_version != token.get(VERSION):
        raise TokenError("Token is no longer valid")
    return user


def renew(text: str) -> dict[str, str]:
    """Three new tokens for a refresh token, which is dead from then on. Raises TokenError."""
    token = RefreshToken(text)  # type: ignore[arg-type]
    user = holder(token)
    with transaction.atomic():
        # Of two that come at once, one finds it spent.
        _, first = cast(tuple[object, bool], token.blacklist())
        if not first:
            raise TokenError("Token is blacklisted")
        return issue(user)


def end(text: str) -> None:
    """Make a refresh token dead; one that is dead already stays so. Raises TokenError for others.

    Expired tokens count as dead.
    """
    try:
        token = RefreshToken(text, verify=False)  # type: ignore[arg-type]
        # Verified by hand: a second logout finds its token blacklisted, which is what it wanted.
        token.payload = token.token_backend.decode(text)
        token.verify_token_type()
    except (ExpiredTokenError, TokenBackendExpiredToken):
        return
    except TokenBackendError as error:
        raise TokenError("Token is invalid") from error
    token.blacklist()
