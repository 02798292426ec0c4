"""Runs: what each collection of one person's data changed, and which days were missing after it."""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from ingest import coverage
from ingest.models import Run
from ingest.people import (
    SELECT_GENERATION,
    account_must_exist,
    check_generation,
    lock_person,
    unknown_account,
)
from myhealth.postgresql.prepared import Statement, Transaction, fetch_all

log = structlog.get_logger("ingest.runs")

MAX_RUNS_PER_PERSON = 50
COUNTERS_OF_DAYS = ("created", "updated", "healed", "revised")
COUNTERS = (*COUNTERS_OF_DAYS, "failures")


def add_to_counters(user_id: int, request_id: str, now: datetime, **counts: int) -> Statement:
    """Return the statement that adds to the counters of a run; it creates the run.

    It belongs in the transaction that makes the changes. Together with a new run, a person's oldest
    ones are deleted.
    """
    values = (counts.get(name, 0) for name in COUNTERS)
    older = (user_id, MAX_RUNS_PER_PERSON - 1)
    return Statement(_ADD_TO_COUNTERS, (user_id, request_id, now, *values, *older))


_SUMS = ", ".join(f"{name} = run.{name} + EXCLUDED.{name}" for name in COUNTERS)
_ADD_TO_COUNTERS = f"""
    WITH added AS (
        INSERT INTO collection_runs AS run
            (user_id, request_id, began_at, missing, newest, {", ".join(COUNTERS)})
        VALUES (%s::bigint, %s::text, %s::timestamptz, '{{}}', false,
            {", ".join(["%s::integer"] * len(COUNTERS))})
        ON CONFLICT (user_id, request_id) DO UPDATE SET {_SUMS}
            WHERE {" + ".join(f"EXCLUDED.{name}" for name in COUNTERS)} > 0
        RETURNING xmax = 0 AS is_new)
    DELETE FROM collection_runs WHERE (SELECT is_new FROM added) AND NOT newest AND id IN (
        SELECT id FROM collection_runs WHERE user_id = %s::bigint
        ORDER BY began_at DESC, id DESC OFFSET %s::bigint)"""


def finish(user_id: int, request_id: str, now: datetime, generation: str = "") -> Run:
    """Record that a run has finished, with the person's missing days, and return it.

    Raises Invalid when the account is gone, and DataDeleted as `ingest.upsert.store` does.
    Logged if the run filled or revised days; otherwise once a day, if there is anything to report.
    """
    with account_must_exist(), transaction.atomic():
        lock_person("runs", user_id)
        if not (found := fetch_all(SELECT_GENERATION, [user_id])):
            raise unknown_account()
        check_generation(generation, found[0][0])
        with Transaction() as each:
            each.execute(add_to_counters(user_id, request_id, now), commit=True)
        before = Run.objects.filter(user_id=user_id, newest=True).first()
        Run.objects.filter(user_id=user_id, newest=True).update(newest=False)
        run = Run.objects.select_for_update().get(user_id=user_id, request_id=request_id)
        run.finished_at, run.newest = now, True
        run.missing = coverage.missing_today(user_id, now)
        run.save(update_fields=["finished_at", "newest", "missing"])
    if run.healed or run.revised or _is_first_of_day(before, now):
        _log(run)
    return run


def _is_first_of_day(before: Run | None, now: datetime) -> bool:
    finished_at = before.finished_at if before else None
    return finished_at is None or finished_at.date() < now.date()


def _log(run: Run) -> None:
    counts: dict[str, Any] = {name: getattr(run, name) for name in COUNTERS if getattr(run, name)}
    if counts or run.missing:
        log.info("days accounted for", person=run.user_id, missing=run.missing, **counts)
