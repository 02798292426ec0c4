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
        "Forget which Oura account an account's data came from: the next collection decides it. "
        "For a person whose user id at Oura has changed, and whose data is therefore refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument("--yes", action="store_true", help="really do it")

    def handle(self, *args: Any, user: str, yes: bool, **options: Any) -> None:
        """Forget the owner, and print what that means. Raises CommandError with code 2."""
        user_id = _user_id(user)
        known = Origin.objects.filter(pk=user_id).exclude(owner="")
        if not known.exists():
            self.stdout.write(
                f"The owner of {user}'s data is not known: the next collection decides it."
            )
            return
        if not yes:
            raise CommandError(
                f"This would make {user} accept data from whichever Oura account is collected "
                "next, in addition to the stored data. Do this only if both belong to the same "
                "person. Add --yes to go ahead.",
                returncode=2,
            )
        known.update(owner="")
        log.warning("owner forgotten", person=user_id)
        self.stdout.write(
            f"Done: the next collection decides which Oura account {user}'s data comes from."
        )


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
