"""`manage.py accept_owner USER --yes`: let a person's Oura account have a new id."""

from argparse import ArgumentParser
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Origin
from ingest.people import find_user_id
from myhealth.errors import Invalid, join_messages

log = structlog.get_logger("ingest.owners")


class Command(BaseCommand):
    help = (
        "Forget which Oura account the data of an account are from: the next collection decides. "
        "For a person whose user id at Oura has changed, so that their data are refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, user: str, yes: bool, **options: Any) -> None:
        """Forget the owner, and print what that means. Raises CommandError with code 2."""
        user_id = _user_id(user)
        known = Origin.objects.filter(pk=user_id).exclude(owner="")
        if not known.exists():
            self.stdout.write(f"No owner is known of {user}: the next collection decides.")
            return
        if not yes:
            raise CommandError(
                f"This would make {user} accept the data of the Oura account that is collected "
                "next, besides those that are stored. Do it only if both are the same person's. "
                "Add --yes to go ahead.",
                returncode=2,
            )
        known.update(owner="")
        log.warning("owner forgotten", person=user_id)
        self.stdout.write(f"Done: the next collection decides whose data {user} has.")


def _user_id(name: str) -> int:
    try:
        if not name:  # which would be the only account
            raise Invalid({"user": ["It is missing; expected the name of an account."]})
        return find_user_id(name)
    except UnicodeEncodeError:
        # A byte of another encoding.
        raise CommandError("There is no account with this name.", returncode=2) from None
    except Invalid as error:
        raise CommandError(join_messages(error.errors), returncode=2) from None
