from typing import Any

from django.core.management.base import BaseCommand

from oura import vault
from oura.models import Connection


class Command(BaseCommand):
    help = "Print how many connections have tokens that TOKEN_ENCRYPTION_KEYS can't decrypt."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(sum(map(_is_closed, Connection.objects.living()))))


def _is_closed(connection: Connection) -> bool:
    try:
        vault.decrypt(connection, vault.ACCESS)
        vault.decrypt(connection, vault.REFRESH)
    except vault.CannotDecrypt:
        return True
    return False
