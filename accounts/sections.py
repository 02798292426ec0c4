"""What the frame of all pages shows on those about a person's account."""

from typing import Any

from accounts.models import Origin


class AccountSection:
    """Stands as `view` in the context of a page: *Account* is marked in the navigation."""

    section = "account"
    current = "true"

    def __init__(self, user: Any) -> None:
        self.user = user

    @property
    def has_sample_data(self) -> bool:
        return Origin.objects.filter(user=self.user, name="sandbox").exists()
