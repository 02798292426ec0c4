"""Middleware for the security headers of all answers, and for API requests without TLS."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import MiddlewareNotUsed
from django.dispatch import receiver
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from myhealth.errors import error_body

POLICY = "Content-Security-Policy"
# Django's own middleware sets some of them, but not for answers that it does not see.
_HEADERS_OF_ALL = (
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
    ("X-Frame-Options", settings.X_FRAME_OPTIONS),
    # robots.txt keeps search engines from reading, not from listing an address that others link to.
    ("X-Robots-Tag", "noindex"),
)
# Nothing in these answers is for a browser to run or to load.
_POLICY_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
_UNUSED_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
_PERMISSIONS = ", ".join(f"{name}=()" for name in _UNUSED_FEATURES)
API_PATHS = ("/api/", "/auth/")
# The key in the META of a request that has ended its session.
_SIGNED_OUT_KEY = "myhealth.signed_out"


def page_policy(form_targets: Iterable[str] = ()) -> str:
    """Return the Content-Security-Policy of a page, without inline scripts and styles.

    `form_targets` are further origins that its forms may lead to. Browsers also apply this to
    redirects.
    """
    targets = " ".join(["'self'", *form_targets])
    return (
        # The documentation of the API has small images in its styles.
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {targets}"
    )


_POLICY_OF_PAGES = page_policy()


class HeadersMiddleware:
    """Set the headers that limit what browsers do with an answer, and where they keep it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if settings.SERVICE == "sandbox":
            # It stands in for another site, with headers of its own.
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        headers = response.headers
        for name, value in _HEADERS_OF_ALL:
            headers.setdefault(name, value)
        if not headers.get("Content-Type", "").startswith("text/html"):
            headers[POLICY] = _POLICY_OF_DATA
            headers.setdefault("Cache-Control", "no-store")
            return response
        headers.setdefault(POLICY, _POLICY_OF_PAGES)
        headers["Permissions-Policy"] = _PERMISSIONS
        # The browsable API shows the same as its JSON, which may be kept.
        headers["Cache-Control"] = "no-store"
        if _SIGNED_OUT_KEY in request.META:
            headers["Clear-Site-Data"] = '"cache"'
        return response


@receiver(user_logged_out)
def _note_signed_out(request: HttpRequest, **_: Any) -> None:
    request.META[_SIGNED_OUT_KEY] = True


class HttpsMiddleware:
    """Refuse API requests by plain HTTP, which would be redirected as if nothing were wrong.

    What they send is readable on its way, each time, unless a program's author notices.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.SECURE_SSL_REDIRECT:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(API_PATHS) and not request.is_secure():
            body = error_body(
                "Use https. Others could read this request, including any password or token in it.",
                "https_required",
            )
            return JsonResponse(body, status=403)
        return self.get_response(request)


def bearer_token(request: HttpRequest) -> str:
    """Return the token that a request has; empty if it has none."""
    # As in RFC 9110: the scheme in any case, then one blank or more.
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
