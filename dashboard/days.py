"""One day of a person: its rows, why what is missing is missing, and what the day was before."""

from datetime import date
from typing import Any

from dashboard import reading
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Metric, Revision
from metrics import TYPES


def day(user_id: int, asked: date, *, utc: date) -> dict[str, Any]:
    """What `GET /api/v1/days/{day}` answers."""
    by_type = ledger(user_id, asked, asked, today=utc, using=reading.database())
    return {
        "day": asked,
        **{name: row(model, user_id, asked) for name, model in METRIC_MODELS.items()},
        "coverage": {
            name: {"state": each.state, "reason": each.reason} for name, [each] in by_type.items()
        },
        "revisions": [told(each) for each in revisions(user_id, asked)],
    }


def row(model: type[Metric], user_id: int, asked: date) -> reading.Row | None:
    held = reading.rows_of(model, user_id).filter(day=asked)
    return next(iter(reading.rows(held, reading.columns(model.metric_type))), None)


def revisions(user_id: int, asked: date) -> list[Revision]:
    """Of all types, newest first; the types are named for the index."""
    found = Revision.objects.using(reading.database())
    return list(found.filter(user_id=user_id, type__in=TYPES, day=asked))


def told(each: Revision) -> dict[str, Any]:
    return {
        "type": each.type,
        "kind": each.kind,
        "replaced_at": each.replaced_at,
        "fetched_at": each.fetched_at,
        "times": each.times,
        "changes": each.changes,
        "notes": each.notes,
        "values": each.values,
        "source": each.documents,
    }
