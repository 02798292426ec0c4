import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from oura import connections, provider
from oura.errors import OuraError

_NOT_THE_ADDRESS = "This is not the address that Oura redirected you to."


class Command(BaseCommand):
    help = (
        "Connect a person's Oura account on a machine without a browser: open the printed address "
        "on any other machine, agree, and paste the address of the page that you are redirected to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="the account that receives the data")

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        """Raises CommandError: 2 for wrong settings or usage, 1 when Oura refuses."""
        if not settings.OURA_CLIENT_ID:
            raise CommandError(self._how_to_register(), returncode=2)
        person = self._get_user(user)
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        self.stdout.write("Open this address in a browser and agree:\n")
        self.stdout.write(provider.consent_url(connections.redirect_uri(), state, verifier))
        self.stdout.write("\nThe next page may not load. Paste its whole address here:")
        try:
            code = self._get_code(input().strip(), state)
        except EOFError:
            raise CommandError(
                "No address was pasted, so no account was connected.", returncode=1
            ) from None
        except ValueError:
            raise CommandError(_NOT_THE_ADDRESS, returncode=1) from None
        try:
            result = connections.connect(person, code, verifier)
        except OuraError as error:
            raise CommandError(str(error), returncode=1) from None
        self.stdout.write(f"Connected {user}. Collect with: manage.py collect_oura --user {user}")
        if result.missing_scopes:
            names = ", ".join(sorted(result.missing_scopes))
            self.stdout.write(f"You did not allow access to: {names}.")

    def _get_user(self, name: str) -> Any:
        users = get_user_model()
        try:
            return users._default_manager.get_by_natural_key(name)
        except users.DoesNotExist:
            raise CommandError(f"There is no account named {name!r}.", returncode=2) from None

    def _get_code(self, address: str, state: str) -> str:
        """Return the code from the address of the callback. Raises CommandError."""
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if "error" in parameters:
            raise CommandError(f"Oura reported an error: {parameters['error'][:80]}.", returncode=1)
        is_ours = parameters.get("state") == state and provider.is_issuer(parameters.get("iss"))
        if not is_ours or not parameters.get("code"):
            raise CommandError(_NOT_THE_ADDRESS, returncode=1)
        return parameters["code"]

    def _how_to_register(self) -> str:
        return (
            "OURA_CLIENT_ID is not set. Register an application at https://developer.ouraring.com, "
            f"with the redirect URI {connections.redirect_uri()}, and set OURA_CLIENT_ID and "
            "OURA_CLIENT_SECRET to the values shown there."
        )
