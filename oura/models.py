"""Connections to Oura with their tokens, and how much of Oura's request limit is left."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from oura.origin import origin_of

# Between two runs that a person asks for.
MIN_PAUSE = timedelta(minutes=1)


def _around(now: datetime) -> tuple[datetime, datetime]:
    """Return the moments at which a run began that is too recent.

    After the clock was set back, a run seems to have begun in the future.
    """
    return now - MIN_PAUSE, now + MIN_PAUSE


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def living(self) -> Self:
        """Return the connections that have not ended."""
        return self.filter(ended="")

    def due(self) -> Self:
        """Return the connections that should be collected at once: new ones, or on request."""
        return self.living().filter(Q(asked_at=None) | ~Q(wanted_at=None))

    def want(self, now: datetime) -> int:
        """Ask for a run of these connections, and return how many may have one.

        There is at most one a minute, since all share Oura's limit on requests.
        """
        rested = Q(asked_at=None) | ~Q(asked_at__range=_around(now))
        return (
            self.living()
            .filter(rested)
            .exclude(wanted_at__range=_around(now))
            .update(wanted_at=now)
        )

    def served(self) -> Self:
        """Return the connections of this OURA_API_URL's origin: tokens are sent nowhere else."""
        return self.filter(origin=origin_of(settings.OURA_API_URL))

    def of_shard(self, number: int, shards: int) -> Self:
        """Return the connections of one of `shards` parts of all people, counted from 0."""
        return self.annotate(part=models.functions.Mod("user_id", models.Value(shards))).filter(
            part=number
        )


class Connection(models.Model):
    """A person's consent at Oura. The tokens are encrypted (`oura.vault`).

    Oura's refresh tokens work once, so a process takes the lease in a separate statement before it
    uses one (`oura.tokens`).
    """

    class Ended(models.TextChoices):
        """Why a connection has ended, so that only a new consent helps.

        The label is what follows "The connection".
        """

        REFUSED = "refused", "was revoked at Oura or has expired"
        INTERRUPTED = "interrupted", "was interrupted during a renewal"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="oura_connection"
    )
    oura_user_id = models.CharField(max_length=128, unique=True, editable=False)
    origin = models.CharField(
        max_length=16, editable=False, help_text="Where the tokens come from: oura or sandbox."
    )
    access_token = models.BinaryField(editable=False)
    refresh_token = models.BinaryField(editable=False)
    generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="Incremented with every new pair of tokens."
    )
    expires_at = models.DateTimeField(help_text="When the access token expires.")
    scopes = models.JSONField(
        default=list, help_text="What the person agreed to share, without Oura's prefix."
    )
    token_url = models.URLField(editable=False, help_text="The address that issued these tokens.")
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    unanswered = models.BooleanField(
        default=False,
        editable=False,
        help_text="A renewal was requested, but no answer was stored.",
    )
    ended = models.CharField(max_length=16, blank=True, choices=Ended)
    connected_at = models.DateTimeField(default=timezone.now)
    collected_at = models.DateTimeField(
        null=True, help_text="When a run last collected everything."
    )
    asked_at = models.DateTimeField(
        "last run began at", null=True, help_text="When a run last began."
    )
    finished_at = models.DateTimeField(
        "last run ended at", null=True, help_text="When a run last ended, whatever it brought."
    )
    wanted_at = models.DateTimeField(
        "asked for at", null=True, help_text="When the person asked for a run that has not begun."
    )
    problem = models.TextField(
        blank=True, help_text="What went wrong in the last run, in a sentence."
    )

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        db_table = "oura_connections"
        ordering = ["user__username"]

    def __str__(self) -> str:
        return f"Oura account of {self.user}"


class WantedRunQuerySet(models.QuerySet["WantedRun"]):
    def due(self) -> Self:
        """Return the runs of the person of OURA_API_KEY that have not begun."""
        due = self.filter(is_taken=False)
        return due.filter(user__username__iexact=settings.OURA_USER) if settings.OURA_USER else due

    def want(self, user: Any, now: datetime) -> bool:
        """Ask for a run, and return whether one will begin: there is at most one a minute."""
        self.get_or_create(user=user, defaults={"at": now})
        # Also where nothing has begun the last one.
        rested = self.filter(user=user).exclude(at__range=_around(now))
        rested.update(at=now, is_taken=False)
        return self.filter(user=user, is_taken=False).exists()


class WantedRun(models.Model):
    """The run that a person without a connection asks for: theirs is the key's account."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="wanted_run"
    )
    at = models.DateTimeField(help_text="When the person asked for it.")
    is_taken = models.BooleanField(default=False, help_text="Whether the run has begun.")

    objects = WantedRunQuerySet.as_manager()

    class Meta:
        db_table = "oura_wanted_runs"

    def __str__(self) -> str:
        return f"run for {self.user}"


class RequestBudget(models.Model):
    """How many requests all our processes may still send: a token bucket (`oura.budget`).

    There is one row, since Oura's limit is on an application, not on a person.
    """

    left = models.FloatField()
    filled_at = models.DateTimeField()

    class Meta:
        db_table = "oura_request_budget"

    def __str__(self) -> str:
        return f"{self.left:.0f} requests"
