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
# Programs have no use for the cookie.
_PROGRAMS = "/auth/"


def _cookie_name() -> str:
    # Browsers take a cookie with this prefix from no other host, such as a sibling domain.
    return "__Host-device" if settings.SESSION_COOKIE_SECURE else "device"


def known_browser(request: HttpRequest, user_id: int | None) -> str | None:
    """Return the id of a browser that signed in to this account before."""
    value = request.get_signed_cookie(_cookie_name(), default="", salt=_SALT, max_age=_YEAR)
    owner, _, browser = (value or "").partition(":")
    return browser if browser and owner == str(user_id) else None


@receiver(user_logged_in)
def _note(request: HttpRequest, user: User, **_: Any) -> None:
    request.META[_SIGNED_IN] = user


def remember_browser(request: HttpRequest, response: HttpResponseBase) -> None:
    """Give the cookie to a browser, if someone has signed in with it in this request."""
    user = request.META.get(_SIGNED_IN)
    if user and not request.path.startswith(_PROGRAMS):
        response.set_signed_cookie(
            _cookie_name(),
            f"{user.pk}:{secrets.token_urlsafe(12)}",
            salt=_SALT,
            max_age=_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
