from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from oura import vault
from oura.models import Connection


class Command(BaseCommand):
    help = (
        "Encrypt all stored tokens anew by the first of TOKEN_ENCRYPTION_KEYS. "
        "Put a new key first, restart, run this, then take the old key away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when a token's key is not among the settings'."""
        done = 0
        for pk in Connection.objects.values_list("pk", flat=True):
            # Locked, so that a renewal at the same moment is not undone.
            with transaction.atomic():
                held = Connection.objects.select_for_update().filter(pk=pk).first()
                if held is None:
                    continue
                try:
                    held.access_token = vault.reseal(held.access_token)
                    held.refresh_token = vault.reseal(held.refresh_token)
                except vault.Sealed as error:
                    raise CommandError(str(error)) from None
                held.save(update_fields=["access_token", "refresh_token"])
            done += 1
        self.stdout.write(f"{done} connections are encrypted by the newest key.")
