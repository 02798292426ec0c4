"""Encryption of tokens at rest, with keys that can be changed while it is in use."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Sealed(Exception):
    """None of TOKEN_ENCRYPTION_KEYS opens it."""


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.TOKEN_ENCRYPTION_KEYS])


def seal(text: str) -> bytes:
    """Encrypt by the newest key."""
    return _keys().encrypt(text.encode())


def unseal(sealed: bytes | memoryview) -> str:
    """Decrypt by whichever key fits. Raises Sealed."""
    try:
        return _keys().decrypt(bytes(sealed)).decode()
    except InvalidToken:
        raise Sealed("TOKEN_ENCRYPTION_KEYS lacks the key of a stored token.") from None


def reseal(sealed: bytes | memoryview) -> bytes:
    """Encrypt anew by the newest key. Raises Sealed."""
    try:
        return _keys().rotate(bytes(sealed))
    except InvalidToken:
        raise Sealed("TOKEN_ENCRYPTION_KEYS lacks the key of a stored token.") from None
