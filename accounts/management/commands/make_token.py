"""`manage.py make_token USER --name NAME`: print a new personal token."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.personal_tokens import MOST_DAYS, create_token


class Command(BaseCommand):
    help = (
        "Print a new personal token, with which a program can read a person's data. It is shown "
        "only this once; the person can revoke it at /account/tokens/."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--days", type=int, help="how long it is valid; without it, no end")

    def handle(self, *args: Any, user: str, name: str, days: int | None, **options: Any) -> None:
        """Print the token, and nothing else on standard output. Raises CommandError."""
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days must be from 1 to {MOST_DAYS}.", returncode=2)
        try:
            person = User.objects.get_by_natural_key(user)
        except User.DoesNotExist:
            raise CommandError("There is no account with this name.", returncode=2) from None
        if not person.is_active:
            raise CommandError(
                "This account is disabled: an administrator must enable it first.", returncode=2
            )
        try:
            token = create_token(person, name, days)
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}", returncode=2) from None
        self.stdout.write(token)
