"""One day of a person: its rows, the state of each type with the reason, warnings, revisions."""

from datetime import date
from functools import cache
from typing import Any

import orjson

from dashboard import queries
from ingest.facts import facts_parameters, general_facts, json_object, load_facts, type_facts
from ingest.ledger import first_derived_day, ledger_from
from ingest.models import METRIC_MODELS, MetricSource, Revision
from metrics import TYPES
from myhealth.postgresql.prepared import fetch_all

_WARNINGS = f"""
    SELECT warnings FROM "{MetricSource._meta.db_table}"
    WHERE user_id = $1 AND type = '{{type}}' AND day = $4"""
_REVISIONS = f"""
    SELECT count(*) FROM "{Revision._meta.db_table}"
    WHERE user_id = $1 AND type IN ({{types}}) AND day = $4"""


def day_detail(user_id: int, day: date, *, utc: date) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/days/{day}`."""
    database = queries.database_alias()
    since = first_derived_day(day, day, utc) or utc
    parameters = [*facts_parameters(user_id, since), day]
    [[text]] = fetch_all(_day_query(), parameters, using=database)
    document = orjson.loads(text)
    facts = load_facts(document, user_id, database)
    by_type = ledger_from(facts, day, day, today=utc)
    return {
        "day": day,
        **{name: queries.load_row(each, document[name]["row"]) for name, each in TYPES.items()},
        "coverage": {
            name: {"state": only.state, "reason": only.reason} for name, [only] in by_type.items()
        },
        "warnings": {name: document[name]["warnings"] or {} for name in TYPES},
        "revisions": [
            revision_to_dict(revision)
            for revision in (_revisions(user_id, day) if document["revisions"] else ())
        ],
    }


@cache
def _day_query() -> str:
    """Return the statement that reads all but revisions of the day $4, as one JSON document."""
    types = {
        name: json_object(
            {
                **type_facts(name),
                "row": queries.row_fact(model, "AND day = $4"),
                "warnings": _WARNINGS.format(type=name),
            }
        )
        for name, model in METRIC_MODELS.items()
    }
    quoted = ", ".join(f"'{name}'" for name in METRIC_MODELS)
    facts = {**general_facts(), "revisions": _REVISIONS.format(types=quoted)}
    return f"SELECT {json_object(types | facts)}::text"


def _revisions(user_id: int, day: date) -> list[Revision]:
    """Return the revisions of all types, newest first."""
    revisions = Revision.objects.using(queries.database_alias())
    # Naming the types lets PostgreSQL use the index on user, type and day.
    return list(revisions.filter(user_id=user_id, type__in=TYPES, day=day))


def revision_to_dict(revision: Revision) -> dict[str, Any]:
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
