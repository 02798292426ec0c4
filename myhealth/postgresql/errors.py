"""What can be wrong with the database before it is asked anything."""

from django.db import OperationalError


class ServerMissing(OperationalError):
    """There is no PostgreSQL to connect to; the message is a sentence that says what to do."""
