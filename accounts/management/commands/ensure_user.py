"""`manage.py ensure_user NAME`: create an account unless it exists, for unattended set-ups."""

import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Origin, User


class Command(BaseCommand):
    help = (
        "Create an account that may use the admin site, unless it already exists. Its password "
        "comes from the environment variable PASSWORD."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="also set the password if the account already exists",
        )
        parser.add_argument(
            "--no-admin",
            action="store_true",
            help="the account may not use the admin site, also if it could before",
        )
        parser.add_argument(
            "--sample",
            action="store_true",
            help="for sample data: create no account where another one has real data; the account "
            "may use the admin site only while no account has real data",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="only print what is wrong with the password, without using the database",
        )

    def handle(
        self,
        *args: Any,
        name: str,
        reset: bool,
        no_admin: bool,
        sample: bool,
        check: bool,
        **options: Any,
    ) -> None:
        """Create the account, and print whether PASSWORD is its password.

        Raises CommandError if PASSWORD is not set, or the name or PASSWORD can't be accepted.
        """
        password = os.environ.get("PASSWORD")
        if not password:
            raise CommandError("PASSWORD must be set in the environment.")
        if check:
            self.stdout.write(" ".join(_problems(password, User(username=name))))
            return
        done = self._ensure(name, password, reset=reset, sample=sample)
        self.stdout.write(done)
        if (no_admin or sample) and done != "not created":
            user = User.objects.get_by_natural_key(name)
            if no_admin or _has_real_data():
                user.is_staff = user.is_superuser = False
            elif done != "other password":
                user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])

    def _ensure(self, name: str, password: str, *, reset: bool, sample: bool) -> str:
        """Create the account unless it exists, and return what was done or found."""
        try:
            user = User.objects.get_by_natural_key(name)
        except User.DoesNotExist:
            if sample and _has_real_data():
                return "not created"
            self._create(name, password)
            return "created"
        if user.check_password(password):
            return "same password"
        if reset:
            _refuse(_problems(password, user))
            user.set_password(password)
            user.save(update_fields=["password"])
            return "password set"
        return "other password"

    def _create(self, name: str, password: str) -> None:
        user = User(username=name, is_staff=True, is_superuser=True)
        try:
            user.full_clean(exclude=["password"])
        except ValidationError as error:
            _refuse([f"{name!r} can't be the name of an account.", *error.messages])
        _refuse(_problems(password, user))
        User.objects.create_superuser(user.username, password=password)


def _has_real_data() -> bool:
    return Origin.objects.filter(name="oura").exists()


def _problems(password: str, user: User) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return error.messages
    return []


def _refuse(messages: list[str]) -> None:
    if messages:
        raise CommandError(" ".join(messages))
