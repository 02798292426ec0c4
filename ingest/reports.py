"""Reports of failed fetches. A complete fetch is recorded with the documents that it brought."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from ingest import fetches, runs
from ingest.models import METRIC_MODELS, Fetch
from ingest.people import account_must_exist
from ingest.prometheus import READ_FAILURES
from ingest.upsert import Writer
from myhealth.days import Days


def record_failure(
    user_id: int,
    type_: str,
    ranges: Iterable[Days],
    failure: dict[str, Any],
    *,
    asked_at: datetime,
    now: datetime,
    run: str,
) -> None:
    """Record a failure that all of the ranges have in common; it has the columns of a `Fetch`."""
    with account_must_exist(), transaction.atomic():
        writer = Writer(METRIC_MODELS[type_], user_id, asked_at, now)
        writer.lock()
        fetches.record(
            *(
                Fetch(
                    user_id=user_id,
                    type=type_,
                    start=days.start,
                    end=days.end,
                    complete=False,
                    asked_at=asked_at,
                    run=run,
                    **failure,
                )
                for days in ranges
            )
        )
        runs.add_to_counters(user_id, run, now, failures=1)
        writer.raise_version("ledger_version")
    READ_FAILURES.labels(type_, failure["kind"]).inc()
