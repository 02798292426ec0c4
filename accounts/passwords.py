"""How passwords are checked: with limits on guessing, and a few at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts import attempts
from accounts.models import User

# Hashing is slow on purpose. More at once would take the processors from everybody else's requests,
# and more that wait would take the threads.
_RUNNING = threading.BoundedSemaphore(2)
_RUNNING_OR_WAITING = threading.BoundedSemaphore(2 + 4)
_PATIENCE_SECONDS = 2


@contextmanager
def _place() -> Iterator[None]:
    """Have one of the places to hash or to wait. Raises TooManyAttempts if all are taken."""
    if not _RUNNING_OR_WAITING.acquire(blocking=False):
        raise attempts.TooManyAttempts(1)
    try:
        yield
    finally:
        _RUNNING_OR_WAITING.release()


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, of which a process does two at a time."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash. Raises TooManyAttempts if too many others are wanted."""
        with _place():
            if not _RUNNING.acquire(timeout=_PATIENCE_SECONDS):
                raise attempts.TooManyAttempts(1)
            try:
                return super().encode(password, salt, iterations)
            finally:
                _RUNNING.release()


class PasswordBackend(ModelBackend):
    """Django's own, with limits on guessing."""

    @sensitive_variables("password")
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the account of a name and a password, or None. Raises TooManyAttempts."""
        if username is None or password is None:
            return None
        with _place():
            # Or the database would be asked in vain.
            pass
        check = super().authenticate
        return attempts.guard(request, username, lambda: check(request, username, password))
