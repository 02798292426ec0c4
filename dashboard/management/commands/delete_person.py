"""`manage.py delete_person USER [--data-only] --yes`: delete a person's data, and the account."""

from argparse import ArgumentParser
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from dashboard.people import count_days, delete_account, delete_data
from ingest import control
from oura.models import Connection
from oura.standing import in_words

log = structlog.get_logger("dashboard.people")


class Command(BaseCommand):
    help = (
        "Delete an account and everything stored for it, or only its data and its connection to "
        "Oura. The processor deletes the data, so CONTROL_TOKENS and PROCESSOR_URL must be set."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument(
            "--data-only", action="store_true", help="keep the account, disconnected from Oura"
        )
        parser.add_argument("--yes", action="store_true", help="really do it")

    def handle(self, *args: Any, user: str, data_only: bool, yes: bool, **options: Any) -> None:
        """Delete, and print what. Raises CommandError: code 2 for wrong usage, 1 for failure."""
        try:
            person = User.objects.get_by_natural_key(user)
        except User.DoesNotExist:
            raise CommandError("There is no account with this name.", returncode=2) from None
        days = ", ".join(f"{type_} {days}" for type_, days in count_days(person).items())
        parts = [f"the days of {person} ({days})", "their earlier versions", "Oura's documents"]
        if Connection.objects.filter(user=person).exists():
            parts.append("the connection to Oura")
        if not data_only:
            parts.append("the account itself")
        what = in_words(parts)
        if not yes:
            raise CommandError(f"This would delete {what}. Add --yes to go ahead.", returncode=2)
        pk = person.pk
        try:
            delete = delete_data if data_only else delete_account
            delete(person, self.stdout.write)
        except control.ControlError as error:
            raise CommandError(f"Deleting did not finish: {error}", returncode=1) from None
        log.warning("person deleted", person=pk, data_only=data_only)
        self.stdout.write(f"Deleted {what}.")
