from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from oura import vault
from oura.models import Connection


class Command(BaseCommand):
    help = (
        "Re-encrypt all stored tokens with the first of TOKEN_ENCRYPTION_KEYS. "
        "Put a new key first, restart, run this command, then remove the old key."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if the setting is empty (2), or a token's key is not in it (1)."""
        if not settings.TOKEN_ENCRYPTION_KEYS:
            raise CommandError("TOKEN_ENCRYPTION_KEYS is not set.", returncode=2)
        count, unreadable = 0, []
        for pk in Connection.objects.values_list("pk", flat=True):
            # Locked, so that a concurrent renewal is not overwritten.
            with transaction.atomic():
                connection = Connection.objects.select_for_update().filter(pk=pk).first()
                if connection is None:
                    continue
                try:
                    connection.access_token = vault.reencrypt(connection, vault.ACCESS)
                    connection.refresh_token = vault.reencrypt(connection, vault.REFRESH)
                except vault.CannotDecrypt:
                    unreadable.append(f"'{connection.user}'")
                    continue
                connection.save(update_fields=["access_token", "refresh_token"])
            count += 1
        self.stdout.write(f"{count} connections are encrypted with the newest key.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} can't be decrypted with any of TOKEN_ENCRYPTION_KEYS: "
                f"{', '.join(unreadable)}. Add the key that they were encrypted with, or ask "
                "these people to connect again.",
                returncode=1,
            )
