import zoneinfo
from datetime import date, datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils import timezone


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            "%(name)s is not a time zone; expected a name such as Europe/Berlin.",
            code="time_zone",
            params={"name": name},
        )


class PersonManager(UserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """The person of that name, whatever its case. Raises DoesNotExist."""
        # The database folds both, as its unique index does.
        return self.alias(folded=Lower("username")).get(folded=Lower(Value(username)))


class User(AbstractUser):
    """A person. Where they live decides which day is today."""

    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="IANA name, such as Europe/Berlin.",
    )
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to end all of this person's tokens."
    )

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="user_name_unique_without_case",
                violation_error_message="A user with that username already exists.",
            ),
        ]

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password)
        self.token_version = (self.token_version or 0) + 1

    def set_unusable_password(self) -> None:
        super().set_unusable_password()
        self.token_version = (self.token_version or 0) + 1

    def save(self, *args: Any, update_fields: Any = None, **options: Any) -> None:
        if update_fields is not None and "password" in update_fields:
            # Tokens end with the password; a hash that is only renewed by a login costs them, too.
            update_fields = {*update_fields, "token_version"}
        super().save(*args, update_fields=update_fields, **options)

    def today(self, now: datetime | None = None) -> date:
        """The date where this person is."""
        return (now or timezone.now()).astimezone(zoneinfo.ZoneInfo(self.time_zone)).date()
