"""Personal tokens: made once, sent with each read like an access token, and looked up each time."""

import contextlib
import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from accounts.models import PersonalToken, User
from myhealth.browsers import is_from_program
from myhealth.headers import bearer_token
from myhealth.postgresql.prepared import fetch_all

MOST_TOKENS = 20
MOST_DAYS = 3650
_PREFIX = "mh_"
# Of 256 random bits.
_TOKEN = re.compile(r"mh_[A-Za-z0-9_-]{43}")
_FIELDS = [field.attname for field in User._meta.concrete_fields]
_COLUMNS = ", ".join(f'u."{name}"' for name in _FIELDS)
_TABLE = PersonalToken._meta.db_table
_FIND = (
    f"SELECT t.id, t.last_used_at, current_setting('transaction_read_only') = 'on', {_COLUMNS}"
    f" FROM {_TABLE} AS t JOIN {User._meta.db_table} AS u ON u.id = t.user_id"
    " WHERE t.digest = %s AND u.is_active AND u.token_version = t.token_version"
    " AND (t.expires_at IS NULL OR t.expires_at > %s)"
)
_NOTE_USE = (
    f"UPDATE {_TABLE} SET last_used_at = %s"
    " WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)"
)


def valid_tokens(user: User) -> QuerySet[PersonalToken]:
    """Return the tokens of a person that have not ended."""
    own = PersonalToken.objects.filter(user=user, token_version=user.token_version)
    return own.exclude(expires_at__lte=timezone.now())


def create_token(user: User, name: str, days: int | None) -> str:
    """Store a token that ends after so many days, or never; return it, for the only time.

    Raises ValidationError.
    """
    text = _PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    token = PersonalToken(
        user=user,
        name=name.strip(),
        digest=_digest(text),
        token_version=user.token_version,
        created_at=now,
        expires_at=now + timedelta(days=days) if days else None,
    )
    token.clean_fields(exclude={"user"})
    with transaction.atomic():
        # Of two requests at once, the second one counts the token of the first.
        unchanged = User.objects.select_for_update(no_key=True).filter(
            pk=user.pk, token_version=user.token_version, is_active=True
        )
        if unchanged.first() is None:
            raise ValidationError("Your account was changed meanwhile, so nothing was saved.")
        valid = valid_tokens(user)
        PersonalToken.objects.filter(user=user).exclude(pk__in=valid.values("pk")).delete()
        if valid.filter(name=token.name).exists():
            raise ValidationError({"name": "You have a token with this name: choose another one."})
        if valid.count() >= MOST_TOKENS:
            raise ValidationError(f"You have {MOST_TOKENS} tokens, the most: revoke one first.")
        token.save(force_insert=True)
    return text


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class PersonalTokenAuthentication(BaseAuthentication):
    """Authenticate reads with `Authorization: Bearer mh_…`.

    Nothing is remembered between requests, so that a token ends at once.
    """

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        text = bearer_token(request)
        if not text.startswith(_PREFIX):
            return None
        user = _find_user(text) if _TOKEN.fullmatch(text) else None
        if user is None:
            raise AuthenticationFailed(
                "The personal token is wrong, expired or revoked: "
                f"create one at {settings.PUBLIC_URL}/account/tokens/.",
                code="token_not_valid",
            )
        if request.method not in SAFE_METHODS or not is_from_program(request._request):
            raise PermissionDenied("A personal token may only read, with GET under /api/v1/.")
        return user, None


def _find_user(text: str) -> User | None:
    now = datetime.now(UTC)
    rows = fetch_all(_FIND, [_digest(text), now])
    if not rows:
        return None
    pk, last_used, is_read_only, *values = rows[0]
    today = now.date()
    if not is_read_only and (last_used is None or last_used < today):
        # Even if nothing can be written, people may read.
        with contextlib.suppress(DatabaseError):
            fetch_all(_NOTE_USE, [today, pk, today])
    return User.from_db("default", _FIELDS, values)


class PersonalTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = PersonalTokenAuthentication
    name = "personalToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "mh_…",
            "description": "A lasting token that may only read: create one at /account/tokens/.",
        }
