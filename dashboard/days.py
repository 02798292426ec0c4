"""One day of a person: its rows, the state of each type with the reason, warnings, revisions."""

from datetime import date
from typing import Any

from dashboard import queries
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Metric, Revision
from metrics import TYPES


def day_detail(user_id: int, day: date, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/days/{day}`."""
    by_type = ledger(user_id, day, day, today=utc, using=queries.database_alias())
    return {
        "day": day,
        **{name: _row(model, user_id, day) for name, model in METRIC_MODELS.items()},
        "coverage": {
            name: {"state": only.state, "reason": only.reason} for name, [only] in by_type.items()
        },
        "warnings": queries.warnings_by_type(user_id, dict.fromkeys(TYPES, day)),
        "revisions": [_revision_to_dict(revision) for revision in _revisions(user_id, day)],
    }


def _row(model: type[Metric], user_id: int, day: date) -> dict[str, Any] | None:
    rows = queries.rows_of_user(model, user_id).filter(day=day)
    columns = queries.row_columns(model.metric_type)
    return next(iter(queries.newest_first(rows, columns)), None)


def _revisions(user_id: int, day: date) -> list[Revision]:
    """Return the revisions of all types, newest first."""
    revisions = Revision.objects.using(queries.database_alias())
    # Naming the types lets PostgreSQL use the index on user, type and day.
    return list(revisions.filter(user_id=user_id, type__in=TYPES, day=day))


def _revision_to_dict(revision: Revision) -> dict[str, Any]:
    return {
        "type": revision.type,
        "kind": revision.kind,
        "replaced_at": revision.replaced_at,
        "fetched_at": revision.fetched_at,
        "times": revision.times,
        "changes": revision.changes,
        "notes": revision.notes,
        "values": revision.values,
        "source": revision.documents,
    }
