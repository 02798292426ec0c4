"""`manage.py reset_password NAME`: print a one-time link to set a new password."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.reset import reset_path


class Command(BaseCommand):
    help = (
        "Print a link for setting a new password. It works once, within a day. Run this command "
        "where the API runs: it needs the same SECRET_KEY and PUBLIC_URL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        """Print the link, and nothing else on standard output. Raises CommandError."""
        if not settings.HAS_SECRET_KEY:
            raise CommandError(
                "SECRET_KEY must be the same as the API's: run this command where the API runs."
            )
        if not settings.PUBLIC_URL_IS_KNOWN:
            raise CommandError(
                "PUBLIC_URL must be the same as the API's: run this command where the API runs."
            )
        try:
            person = User.objects.get_by_natural_key(user)
        except User.DoesNotExist:
            raise CommandError("There is no account with this name.", returncode=2) from None
        if not person.is_active:
            raise CommandError(
                "This account is disabled: an administrator must enable it first.", returncode=2
            )
        self.stdout.write(f"{settings.PUBLIC_URL}{reset_path(person)}")
        self.stderr.write("The link works once, within a day.")
