"""The routes that give tokens, renew them and end them."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from accounts import tokens
from accounts.models import User
from accounts.schemas import TOKENS
from myhealth.errors import Invalid
from myhealth.renderers import OrjsonRenderer
from myhealth.schemas import errors

SECRETS = {"Cache-Control": "no-store"}


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, trim_whitespace=False)
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class Refresh(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class TokensView(APIView):
    """These routes ask for no token: who comes here has none yet, or one that has expired."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [OrjsonRenderer]
    serializer: type[serializers.Serializer[Any]]

    def given(self, request: Request) -> dict[str, Any]:
        if not isinstance(request.data, dict):
            names = " and ".join(self.serializer().fields)
            raise Invalid({"body": [f"It must be an object with {names}."]})
        serializer = self.serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found: dict[str, Any] = serializer.validated_data
        return found


class LoginView(TokensView):
    serializer = Credentials

    @extend_schema(
        operation_id="login",
        request=Credentials,
        responses={
            (200, "application/json"): TOKENS,
            **errors(400, 401, 406, 413, 415, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Get tokens for a user name and a password."""
        given = self.given(request)
        # The lockout marks Django's own request, which its middleware looks at.
        user = authenticate(request._request, **given)
        if not isinstance(user, User):
            raise AuthenticationFailed("No active account has this name and password.")
        user_logged_in.send(sender=User, request=request._request, user=user)
        return Response(tokens.issue(user), headers=SECRETS)


class RefreshView(TokensView):
    serializer = Refresh

    @extend_schema(
        operation_id="refresh",
        request=Refresh,
        responses={
            (200, "application/json"): TOKENS,
            **errors(400, 401, 406, 413, 415, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Get new tokens for a refresh token, which is dead from then on."""
        try:
            return Response(tokens.renew(self.given(request)["refresh"]), headers=SECRETS)
        except TokenError as error:
            raise InvalidToken(str(error)) from None


class LogoutView(TokensView):
    serializer = Refresh

    @extend_schema(
        operation_id="logout",
        request=Refresh,
        responses={204: None, **errors(400, 401, 406, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """End a refresh token."""
        try:
            tokens.end(self.given(request)["refresh"])
        except TokenError as error:
            raise InvalidToken(str(error)) from None
        return Response(status=204)
