"""Errors before the first connection to the database."""

from django.db import OperationalError


class ServerMissing(OperationalError):
    """There is no PostgreSQL to connect to; the message says what to do."""
