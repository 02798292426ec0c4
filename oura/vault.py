"""Encryption of stored tokens, with keys that can be rotated while they are in use.

Each token has a key of its own, derived from a key of TOKEN_ENCRYPTION_KEYS, the person and the
column: one that is moved to another row or column can't be decrypted.
"""

import base64
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from oura.models import Connection

ACCESS, REFRESH = "access_token", "refresh_token"


class CannotDecrypt(Exception):
    """A token was encrypted with another key, or for another person or column."""

    def __init__(self) -> None:
        super().__init__(
            "A stored token can't be decrypted: TOKEN_ENCRYPTION_KEYS does not contain the key "
            "that it was encrypted with, or it was damaged or moved from another person's row."
        )


def encrypt(text: str, user_id: int, column: str) -> bytes:
    """Return the text, encrypted with the newest key for a person and a column."""
    return _derive(settings.TOKEN_ENCRYPTION_KEYS[0], user_id, column).encrypt(text.encode())


def decrypt(connection: Connection, column: str) -> str:
    """Return the token in a column, decrypted with whichever key fits. Raises CannotDecrypt."""
    keys = settings.TOKEN_ENCRYPTION_KEYS
    derived = [_derive(key, connection.user_id, column) for key in keys]
    # Tokens that were stored before keys were derived, and not renewed or rotated since.
    underived = [Fernet(key) for key in keys]
    for fernet in (*derived, *underived):
        with suppress(InvalidToken):
            return fernet.decrypt(bytes(getattr(connection, column))).decode()
    raise CannotDecrypt


def can_decrypt(connection: Connection) -> bool:
    """Return whether both tokens can be decrypted."""
    try:
        return all(decrypt(connection, column) for column in (ACCESS, REFRESH))
    except CannotDecrypt:
        return False


def reencrypt(connection: Connection, column: str) -> bytes:
    """Return the token in a column, encrypted with the newest key. Raises CannotDecrypt."""
    return encrypt(decrypt(connection, column), connection.user_id, column)


def _derive(key: str, user_id: int, column: str) -> Fernet:
    hkdf = HKDF(SHA256(), length=32, salt=None, info=f"oura|{user_id}|{column}".encode())
    return Fernet(base64.urlsafe_b64encode(hkdf.derive(base64.urlsafe_b64decode(key))))
