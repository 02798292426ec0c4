"""`manage.py export_person USER FILE`: write the archive that a person can download."""

import os
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from dashboard.archive import AlreadyRunning, make_archive


class Command(BaseCommand):
    help = "Write all that is stored of a person to a ZIP file, which README.txt in it describes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument("file", help="the file to write; - is standard output")

    def handle(self, *args: Any, user: str, file: str, **options: Any) -> None:
        """Write the file. Raises CommandError: code 2 for wrong usage, 1 for failure."""
        try:
            person = User.objects.get_by_natural_key(user)
        except User.DoesNotExist:
            raise CommandError("There is no account with this name.", returncode=2) from None
        try:
            if file == "-":
                for part in make_archive(person):
                    sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()
            else:
                _write(person, Path(file))
        except AlreadyRunning:
            problem = "Another archive of this person is being made; try again when that has ended."
            raise CommandError(problem, returncode=1) from None
        except OSError as error:
            problem = f"The archive can't be written: {error.strerror or error}."
            raise CommandError(problem, returncode=1) from None


def _write(person: User, path: Path) -> None:
    """Write the file when the archive is whole; only its owner can read it."""
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.writelines(make_archive(person))
            target.flush()
            os.fsync(descriptor)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink()
        raise
