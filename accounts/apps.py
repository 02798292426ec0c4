from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        # Both receive Django's signal that somebody has signed in.
        from accounts import browsers, sessions  # noqa: F401
