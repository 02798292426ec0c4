"""`manage.py ensure_user NAME`: create an account unless it exists, for unattended set-ups."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User


class Command(BaseCommand):
    help = (
        "Create an account that may use the admin site, unless it exists. Its password is taken "
        "from the environment variable PASSWORD."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--reset", action="store_true", help="set the password of an existing account, too"
        )

    def handle(self, *args: Any, name: str, reset: bool, **options: Any) -> None:
        """Create the account, and print whether PASSWORD is its password.

        Raises CommandError if PASSWORD is not set.
        """
        password = os.environ.get("PASSWORD")
        if not password:
            raise CommandError("PASSWORD must be set in the environment.")
        try:
            user = User.objects.get_by_natural_key(name)
        except User.DoesNotExist:
            User.objects.create_superuser(name, password=password)
            self.stdout.write("created")
            return
        if user.check_password(password):
            self.stdout.write("same password")
        elif reset:
            user.set_password(password)
            user.save(update_fields=["password"])
            self.stdout.write("password set")
        else:
            self.stdout.write("other password")
