"""Sessions of browsers end after 14 days without a visit, and 90 days after the sign-in."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.middleware import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts.expiry import delete_expired, old_sessions
from myhealth.browsers import is_from_program

_DAY = 86_400
_MOST_DAYS = 90
_SIGNED_IN, _VISITED = "signed_in_at", "visited_at"


@receiver(user_logged_in)
def _begin(request: HttpRequest, **_: Any) -> None:
    request.session[_SIGNED_IN] = request.session[_VISITED] = int(time.time())
    delete_expired(old_sessions(timezone.now()))


class SessionLimits:
    """Middleware that ends old sessions, and prolongs the others, once a day."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_from_program(request):
            # Like Django's own middleware, ask the database only if the view asks for the user.
            request.user = SimpleLazyObject(lambda: _user_within_limits(request))  # type: ignore[assignment]
        return self.get_response(request)


def _user_within_limits(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    user, session, now = get_user(request), request.session, int(time.time())
    if user.is_anonymous:
        return user
    if now - session.setdefault(_SIGNED_IN, now) >= _MOST_DAYS * _DAY:
        session.flush()
        return AnonymousUser()
    if now - session.get(_VISITED, 0) >= _DAY:
        # Saving it sets its end again, to SESSION_COOKIE_AGE from now.
        session[_VISITED] = now
    return user
