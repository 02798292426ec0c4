"""Encryption of stored tokens, with keys that can be rotated while they are in use."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotDecrypt(Exception):
    """The value was encrypted with a key that TOKEN_ENCRYPTION_KEYS does not have."""

    def __init__(self) -> None:
        super().__init__(
            "TOKEN_ENCRYPTION_KEYS does not contain the key that a stored token was encrypted with."
        )


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.TOKEN_ENCRYPTION_KEYS])


def encrypt(text: str) -> bytes:
    """Return the text, encrypted with the newest key."""
    return _keys().encrypt(text.encode())


def decrypt(encrypted: bytes | memoryview) -> str:
    """Return the text, decrypted with whichever key fits. Raises CannotDecrypt."""
    try:
        return _keys().decrypt(bytes(encrypted)).decode()
    except InvalidToken:
        raise CannotDecrypt from None


def reencrypt(encrypted: bytes | memoryview) -> bytes:
    """Return the value, encrypted with the newest key. Raises CannotDecrypt."""
    try:
        return _keys().rotate(bytes(encrypted))
    except InvalidToken:
        raise CannotDecrypt from None
