"""JSON Web Tokens: issued at sign-in, renewed as a family, revoked with it or the account."""

import functools
import time
import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any

import jwt
import msgspec
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone
from msgspec import Meta
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError

from accounts.expiry import delete_expired, old_families
from accounts.models import TokenFamily, User
from myhealth.postgresql.prepared import fetch_all

# Renewal ends so long after the sign-in.
_FAMILY_LIFETIME = timedelta(days=90)
# A person can be signed in with so many programs. After that, the sign-in ends that was renewed
# least recently, or never: a script that signs in again and again must not end that of a phone.
MOST_FAMILIES = 100
# Clocks of two machines differ by some seconds, and a token may be used at once elsewhere. This is
# for the time of its issue alone: it still ends when its `exp` says.
_CLOCK_SECONDS = 30
# PyJWT raises these for odd headers and claims, the last one for deeply nested ones.
_UNEXPECTED = (jwt.InvalidTokenError, ArithmeticError, TypeError, ValueError, RecursionError)


class _Keyring(TokenBackend):
    """Sign with the first secret and accept any of them, so that secrets can be rotated."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__("HS256", signing_key=secrets[0])
        self.secrets = secrets

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Return the claims of a token of ours, which may have expired."""
        for secret in self.secrets:
            try:
                return jwt.decode(
                    token,
                    secret,
                    ["HS256"],
                    options={"verify_exp": False},
                    leeway=_CLOCK_SECONDS,
                )
            except jwt.InvalidSignatureError:
                continue
            except _UNEXPECTED:
                break
        raise TokenBackendError("Token is invalid")


@functools.lru_cache(maxsize=4)
def _keyring(secrets: tuple[str, ...]) -> _Keyring:
    return _Keyring(secrets)


class _Claims(msgspec.Struct):
    """What both kinds of tokens say, with values that the database can be asked for."""

    user_id: Annotated[str, Meta(pattern=r"^[0-9]{1,18}\Z")]
    version: Annotated[int, Meta(ge=0, lt=2**31)]
    family: uuid.UUID
    jti: uuid.UUID
    exp: Annotated[int, Meta(ge=0, lt=2**37)]


class _FamilyToken:
    payload: dict[str, Any]
    claims: _Claims

    @property
    def token_backend(self) -> _Keyring:
        return _keyring(tuple(settings.JWT_SECRETS))

    def verify(self) -> None:
        try:
            self.claims = msgspec.convert(self.payload, _Claims)
        except msgspec.ValidationError:
            raise TokenError("Token is invalid") from None
        super().verify()  # type: ignore[misc]


class AccessToken(_FamilyToken, tokens.AccessToken):
    pass


class RefreshToken(_FamilyToken, tokens.RefreshToken):  # type: ignore[misc]
    access_token_class = AccessToken

    def check_exp(self, claim: str = "exp", current_time: datetime | None = None) -> None:
        """Accept an expired token: it can't be used, but its family has to end."""


def issue_tokens(user: User) -> dict[str, str]:
    """Begin a family and return its tokens: `token` (the same as `access`), `access`, `refresh`.

    Raises IntegrityError if the account has been deleted.
    """
    now = timezone.now()
    delete_expired(old_families(now))
    family = TokenFamily.objects.create(
        user=user, signed_in_at=now, current=uuid.uuid4(), expires_at=now + _FAMILY_LIFETIME
    )
    others = TokenFamily.objects.filter(user=user).exclude(pk=family.pk)
    kept_first = others.order_by(F("renewed_at").desc(nulls_last=True), "-signed_in_at", "pk")
    TokenFamily.objects.filter(pk__in=kept_first.values("pk")[MOST_FAMILIES - 1 :]).delete()
    return _tokens(user, family.pk, family.current, family.expires_at)


def _tokens(user: User, family: uuid.UUID, id_: uuid.UUID, expires_at: datetime) -> dict[str, str]:
    refresh = RefreshToken()
    refresh.payload |= {
        "user_id": str(user.pk),
        "version": user.token_version,
        "family": str(family),
        "jti": id_.hex,
        "exp": min(refresh["exp"], int(expires_at.timestamp())),
    }
    access = str(refresh.access_token)
    return {"token": access, "access": access, "refresh": str(refresh)}


_FIELDS = [field.attname for field in User._meta.concrete_fields]
_FAMILIES = TokenFamily._meta.db_table
_RENEW = (
    f"UPDATE {_FAMILIES} SET current = %s, renewed_at = %s WHERE id = %s AND current = %s"
    " RETURNING expires_at"
)


@functools.cache
def _user_query() -> str:
    columns = ", ".join(f"u.{connection.ops.quote_name(name)}" for name in _FIELDS)
    return (
        f"SELECT {columns} FROM {User._meta.db_table} AS u"
        f" JOIN {_FAMILIES} AS f ON f.user_id = u.id"
        " WHERE u.id = %s AND u.is_active AND u.token_version = %s"
        " AND f.id = %s AND f.expires_at > %s"
    )


def _find_user(claims: _Claims) -> User | None:
    """Return the user of a token, unless the account, its tokens or their family have ended.

    A prepared statement takes a fraction of the time of the ORM.
    """
    values = [int(claims.user_id), claims.version, claims.family, timezone.now()]
    rows = fetch_all(_user_query(), values)
    return User.from_db("default", _FIELDS, rows[0]) if rows else None


def get_user(token: AccessToken) -> User:
    """Return the user of a token. Raises TokenError if it was revoked."""
    user = _find_user(token.claims)
    if user is None:
        raise TokenError("The access token is no longer valid: sign in again.")
    return user


def refresh_tokens(text: str) -> dict[str, str]:
    """Return new tokens for a refresh token, which can be used once. Raises TokenError.

    A second use shows that somebody has a copy. Who is the thief can't be known, so the family
    ends.
    """
    claims = RefreshToken(text).claims  # type: ignore[arg-type]
    user = _find_user(claims)
    if user and claims.exp > time.time():
        new = uuid.uuid4()
        # Of two requests at once, only one finds its token to be the current one.
        if renewed := fetch_all(_RENEW, [new, timezone.now(), claims.family, claims.jti]):
            return _tokens(user, claims.family, new, renewed[0][0])
    _end(claims)
    raise TokenError("The refresh token is no longer valid: sign in again.")


def revoke_refresh_token(text: str) -> None:
    """End the family of a refresh token, unless it has ended.

    Raises TokenError for anything that is not a refresh token of ours.
    """
    _end(RefreshToken(text).claims)  # type: ignore[arg-type]


def _end(claims: _Claims) -> None:
    TokenFamily.objects.filter(pk=claims.family).delete()
