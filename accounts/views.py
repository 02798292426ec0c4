"""The routes that issue, refresh and revoke tokens."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError
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

_REFUSED = "Wrong user name or password, or the account is disabled."
_NO_STORE = {"Cache-Control": "no-store"}


class CredentialsSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, trim_whitespace=False)
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class _TokensView(APIView):
    """Base of the routes that need no access token: clients have none yet, or an expired one."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [OrjsonRenderer]
    serializer: type[serializers.Serializer[Any]]

    def validated_data(self, request: Request) -> dict[str, Any]:
        if not isinstance(request.data, dict):
            names = " and ".join(self.serializer().fields)
            raise Invalid({"body": [f"The body must be a JSON object with {names}."]})
        serializer = self.serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        return data


class LoginView(_TokensView):
    serializer = CredentialsSerializer

    @extend_schema(
        operation_id="login",
        summary="Sign in",
        tags=["Tokens"],
        request=CredentialsSerializer,
        responses={
            (200, "application/json"): TOKENS,
            **errors(400, 401, 406, 413, 415, 429, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Get tokens for a user name and a password."""
        credentials = self.validated_data(request)
        user = authenticate(request._request, **credentials)
        if not isinstance(user, User):
            raise AuthenticationFailed(_REFUSED)
        # Django's signal would also restart the session whose cookie the request may have.
        update_last_login(User, user)
        try:
            return Response(tokens.issue_tokens(user), headers=_NO_STORE)
        except IntegrityError:
            # Deleted meanwhile.
            raise AuthenticationFailed(_REFUSED) from None


class RefreshView(_TokensView):
    serializer = RefreshSerializer

    @extend_schema(
        operation_id="refresh",
        summary="Renew the tokens",
        tags=["Tokens"],
        request=RefreshSerializer,
        responses={
            (200, "application/json"): TOKENS,
            **errors(400, 401, 406, 413, 415, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens. Using the same one again ends the sign-in."""
        refresh = self.validated_data(request)["refresh"]
        try:
            return Response(tokens.refresh_tokens(refresh), headers=_NO_STORE)
        except TokenError as error:
            raise InvalidToken(str(error)) from None


class LogoutView(_TokensView):
    serializer = RefreshSerializer

    @extend_schema(
        operation_id="logout",
        summary="Sign out",
        tags=["Tokens"],
        request=RefreshSerializer,
        responses={204: None, **errors(400, 401, 406, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """End the sign-in that a refresh token belongs to, with all of its tokens."""
        try:
            tokens.revoke_refresh_token(self.validated_data(request)["refresh"])
        except TokenError as error:
            raise InvalidToken(str(error)) from None
        return Response(status=204)
