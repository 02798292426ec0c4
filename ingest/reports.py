"""Reports of failed fetches. A complete fetch is recorded with the documents that it brought."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ingest import fetches, runs
from ingest.fetches import FetchedDays
from ingest.people import (
    LOCK,
    SELECT_GENERATION,
    account_must_exist,
    check_generation,
    unknown_account,
)
from ingest.prometheus import READ_FAILURES
from ingest.upsert import raise_versions
from myhealth.days import Days
from myhealth.postgresql.prepared import Statement, Transaction


def record_failure(
    user_id: int,
    type_: str,
    ranges: Iterable[Days],
    failure: dict[str, Any],
    *,
    asked_at: datetime,
    now: datetime,
    run: str,
    generation: str = "",
) -> None:
    """Record a failure that all of the ranges have in common; it has the columns of a `Fetch`.

    Raises Invalid when the account is gone, and DataDeleted as `ingest.upsert.store` does.
    """
    failed = [
        FetchedDays(days.start, days.end, False, asked_at, run=run, **failure) for days in ranges
    ]
    with account_must_exist(), Transaction() as transaction:
        _, found, rows = transaction.execute(
            Statement(f"SELECT {LOCK}::text", (f"ingest:{type_}", user_id)),
            Statement(SELECT_GENERATION, (user_id,)),
            fetches.select(user_id, type_),
        )
        if not found:
            raise unknown_account()
        check_generation(generation, found[0][0])
        recorded = fetches.from_rows(rows)
        transaction.execute(
            *fetches.replacing(user_id, type_, recorded, fetches.record(recorded, *failed)),
            runs.add_to_counters(user_id, run, now, failures=1),
            raise_versions(user_id, type_, ledger=True),
            commit=True,
        )
    READ_FAILURES.labels(type_, failure["kind"]).inc()
