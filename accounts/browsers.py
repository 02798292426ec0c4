"""Browsers that an account has signed in with before: each has a cookie that says so."""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User

_YEAR = timedelta(days=365)
_SALT = "accounts.browsers"
# The key of the account that signed in, in a request's META.
_SIGNED_IN = "myhealth.signed_in"
# A browser may be shared, and a person may have two accounts.
_MOST_ACCOUNTS = 5


def _cookie_name() -> str:
    # Browsers take a cookie with this prefix from no other host, such as a sibling domain.
    return "__Host-device" if settings.SESSION_COOKIE_SECURE else "device"


def _entries(request: HttpRequest) -> list[str]:
    """Return what a browser's cookie says: `account:version:id`, the newest sign-in first."""
    value = request.get_signed_cookie(_cookie_name(), default="", salt=_SALT, max_age=_YEAR)
    return value.split(".") if value else []


def known_browser(request: HttpRequest, user_id: int | None, version: int | None) -> str | None:
    """Return the id of a browser that signed in to this account before, in this version of it.

    The browser of anyone who knew a former password, or was signed out everywhere, is new.
    """
    account = f"{user_id}:{version}:"
    ids = (each.removeprefix(account) for each in _entries(request) if each.startswith(account))
    return next(ids, None)


@receiver(user_logged_in)
def note_account(request: HttpRequest, user: User, **_: Any) -> None:
    """Let the answer to this request say that its browser is one of this account."""
    request.META[_SIGNED_IN] = user


def remember_browser(request: HttpRequest, response: HttpResponseBase) -> None:
    """Give the cookie to a browser, if someone has signed in with it in this request."""
    user = request.META.get(_SIGNED_IN)
    if user:
        # It keeps its id, or each sign-in would give five more tries.
        known = known_browser(request, user.pk, user.token_version)
        entry = f"{user.pk}:{user.token_version}:{known or secrets.token_urlsafe(12)}"
        others = [each for each in _entries(request) if not each.startswith(f"{user.pk}:")]
        response.set_signed_cookie(
            _cookie_name(),
            ".".join([entry, *others][:_MOST_ACCOUNTS]),
            salt=_SALT,
            max_age=_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
