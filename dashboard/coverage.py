"""What is held of a person's days, and why the rest is not: the ledger, as readers get it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import connections
from django.urls import reverse
from django.utils import timezone

from dashboard.reading import database
from ingest import ledger
from ingest.ledger import FAULT, PRESENT, Range
from ingest.models import METRIC_MODELS, Reading
from metrics import TYPES, MetricType

Ranges = Mapping[str, list[Range]]
WHO = ("wearer", "oura", "myhealth")
# A state in words, for everything that is not wholly there.
WORDS = {
    "partial": "partly there",
    "rejected": "could not be stored",
    "not_worn": "the ring was not worn",
    "none": "Oura has nothing",
    "no_permission": "not allowed at Oura",
    "failed": "could not be read",
    "not_synced": "not synced yet",
    "not_asked": "not asked for yet",
}


def utc_today() -> date:
    """The ledger's today, wherever the person is."""
    return timezone.now().astimezone(UTC).date()


def ranges(user_id: int, start: date, end: date, *, utc: date) -> Ranges:
    """Per type, oldest first, each day from start to end exactly once."""
    return ledger.ledger(user_id, start, end, today=utc, using=database())


def answer(found: Ranges, *, links: bool) -> dict[str, Any]:
    """What `GET /api/v1/coverage` answers; `links` lead to rejected documents in the admin."""
    return {
        name: {"ranges": [told(each, links) for each in ledger.for_people(of_type)]}
        for name, of_type in found.items()
    }


def told(each: Range, links: bool) -> dict[str, Any]:
    found = {"from": each.start, "to": each.end, "state": each.state, "reason": each.reason}
    if links and each.rejected:
        found["link"] = reverse("admin:ingest_rejecteddocument_change", args=[each.rejected])
    return found


def missing(found: Ranges) -> dict[str, list[dict[str, Any]]]:
    """Per type, newest first, what is not wholly held, in words; types without any are left out.

    What lies before the first day that Oura has is not missing.
    """
    return {
        name: gaps
        for name, of_type in found.items()
        if (gaps := [gap(each) for each in reversed(ledger.for_people(of_type)) if absent(each)])
    }


def absent(each: Range) -> bool:
    return bool(ledger.absent([each]))


def gap(each: Range) -> dict[str, Any]:
    return {
        "start": each.start,
        "end": each.end,
        "words": WORDS[each.state],
        "reason": each.reason,
    }


@dataclass(frozen=True)
class Edges:
    """Of one type: the first day held, the newest before some day, when it was last read whole."""

    first: date | None
    newest: date | None
    read_at: datetime | None


# Each is one look into an index, however long the history.
EDGES = """
    SELECT '{name}',
        (SELECT min(day) FROM {rows} WHERE user_id = %(user)s),
        (SELECT max(day) FROM {rows} WHERE user_id = %(user)s AND day < %(before)s),
        (SELECT max(asked_at) FROM {readings}
            WHERE user_id = %(user)s AND type = '{name}' AND complete)"""


def edges(user_id: int, before: date) -> dict[str, Edges]:
    statement = " UNION ALL ".join(
        EDGES.format(name=name, rows=ledger.table(model), readings=ledger.table(Reading))
        for name, model in METRIC_MODELS.items()
    )
    with connections[database()].cursor() as cursor:
        cursor.execute(statement, {"user": user_id, "before": before})
        return {name: Edges(*values) for name, *values in cursor}


def last_read(user_id: int) -> datetime | None:
    """When Oura was last read whole, for any type."""
    found = Reading.objects.using(database()).filter(user_id=user_id, complete=True)
    return found.order_by("-asked_at").values_list("asked_at", flat=True).first()


def summary(found: Ranges, known: Mapping[str, Edges], start: date, end: date) -> dict[str, Any]:
    """Per type how many of the days are held, and whose fault it is that others are not.

    `found` are the ranges from `known`'s day on, of this period and others. What is before the
    first day that is expected is not counted.
    """
    firsts = {name: each.first for name, each in known.items() if each.first}

    def expected(metric_type: MetricType) -> list[Range]:
        first = ledger.expected_from(metric_type, firsts)
        if first is None:
            return []
        return ledger.clamp(found[metric_type.name], max(start, first), end)

    return {
        name: {
            **counted(expected(each)),
            "newest_day": newest(found[name], end) or known[name].newest,
            "newest_sync": known[name].read_at,
        }
        for name, each in TYPES.items()
    }


def counted(period: list[Range]) -> dict[str, Any]:
    lost = ledger.absent(period)
    fault: Counter[str] = Counter()
    for state, days in lost.items():
        fault[FAULT[state]] += days
    return {
        "days_expected": sum(map(len, period)),
        "days_present": sum(len(each) for each in period if each.state in PRESENT),
        "missing": dict(lost),
        "fault": {who: fault[who] for who in WHO},
    }


def newest(of_type: Iterable[Range], end: date) -> date | None:
    held = [each for each in of_type if each.state in PRESENT and each.start <= end]
    return min(held[-1].end, end) if held else None
