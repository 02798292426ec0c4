"""The callables that django-axes uses to count failed logins and to lock clients out."""

from datetime import timedelta
from math import ceil
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import User
from myhealth.addresses import client_address
from myhealth.errors import error_body
from myhealth.renderers import dumps

# Failed logins to one account from one address before that address is locked out of it.
_LIMIT = 5
# The same, once an account has had this many failures from all addresses together.
_LIMIT_UNDER_ATTACK = 1
_ATTACK = 100


def username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the account's own name, so that `Ana` and `ana` share their failures.

    The account is found by the database, because Python folds some letters differently.
    """
    name = str((credentials or {}).get("username") or request.POST.get("username") or "")
    name = name.replace("\x00", "")[:255]
    try:
        return User.objects.get_by_natural_key(name).username
    except User.DoesNotExist:
        return name.lower()


def failure_limit(request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    """Return the number of failures after which an address is locked out of an account.

    An account that is attacked from many addresses allows one failure per address. It is never
    locked as a whole, so its owner can still log in.
    """
    since = timezone.now() - _cool_off()
    failures = AccessAttempt.objects.filter(
        username=username(request, credentials), attempt_time__gte=since
    ).aggregate(all=Sum("failures_since_start"))["all"]
    return _LIMIT_UNDER_ATTACK if (failures or 0) >= _ATTACK else _LIMIT


def _cool_off() -> timedelta:
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    return cool_off


def lockout_response(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Return a 429 with `Retry-After`, or the view's response if this failure reached the limit."""
    if original is not None and getattr(request, "axes_failures_since_start", None) is not None:
        return original
    seconds = _retry_after(request, credentials)
    if request.path.startswith("/auth/"):
        body = error_body("Too many attempts; try again later.", "throttled")
        return HttpResponse(
            dumps(body),
            status=429,
            headers={"Retry-After": str(seconds)},
            content_type="application/json",
        )
    minutes = ceil(seconds / 60)
    page = render(request, "accounts/locked.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(seconds)
    return page


def _retry_after(request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    """Return the seconds until this client may try this account again, at least 1."""
    last = AccessAttempt.objects.filter(
        username=username(request, credentials), ip_address=client_address(request)
    ).aggregate(last=Max("attempt_time"))["last"]
    remaining = (last or timezone.now()) + _cool_off() - timezone.now()
    return max(1, ceil(remaining.total_seconds()))


def client_label(
    username: str, ip_address: str, user_agent: str, path_info: Any, request: HttpRequest
) -> str:
    """Return what log lines call a client: never the user name that was tried."""
    return ip_address
