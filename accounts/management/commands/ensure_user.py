"""`manage.py ensure_user NAME`: an account that is there, for set-ups that run by themselves."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User


class Command(BaseCommand):
    help = (
        "Make sure that an account exists, able to use the admin. A new one gets the password in "
        "the environment variable PASSWORD."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--reset", action="store_true", help="give an existing account this password, too"
        )

    def handle(self, *args: Any, name: str, reset: bool, **options: Any) -> None:
        """Print whether PASSWORD is the account's password. Raises CommandError without one."""
        password = os.environ.get("PASSWORD")
        if not password:
            raise CommandError("PASSWORD must be set in the environment.")
        try:
            user = User.objects.get_by_natural_key(name)
        except User.DoesNotExist:
            User.objects.create_superuser(name, password=password)
            self.stdout.write("made")
            return
        if user.check_password(password):
            self.stdout.write("same password")
        elif reset:
            user.set_password(password)
            user.save(update_fields=["password"])
            self.stdout.write("password set")
        else:
            self.stdout.write("other password")
