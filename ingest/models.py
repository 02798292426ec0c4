"""The tables of metrics, and of how they were fetched. Units are in each field's help text."""

import zlib
from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar, Self

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Deferrable, F, Q, Value
from django.utils import timezone

from metrics import ACTIVITY, READINESS, SLEEP, MetricType
from metrics.columns import INT32, Column, Contributors, Integer, Number, Text
from myhealth.days import FIRST_DAY, Days
from myhealth.states import FailureKind


class MetricQuerySet(models.QuerySet["Metric"]):
    def of(self, user_id: int) -> Self:
        return self.filter(user_id=user_id)

    def between(self, start: date, end: date) -> Self:
        """Return the rows of the days from start to end, both included."""
        return self.filter(day__range=(start, end))


class Metric(models.Model):
    """A person's summary of a calendar day: the base class of the tables of all types.

    `stores` adds the columns that the type declares. A row is identified by user and day. `oura_id`
    is unique as well, checked at the end of each statement, so that one statement can swap ids.
    """

    metric_type: ClassVar[MetricType]

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="%(class)ss", db_index=False
    )
    oura_id = models.CharField(max_length=255, help_text="Oura's id of the daily document.")
    day = models.DateField(help_text="Oura's date for the day, without a time zone.")
    content_hash = models.BinaryField(max_length=16, editable=False)
    missing_collection = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The Oura collection that has no document for this day yet; the row is partial.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When the content last changed."
    )
    fetched_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When the day was last fetched from Oura."
    )

    objects = MetricQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["-day"]
        constraints = [
            # Serves every query by person and range of days, too.
            models.UniqueConstraint(fields=["user", "day"], name="%(class)s_one_row_per_day"),
            models.UniqueConstraint(
                fields=["oura_id"], name="%(class)s_oura_id", deferrable=Deferrable.IMMEDIATE
            ),
            models.CheckConstraint(condition=~Q(oura_id=""), name="%(class)s_oura_id_not_empty"),
            models.CheckConstraint(
                condition=Q(day__gte=FIRST_DAY), name="%(class)s_day_not_before_2010"
            ),
        ]
        # For the newest day over all people, and the admin's list and date hierarchy.
        indexes = [models.Index(fields=["day"], name="%(class)s_day")]

    def __str__(self) -> str:
        if not hasattr(self, "score"):
            return str(self.day)
        return f"{self.day}: {'no score' if self.score is None else self.score}"


# The model of each type, in the order of `metrics.TYPES`.
METRIC_MODELS: dict[str, type[Metric]] = {}


def stores(metric_type: MetricType) -> Callable[[type[Metric]], type[Metric]]:
    """Make a model the table of a metric type: add the columns that the type declares."""

    def add_columns(model: type[Metric]) -> type[Metric]:
        model.metric_type = metric_type
        for column in metric_type.columns:
            model.add_to_class(column.name, _field(column))
            model._meta.constraints = [*model._meta.constraints, *_checks(metric_type, column)]
        METRIC_MODELS[metric_type.name] = model
        return model

    return add_columns


def _field(column: Column) -> "models.Field[Any, Any]":
    options: dict[str, Any] = {"help_text": column.description, "blank": True}
    match column.kind:
        case Contributors():
            return models.JSONField(default=dict, **options)
        case Integer(lowest):
            signed = lowest < 0
            kind = models.IntegerField if signed else models.PositiveIntegerField
            return kind(null=True, **options)
        case Number():
            return models.FloatField(null=True, **options)
        case Text(longest):
            return models.CharField(max_length=longest, null=True, **options)


def _checks(metric_type: MetricType, column: Column) -> list[models.CheckConstraint]:
    """Return the checks of a number's bounds that its field does not make."""
    match column.kind:
        case Integer(0, highest) if highest == INT32:
            return []
        case Number(lowest, highest):
            within = Q(**{f"{column.name}__range": (lowest, highest)})
            name = f"{metric_type.name}_{column.name}"
            return [models.CheckConstraint(condition=within, name=name)]
    return []


@stores(SLEEP)
class SleepMetric(Metric):
    class Meta(Metric.Meta):
        db_table = "sleep_metrics"
        verbose_name, verbose_name_plural = "day of sleep", "days of sleep"


@stores(ACTIVITY)
class ActivityMetric(Metric):
    class Meta(Metric.Meta):
        db_table = "activity_metrics"
        verbose_name, verbose_name_plural = "day of activity", "days of activity"


