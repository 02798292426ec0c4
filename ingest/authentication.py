import hmac
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class _Program(AnonymousUser):
    """A program that sent a valid token."""

    @property
    def is_authenticated(self) -> bool:  # type: ignore[override]
        return True


class ServiceToken(BaseAuthentication):
    """Authentication by `Authorization: Bearer …`, with one of the tokens in a setting."""

    setting = "INGEST_TOKENS"

    def authenticate(self, request: Request) -> tuple[_Program, str] | None:
        scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Compare with all tokens, so that the response time reveals nothing.
        matches = [
            hmac.compare_digest(given.strip().encode(), token.encode())
            for token in getattr(settings, self.setting)
        ]
        if not any(matches):
            raise AuthenticationFailed("Invalid token.")
        return _Program(), ""

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ControlToken(ServiceToken):
    setting = "CONTROL_TOKENS"


class ServiceTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ServiceToken
    name = "ingestToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": f"One of {self.target.setting}."}


class ControlTokenScheme(ServiceTokenScheme):  # type: ignore[no-untyped-call]
    target_class = ControlToken
    name = "controlToken"


class IsProgram(BasePermission):
    """Allow only requests with a valid token."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, _Program)
