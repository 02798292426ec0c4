"""What django-axes asks about logins that fail: who, how often, and what to answer."""

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
from myhealth.errors import error_body
from myhealth.renderers import dumps
from myhealth.requests import client_address

# Failures of one account from an address, and of one account from all addresses together.
LIMIT = 5
LIMIT_UNDER_ATTACK = 1
ATTACK = 100


def username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The account's own name, however it was written: `Ana` and `ana` share their failures.

    The database tells which account that is, since Python folds some letters otherwise.
    """
    given = str((credentials or {}).get("username") or request.POST.get("username") or "")
    given = given.replace("\x00", "")[:255]
    try:
        return User.objects.get_by_natural_key(given).username
    except User.DoesNotExist:
        return given.lower()


def limit(request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    """Failures after which an address may not try an account for a while.

    An account that many addresses fail at is slowed to one failure each, and so never closed to
    its owner, who knows the password.
    """
    since = timezone.now() - cool_off()
    failures = AccessAttempt.objects.filter(
        username=username(request, credentials), attempt_time__gte=since
    ).aggregate(all=Sum("failures_since_start"))["all"]
    return LIMIT_UNDER_ATTACK if (failures or 0) >= ATTACK else LIMIT


def cool_off() -> timedelta:
    wait: timedelta = settings.AXES_COOLOFF_TIME
    return wait


def answer(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """429 with `Retry-After`; the failure that reaches the limit gets its own answer still."""
    if original is not None and getattr(request, "axes_failures_since_start", None) is not None:
        return original
    seconds = retry_after(request, credentials)
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


def retry_after(request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    last = AccessAttempt.objects.filter(
        username=username(request, credentials), ip_address=client_address(request)
    ).aggregate(last=Max("attempt_time"))["last"]
    left = (last or timezone.now()) + cool_off() - timezone.now()
    return max(1, ceil(left.total_seconds()))


def client(
    username: str, ip_address: str, user_agent: str, path_info: Any, request: HttpRequest
) -> str:
    """How log lines call a client: never by the name that was tried."""
    return ip_address