@stores(READINESS)
class ReadinessMetric(Metric):
    class Meta(Metric.Meta):
        db_table = "readiness_metrics"
        verbose_name, verbose_name_plural = "day of readiness", "days of readiness"


def unpack(content: bytes | memoryview) -> Any:
    """Return stored documents; None if they are damaged, which must cost nothing but them."""
    try:
        return orjson.loads(zlib.decompress(content))
    except (zlib.error, orjson.JSONDecodeError):
        return None


class MetricSource(models.Model):
    """The Oura documents that a row was made from: 5 to 15 kB a day, so in a table of their own."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    type = models.CharField(max_length=32)
    day = models.DateField()
    # Always written and read as a whole. As text it would take PostgreSQL twice the time and twice
    # the space, and as jsonb, with its thousands of numbers, several times as much.
    content = models.BinaryField(help_text="The documents: JSON, compressed by zlib.")
    provenance = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="What measured the day: the algorithm's version, the ring.",
    )
    warnings = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="Messages by column about values that Oura sent and that could not be stored.",
    )
    wear = models.JSONField(
        null=True,
        help_text="When the ring was off: `start`, and ranges of minutes counted from it; null if "
        "the documents don't say.",
    )

    class Meta:
        db_table = "metric_sources"
        verbose_name, verbose_name_plural = "source", "sources (documents from Oura)"
        constraints = [
            models.UniqueConstraint(fields=["user", "type", "day"], name="source_one_row_per_day"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.day}"

    @property
    def documents(self) -> Any:
        """The documents, None if they are damaged."""
        return unpack(self.content)


class Stream(models.Model):
    """The counters that the ETags of one person's days of a type are made from."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="streams", db_index=False
    )
    type = models.CharField(max_length=32)
    version = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Incremented whenever rows change."
    )
    ledger_version = models.PositiveBigIntegerField(
        default=0,
        db_default=0,
        help_text="Incremented whenever fetches or rejected documents change.",
    )

    class Meta:
        db_table = "metric_streams"
        verbose_name = "change counter"
        constraints = [models.UniqueConstraint(fields=["user", "type"], name="stream_once")]

    def __str__(self) -> str:
        return f"{self.type} at {self.version}"


class _FetchQuerySet(models.QuerySet["Fetch"]):
    def of(self, user_id: int, type_: str) -> Self:
        return self.filter(user_id=user_id, type=type_)


class Fetch(models.Model):
    """A range of days with the result of their last fetch from Oura, of one person and type.

    Complete fetches never overlap each other, failed ones neither (`ingest.fetches`). The ledger is
    derived from them, the rows and the rejected documents.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="fetches", db_index=False
    )
    type = models.CharField(max_length=32)
    start = models.DateField()
    end = models.DateField(help_text="Inclusive.")
    complete = models.BooleanField(
        help_text="Whether all pages were fetched and all documents acknowledged. "
        "If not, the fetch failed."
    )
    asked_at = models.DateTimeField("requested at", help_text="When the request to Oura was made.")
    run = models.CharField(max_length=64, blank=True, help_text="The request id of the run.")
    pages = models.PositiveIntegerField(
        null=True, help_text="Pages of the complete fetch, which may have covered more days."
    )
    documents = models.PositiveIntegerField(
        null=True, help_text="Documents of the complete fetch, which may have covered more days."
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="Fetches in a row with this result."
    )
    alike = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Number of the last failed fetches in a row with the same reason.",
    )
    since = models.DateTimeField(
        "failing since",
        null=True,
        help_text="When the first fetch that failed for this reason was made.",
    )
    kind = models.CharField("kind of failure", max_length=32, blank=True)
    status = models.PositiveSmallIntegerField("HTTP status", null=True)
    collection = models.CharField(
        max_length=64, blank=True, help_text="Oura's collection that failed."
    )
    page = models.PositiveIntegerField(
        null=True, help_text="Number of the page that failed, counting from 1."
    )

    objects = _FetchQuerySet.as_manager()

    class Meta:
        db_table = "fetches"
        verbose_name_plural = "fetches"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(end__gte=F("start")), name="fetch_start_to_end"),
            models.CheckConstraint(
                condition=Q(complete=True, kind="")
                | Q(complete=False, kind__in=FailureKind.values),
                name="fetch_complete_or_kind",
            ),
        ]
        indexes = [
            # Those of the last days are read most, and when the last complete one was.
            models.Index(fields=["user", "type", "end"], name="fetch_by_person_and_end"),
            models.Index(
                fields=["user", "type", "asked_at"],
                condition=Q(complete=True),
                name="fetch_last_complete",
            ),
            models.Index(fields=["run"], name="fetch_by_run"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.days}"

    @property
    def days(self) -> Days:
        return Days(self.start, self.end)


class Run(models.Model):
    """One collection of one person's data, and the days that were missing after it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="runs")
    request_id = models.CharField(max_length=64, help_text="Found in every log line of the run.")
    began_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    created = models.PositiveIntegerField(default=0, help_text="Days stored for the first time.")
    updated = models.PositiveIntegerField(default=0, help_text="Days stored again with changes.")
    healed = models.PositiveIntegerField(
        "filled", default=0, help_text="Missing days that have since arrived."
    )
    revised = models.PositiveIntegerField(
        default=0, help_text="Past days that changed or were removed."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed fetches.")
    missing = models.JSONField(
        default=dict, help_text="Days missing when the run finished, by type and state."
    )
    newest = models.BooleanField(
        default=False, help_text="Whether this is the person's last finished run."
    )

    class Meta:
        db_table = "collection_runs"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "request_id"], name="run_once"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(newest=True), name="run_one_newest"
            ),
        ]
        indexes = [models.Index(fields=["user", "began_at"], name="run_by_age")]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M}"


