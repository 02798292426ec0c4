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
            "%(name)s is not a time zone; use a name such as Europe/Berlin.",
            code="time_zone",
            params={"name": name},
        )


class PersonManager(UserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of that name, ignoring case. Raises DoesNotExist."""
        # The database folds both names, as its unique index does.
        return self.alias(folded=Lower("username")).get(folded=Lower(Value(username)))


class User(AbstractUser):
    """A person's account. Their time zone decides which day is "today"."""

    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="IANA name, such as Europe/Berlin.",
    )
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Increase it to revoke all of this person's tokens."
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
            # A new password revokes all tokens. So does a login that only upgrades the hash.
            update_fields = {*update_fields, "token_version"}
        super().save(*args, update_fields=update_fields, **options)

    def today(self, now: datetime | None = None) -> date:
        """Return the date in this person's time zone."""
        return (now or timezone.now()).astimezone(zoneinfo.ZoneInfo(self.time_zone)).date()


class Origin(models.Model):
    """Where an account's data come from: fixed by what is collected first, until all is deleted.

    Only `ingest` writes it. The name is empty as long as only the owner is known.
    """

    class Name(models.TextChoices):
        OURA = "oura"
        SANDBOX = "sandbox"

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="origin")
    name = models.CharField(max_length=16, choices=Name)
    owner = models.CharField(
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text="The Oura account's own user id; empty if it is not known.",
    )

    class Meta:
        db_table = "metric_origins"

    def __str__(self) -> str:
        return self.name


class FailedSignIn(models.Model):
    """A try to sign in that failed, or whose password is being checked: see accounts.attempts."""

    account = models.BigIntegerField(help_text="A keyed hash of the name, which may not exist.")
    source = models.CharField(max_length=64, help_text="The network, or a browser known to us.")
    network = models.CharField(max_length=43, help_text="An IPv4 address, or an IPv6 /64.")
    block = models.CharField(max_length=43, help_text="An IPv4 address, or an IPv6 /48.")
    is_new = models.BooleanField(help_text="Neither the network nor the browser was known.")
    is_checked = models.BooleanField(default=False, help_text="The password was wrong.")
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["account", "at"], name="failed_sign_in_account"),
            models.Index(fields=["network", "at"], name="failed_sign_in_network"),
            models.Index(fields=["block", "at"], name="failed_sign_in_block"),
            models.Index(fields=["at"], name="failed_sign_in_at"),
        ]

    def __str__(self) -> str:
        return self.network


class KnownNetwork(models.Model):
    """A network from which someone has signed in to an account."""

    user = models.ForeignKey(User, models.CASCADE, related_name="known_networks", db_index=False)
    network = models.CharField(max_length=43)
    at = models.DateTimeField(help_text="When that was, the last time.")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "network"], name="known_network_unique")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["at"], name="known_network_at")
        ]

    def __str__(self) -> str:
        return self.network
