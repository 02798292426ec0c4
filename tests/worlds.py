"""People and their days: tests store them with these functions."""

import functools
from datetime import UTC, date, datetime, timedelta

import orjson
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db.models import F
from django.utils import timezone

from ingest.changes import CompleteRange
from ingest.models import METRIC_MODELS, Fetch, RejectedDocument, Run
from ingest.upsert import store
from metrics import SLEEP
from myhealth.days import ONE_DAY, utc_today

# The present in tests with the fixture `fixed_time`.
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TODAY = NOW.date()
YESTERDAY = TODAY - ONE_DAY

PASSWORDS = {"ana": "correct horse battery", "ben": "another good password"}

# All fields of the form `/account/preferences/`, as they are by default.
PREFERENCES = {
    "time_zone": "UTC",
    "temperature_unit": "°C",
    "distance_unit": "km",
    "clock_hours": "24",
    "first_weekday": "1",
}


@functools.cache
def _hashed(name):
    """Hashing is slow on purpose, so do it once for all tests."""
    return make_password(PASSWORDS[name])


def person(name, password_of=None):
    password = _hashed(password_of or name)
    return get_user_model().objects.create(username=name, password=password)


def days_ago(count):
    return utc_today() - timedelta(days=count)


def as_date(day):
    return day if isinstance(day, date) else date.fromisoformat(day)


def document(day="2026-03-01", id="a", **columns):
    return {"id": id, "day": str(day), **columns}


def store_documents(
    user, documents, type="sleep", *, at=None, now=None, fetched=None, run="a run", **more
):
    """Store documents as the processor does, fetched at `at`.

    `fetched` is the range they are complete for.
    """
    at = at or timezone.now()
    more["complete"] = CompleteRange(*map(as_date, fetched), run) if fetched else None
    raw = list(map(orjson.dumps, documents))
    return store(METRIC_MODELS[type], user.pk, raw, fetched_at=at, now=now or at, **more)


def _store_valid(*args, **kwargs):
    outcome = store_documents(*args, **kwargs)
    assert outcome.rejected == []
    return outcome


def store_days(user, days, type="sleep", *, at=None, fetched=None, **columns):
    """Store a row for each day, all with the same columns."""
    ids = {day: f"{user.username} {type} {day}" for day in days}
    documents = [document(day, **{"id": id, **columns}) for day, id in ids.items()]
    return _store_valid(user, documents, type, at=at, fetched=fetched)


def store_nights(user, days, version=None, ring=None, *, at=None, mapping=SLEEP.map, **period):
    """Store nights as the collector sends them: each has a summary and a long sleep."""
    provenance = {"sleep_algorithm_version": version, "ring_id": ring}
    long_sleep = {"type": "long_sleep", "total_sleep_duration": 25_000, **provenance, **period}
    documents = []
    for day in map(str, days):
        id = f"{user.username} sleep {day}"
        summary = {"id": id, "day": day, "score": 80}
        sources = {"daily_sleep": [summary], "sleep": [{"id": f"p {id}", "day": day, **long_sleep}]}
        documents.append(mapping(day, sources))
    return _store_valid(user, documents, at=at)


def fetch_completely(user, start, end, types=METRIC_MODELS, *, at=None):
    """Record complete fetches, by a run that ended, of exactly the rows that are stored."""
    for type_ in types:
        model = METRIC_MODELS[type_]
        stored = model.objects.of(user.pk).between(as_date(start), as_date(end))
        rows = stored.values("oura_id", "day", *model.metric_type.column_names)
        documents = [{"id": row.pop("oura_id"), **row} for row in rows]
        _store_valid(user, documents, type_, at=at, fetched=(start, end))
    Run.objects.filter(user=user, finished_at=None).update(finished_at=F("began_at"))


def failed_fetch(user, start, end, type="sleep", **columns):
    """Store a failed fetch; the columns are those of the table."""
    columns = {"kind": "unavailable", "asked_at": timezone.now(), "attempts": 1, **columns}
    return Fetch.objects.create(
        user=user, type=type, start=start, end=end, complete=False, **columns
    )


def reject_document(user, day, type="sleep", **columns):
    """Send a document that can't be stored; return the rejected document."""
    rejected = document(day, f"bad {day}", **{"score": 500, **columns})
    assert store_documents(user, [rejected], type).rejected
    return RejectedDocument.objects.get(user=user, type=type, day=str(day))
