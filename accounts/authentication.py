from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from accounts import tokens


class TokenAuthentication(JWTAuthentication):
    """Authenticate `Authorization: Bearer …` with an access token.

    The account is looked up at each request, so that a token ends with it.
    """

    def get_validated_token(self, raw_token: bytes) -> Any:
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken:
            raise InvalidToken(
                "The access token is invalid or expired (it lasts 15 minutes): "
                "refresh it or log in again."
            ) from None

    def get_user(self, validated_token: Any) -> Any:
        try:
            return tokens.get_user(validated_token)
        except TokenError as error:
            raise InvalidToken(str(error)) from None


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication  # type: ignore[assignment]
    name = "accessToken"
