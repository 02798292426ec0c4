"""Who is connected to Oura, by which tokens, and how much of Oura's request limit is left."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from oura.client import origin_of


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def living(self) -> Self:
        return self.filter(ended="")

    def served(self) -> Self:
        """Those of the Oura, or the stand-in, that the settings lead to: no other gets tokens."""
        return self.filter(origin=origin_of(settings.OURA_API_URL))

    def of_shard(self, number: int, shards: int) -> Self:
        """One of `shards` parts of all people, from 0."""
        return self.annotate(part=models.functions.Mod("user_id", models.Value(shards))).filter(
            part=number
        )


class Connection(models.Model):
    """A person's Oura account. Tokens are encrypted (`oura.vault`).

    Oura's refresh tokens work once, so whoever wants to spend one first takes the lease, in a
    statement of its own, and only then asks Oura (`oura.tokens`).
    """

    class Ended(models.TextChoices):
        """Why only a new consent helps."""

        REFUSED = "refused", "revoked or expired at Oura"
        INTERRUPTED = "interrupted", "interrupted while it was being renewed"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="oura_connection"
    )
    oura_user_id = models.CharField(max_length=128, unique=True, editable=False)
    origin = models.CharField(
        max_length=16, editable=False, help_text="Whose tokens these are: oura or sandbox."
    )
    access_token = models.BinaryField(editable=False)
    refresh_token = models.BinaryField(editable=False)
    generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised with every new pair of tokens."
    )
    expires_at = models.DateTimeField(help_text="When the access token ends.")
    scopes = models.JSONField(default=list, help_text="Granted, without Oura's prefix.")
    token_url = models.URLField(editable=False, help_text="The address that gave these tokens.")
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    unanswered = models.BooleanField(
        default=False, editable=False, help_text="A renewal was asked for and no answer was kept."
    )
    ended = models.CharField(max_length=16, blank=True, choices=Ended)
    connected_at = models.DateTimeField(default=timezone.now)
    collected_at = models.DateTimeField(
        null=True, help_text="When a run last brought everything; empty until the first."
    )
    asked_at = models.DateTimeField(null=True, help_text="When a run last asked Oura.")
    problem = models.TextField(blank=True, help_text="What the last run lacked, in a sentence.")

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        db_table = "oura_connections"
        ordering = ["user__username"]

    def __str__(self) -> str:
        return f"Oura account of {self.user}"


class RequestBudget(models.Model):
    """What all our processes may still ask of Oura: a bucket that fills with time (`oura.budget`).

    One row; Oura counts over an application's people together.
    """

    left = models.FloatField()
    filled_at = models.DateTimeField()

    class Meta:
        db_table = "oura_request_budget"

    def __str__(self) -> str:
        return f"{self.left:.0f} requests"
