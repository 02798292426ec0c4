import datetime

import orjson
from django.utils import timezone

from ingest.models import METRIC_MODELS, RejectedDocument
from ingest.upsert import Whole, store


def store_rows(user, type_="sleep", **documents_by_id):
    """Store rows as the processor does, each given as `id=(day, columns)`."""
    raw = [
        orjson.dumps({"id": id_, "day": day, **columns})
        for id_, (day, columns) in documents_by_id.items()
    ]
    outcome = store(
        METRIC_MODELS[type_], user.pk, raw, fetched_at=timezone.now(), now=timezone.now()
    )
    assert outcome.rejected == []


def record_fetch(user, start, end, types=METRIC_MODELS, *, at=None):
    """Record a complete fetch of the range, in which Oura had just the rows that are stored."""
    at = at or timezone.now()
    for type_ in types:
        model = METRIC_MODELS[type_]
        stored = model.objects.filter(user=user, day__range=(start, end))
        rows = stored.values("oura_id", "day", *model.metric_type.column_names)
        raw = [orjson.dumps({"id": row.pop("oura_id"), **row}) for row in rows]
        whole = Whole(datetime.date.fromisoformat(start), datetime.date.fromisoformat(end))
        outcome = store(model, user.pk, raw, fetched_at=at, now=at, whole=whole)
        assert outcome.rejected == []


def store_rejected(user, day, type_="sleep", **columns):
    """Send a document that can't be stored, and return the rejected document's key."""
    raw = orjson.dumps({"id": f"bad {day}", "day": day, "score": 500, **columns})
    now = timezone.now()
    assert store(METRIC_MODELS[type_], user.pk, [raw], fetched_at=now, now=now).rejected
    return RejectedDocument.objects.get(user=user, type=type_, day=day).pk


def store_night(user, day, version=None, ring=None):
    """Store a night with this algorithm version and ring as its provenance."""
    period = {"type": "long_sleep", "total_sleep_duration": 27000}
    period |= {"sleep_algorithm_version": version} if version else {}
    period |= {"ring_id": ring} if ring else {}
    store_rows(user, **{f"night {day}": (day, {"source": {"sleep": [period]}})})


def days_ago(count):
    return str(timezone.now().date() - datetime.timedelta(days=count))
