from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from accounts import tokens


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer …` with an access token, looked up in the accounts each time."""

    def get_user(self, validated_token: Any) -> Any:
        try:
            return tokens.holder(validated_token)
        except TokenError as error:
            raise InvalidToken(str(error)) from None


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication  # type: ignore[assignment]
    name = "accessToken"
