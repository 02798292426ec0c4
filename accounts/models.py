import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.deconstruct import deconstructible

from myhealth import time_zones
from myhealth.preferences import (
    CELSIUS,
    FAHRENHEIT,
    KILOMETRES,
    MILES,
    TWELVE_HOURS,
    TWENTY_FOUR_HOURS,
    Preferences,
)


def validate_time_zone(name: str) -> None:
    if name not in time_zones.names():
        raise ValidationError(
            "%(name)s is not a time zone; use a name such as Europe/Berlin.",
            code="time_zone",
            params={"name": name},
        )


@deconstructible
class NameValidator(UnicodeUsernameValidator):
    """Refuse `.` and `..` as well: in an address they name a folder, not a person."""

    regex = r"^(?!\.{1,2}\Z)[\w.@+-]+\Z"


def validate_printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError("Use only visible characters and spaces.", code="printable")


# A change of one of these, or its absence, decides which tokens and sessions are valid.
_DECIDE_VERSION = {"password", "is_active", "token_version"}
_SAME_PASSWORD = "SELECT set_config('myhealth.same_password', %s, true)"


class PersonManager(UserManager["User"]):
    def _create_user_object(self, *args: Any, **fields: Any) -> "User":
        """Return the account that Django's `create_…` methods will store.

        Raises ValidationError if its name is not valid.
        """
        user: User = super()._create_user_object(*args, **fields)  # type: ignore[misc]
        User._meta.get_field("username").run_validators(user.username)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of that name, ignoring case. Raises DoesNotExist."""
        if username and re.search("[\0\ud800-\udfff]", username):
            # PostgreSQL refuses NUL and half a character, such as a byte of another encoding.
            raise self.model.DoesNotExist
        # The database folds both names, as its unique index does.
        return self.alias(folded=Lower("username")).get(folded=Lower(Value(username)))


class TemperatureUnit(models.TextChoices):
    CELSIUS = CELSIUS, "degrees Celsius (°C)"
    FAHRENHEIT = FAHRENHEIT, "degrees Fahrenheit (°F)"


class DistanceUnit(models.TextChoices):
    KILOMETRES = KILOMETRES, "kilometres (km)"
    MILES = MILES, "miles (mi)"


class ClockHours(models.IntegerChoices):
    TWENTY_FOUR = TWENTY_FOUR_HOURS, "24 hours (23:05)"
    TWELVE = TWELVE_HOURS, "12 hours (11:05 PM)"


class FirstWeekday(models.IntegerChoices):
    MONDAY = 1, "Monday"
    SATURDAY = 6, "Saturday"
    SUNDAY = 7, "Sunday"


class User(AbstractUser):
    """A person's account. Their time zone decides which day is "today".

    Saving an account that was loaded writes only what this object changed: another process may
    have disabled it meanwhile, or taken its rights. A trigger of the table raises `token_version`
    with each new password and when an account is disabled, and never lets it fall.
    """

    username = models.CharField(
        max_length=150,
        unique=True,
        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
        validators=[NameValidator()],
        error_messages={"unique": "A user with that username already exists."},
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="IANA name, such as Europe/Berlin.",
    )
    # How pages show values; the API always answers in the units of the tables.
    temperature_unit = models.CharField(
        "temperatures",
        max_length=2,
        choices=TemperatureUnit,
        default=TemperatureUnit.CELSIUS,
        db_default=TemperatureUnit.CELSIUS,
    )
    distance_unit = models.CharField(
        "distances",
        max_length=2,
        choices=DistanceUnit,
        default=DistanceUnit.KILOMETRES,
        db_default=DistanceUnit.KILOMETRES,
    )
    clock_hours = models.PositiveSmallIntegerField(
        "times of day",
        choices=ClockHours,
        default=ClockHours.TWENTY_FOUR,
        db_default=ClockHours.TWENTY_FOUR,
    )
    first_weekday = models.PositiveSmallIntegerField(
        "first day of the week",
        choices=FirstWeekday,
        default=FirstWeekday.MONDAY,
        db_default=FirstWeekday.MONDAY,
        help_text="Its number in ISO 8601: 1 is Monday.",
    )
    was_asked_for_zone = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether their browser has been asked for its time zone, or they chose one.",
    )
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Increase it to revoke all of this person's tokens."
    )
    # Only `ingest` changes it.
    data_generation = models.UUIDField(
        default=uuid.uuid4,
        db_default=RandomUUID(),
        editable=False,
        help_text="Replaced when this person's data are deleted, so that no run adds older ones.",
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

    # The values that the row had when it was loaded or saved.
    _stored: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def from_db(cls, *args: Any, **options: Any) -> Self:
        user = super().from_db(*args, **options)
        user._remember()
        return user

    def refresh_from_db(
        self, using: Any = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        self._remember(fields)

    def save(self, *args: Any, update_fields: Any = None, **options: Any) -> None:
        """Store the account, or what was changed since. If it was deleted, it stays deleted."""
        if update_fields is None:
            if self._state.adding:
                # Django would first try to replace the row of this id.
                options["force_insert"] = True
            else:
                update_fields = self._changed_fields()
        try:
            super().save(*args, update_fields=update_fields, **options)
        except DatabaseError:
            if update_fields is None or User.objects.filter(pk=self.pk).exists():
                raise
            return
        self._remember(update_fields)
        if not _DECIDE_VERSION.isdisjoint(update_fields or ()):
            self.refresh_from_db(fields=["token_version"])

    def _remember(self, names: Iterable[str] | None = None) -> None:
        held = self.__dict__
        if names is None:
            names = [field.attname for field in self._meta.concrete_fields]
        self._stored = {**self._stored, **{name: held[name] for name in names if name in held}}

    def _changed_fields(self) -> list[str]:
        held, stored = self.__dict__, self._stored
        return [
            name
            for name in (field.attname for field in self._meta.concrete_fields)
            if name in held and (name not in stored or held[name] != stored[name])
        ]

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether this is the password; a hash made with an older setting is replaced."""

        def replace_hash(raw_password: str | None) -> None:
            # Unless the password itself was replaced meanwhile.
            same = User.objects.filter(pk=self.pk, password=self.password)
            replaced = make_password(raw_password)
            with transaction.atomic(), connection.cursor() as cursor:
                # So that the trigger of the table lets sessions and tokens live on.
                cursor.execute(_SAME_PASSWORD, ["on"])
                if same.update(password=replaced):
                    self.refresh_from_db(fields=["password"])
                cursor.execute(_SAME_PASSWORD, ["off"])

        return check_password(raw_password, self.password, replace_hash)

    def sign_out_everywhere(self) -> None:
        """End all sessions and tokens of this person."""
        self.token_version = F("token_version") + 1
        self.save(update_fields=["token_version"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what a session must hold, also when made with a former SECRET_KEY."""
        signed = f"{self.pk} {self.token_version}"
        salt = "accounts.models.User.session"
        return salted_hmac(salt, signed, secret=secret, algorithm="sha256").hexdigest()

    def today(self, now: datetime | None = None) -> date:
        """Return the date in this person's time zone."""
        return (now or timezone.now()).astimezone(self.zone).date()

    @property
    def zone(self) -> ZoneInfo:
        """This person's time zone, or the server's if theirs is not known here."""
        known = self.time_zone in time_zones.names()
        return ZoneInfo(self.time_zone if known else settings.TIME_ZONE)

    @property
    def preferences(self) -> Preferences:
        """How pages show values to this person."""
        return Preferences(self.temperature_unit, self.distance_unit, self.clock_hours, self.zone)


class Origin(models.Model):
    """Where an account's data come from: fixed by what is collected first, until all is deleted.

    Only `ingest` writes it. The name is empty as long as only the owner is known.
    """

    class Name(models.TextChoices):
        OURA = "oura", "Oura"
        SANDBOX = "sandbox", "sandbox (demo data)"

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="origin")
    name = models.CharField("origin", max_length=16, choices=Name)
    owner = models.CharField(
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text="The Oura account's own user id; empty if it is not known.",
    )

    class Meta:
        db_table = "metric_origins"
        verbose_name, verbose_name_plural = "origin of data", "origins of data"

    def __str__(self) -> str:
        return self.name


class FailedSignIn(models.Model):
    """A try to sign in that failed, or whose password is being checked: see accounts.attempts."""

    account = models.BigIntegerField(
        help_text="A keyed hash of the user name that was entered; there may be no such account."
    )
    source = models.CharField(max_length=64, help_text="The network, or the known browser.")
    network = models.CharField(max_length=43, help_text="An IPv4 address, or an IPv6 /64.")
    block = models.CharField(max_length=43, help_text="An IPv4 address, or an IPv6 /48.")
    is_new = models.BooleanField(help_text="Whether neither the network nor the browser was known.")
    is_checked = models.BooleanField(
        default=False, help_text="Whether the password was found to be wrong."
    )
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
    token_version = models.PositiveIntegerField(
        help_text="The token version of the account at its last sign-in from this network."
    )
    network = models.CharField(max_length=43)
    at = models.DateTimeField(help_text="When someone last signed in from this network.")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "network"], name="known_network_unique")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["at"], name="known_network_at")
        ]

    def __str__(self) -> str:
        return self.network


class TokenFamily(models.Model):
    """One sign-in of a program, with the only refresh token that can renew it.

    A family that has ended has no row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="token_families")
    signed_in_at = models.DateTimeField(default=timezone.now)
    renewed_at = models.DateTimeField(null=True, help_text="When its tokens were last renewed.")
    current = models.UUIDField(help_text="The id of the refresh token that is valid now.")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return f"signed in at {self.signed_in_at:%Y-%m-%d %H:%M}"


class PersonalToken(models.Model):
    """A lasting token with which a program of this person may read, until it is revoked.

    It has ended if it has expired, or if the account's `token_version` is another one by now.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="personal_tokens", db_index=False)
    name = models.CharField(max_length=60, validators=[validate_printable])
    digest = models.BinaryField(unique=True, help_text="The SHA-256 of the token: it is random.")
    token_version = models.PositiveIntegerField(help_text="The account's, when it was created.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    last_used_at = models.DateField(
        "last used", null=True, blank=True, help_text="The date in UTC: one write a day is enough."
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "name"], name="personal_token_unique")
        ]

    def __str__(self) -> str:
        return self.name
