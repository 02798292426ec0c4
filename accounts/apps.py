from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        # Both receive Django's signal that somebody has signed in.
        for module in ("accounts.browsers", "accounts.sessions"):
            import_module(module)
