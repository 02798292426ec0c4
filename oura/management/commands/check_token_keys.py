from typing import Any

from django.core.management.base import BaseCommand

from oura import vault
from oura.models import Connection


class Command(BaseCommand):
    help = "Print how many connections have tokens that TOKEN_ENCRYPTION_KEYS can't decrypt."

    def handle(self, *args: Any, **options: Any) -> None:
        connections = Connection.objects.living()
        self.stdout.write(str(sum(not vault.can_decrypt(each) for each in connections)))