class Revision(models.Model):
    """An earlier version of a day that changed or was removed; the same version is stored once."""

    class Kind(models.TextChoices):
        CHANGED = "changed", "changed at Oura"
        REMOVED = "removed", "no longer at Oura"
        REMAPPED = "remapped", "re-derived from the same documents"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="revisions", db_index=False
    )
    type = models.CharField(max_length=32)
    day = models.DateField()
    kind = models.CharField(max_length=16, choices=Kind)
    changes = models.JSONField(help_text="Changed columns, each with the values before and after.")
    notes = models.JSONField(default=list, help_text="Descriptions of what changed.")
    content_hash = models.BinaryField(max_length=16, editable=False)
    values = models.JSONField(help_text="The earlier row.")
    content = models.BinaryField(
        null=True,
        help_text="Its Oura documents: JSON, compressed by zlib; null if unchanged.",
    )
    fetched_at = models.DateTimeField(help_text="When this version was last fetched from Oura.")
    replaced_at = models.DateTimeField(help_text="When this version was last replaced.")
    times = models.PositiveIntegerField(
        "times replaced", default=1, help_text="How many times this version was replaced."
    )

    class Meta:
        db_table = "metric_revisions"
        ordering = ["-replaced_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "type", "day", "content_hash"], name="revision_once"
            ),
        ]
        indexes = [models.Index(fields=["replaced_at"], name="revision_by_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.day}"

    @property
    def documents(self) -> Any:
        """The documents, None if there are none or they are damaged."""
        return unpack(self.content) if self.content else None


class Rederivation(models.Model):
    """How far an interrupted re-derivation of a type has come, so that the next can continue."""

    type = models.CharField(max_length=32, primary_key=True)
    mapping = models.CharField(max_length=64, help_text="A fingerprint of the mapping's code.")
    user_id = models.BigIntegerField(help_text="The last account processed.")
    day = models.DateField(help_text="The account's last day processed.")

    class Meta:
        db_table = "rederivations"

    def __str__(self) -> str:
        return f"{self.type} up to {self.user_id}, {self.day}"


class RejectedDocument(models.Model):
    """A document that could not be stored, kept until a good version of it arrives."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="rejected", db_index=False
    )
    type = models.CharField(max_length=32)
    key = models.CharField(max_length=300, editable=False)
    oura_id = models.CharField(max_length=255, blank=True)
    day = models.CharField(max_length=40, blank=True, help_text="As sent.")
    content = models.TextField(
        blank=True, help_text="The document as sent; empty if it belongs to another account."
    )
    errors = models.JSONField(help_text="Messages by field.")
    fetched_at = models.DateTimeField(default=timezone.now)
    first_seen = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "rejected_documents"
        ordering = ["-last_seen"]
        constraints = [
            models.UniqueConstraint(fields=["user", "type", "key"], name="rejected_once"),
        ]
        # For deleting entries: too many of one person, or too old.
        indexes = [
            models.Index(fields=["user", "last_seen"], name="rejected_by_age"),
            models.Index(fields=["last_seen"], name="rejected_by_age_of_all"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.day or 'without a day'}"
