"""Runs: what each collection of one person's data changed, and which days were missing after it."""

from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from ingest import coverage
from ingest.models import Run
from ingest.people import account_must_exist, lock_person

log = structlog.get_logger("ingest.runs")

MAX_RUNS_PER_PERSON = 50
COUNTERS = ("created", "updated", "healed", "revised", "failures")


def add_to_counters(user_id: int, request_id: str, now: datetime, **counts: int) -> None:
    """Add to the counters of a run, in the transaction that made the changes; create the run."""
    names = [name for name in COUNTERS if counts.get(name)]
    table = connection.ops.quote_name(Run._meta.db_table)
    sums = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in names)
    columns = "".join(f", {name}" for name in COUNTERS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO {table} (user_id, request_id, began_at, missing, newest{columns})
            VALUES (%s, %s, %s, '{{}}', false, %s, %s, %s, %s, %s)
            ON CONFLICT (user_id, request_id) DO {f"UPDATE SET {sums}" if sums else "NOTHING"}
            RETURNING xmax = 0""",
            [user_id, request_id, now, *(counts.get(name, 0) for name in COUNTERS)],
        )
        is_new = cursor.fetchone() == (True,)
    if is_new:
        _delete_old(user_id)


def finish(user_id: int, request_id: str, now: datetime) -> Run:
    """Record that a run has finished, with the person's missing days, and return it.

    Logged if the run filled or revised days; otherwise once a day, if there is anything to report.
    """
    with account_must_exist(), transaction.atomic():
        lock_person("runs", user_id)
        add_to_counters(user_id, request_id, now)
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


def _delete_old(user_id: int) -> None:
    runs = Run.objects.filter(user_id=user_id).order_by("-began_at", "-pk").values("pk", "newest")
    old = runs[MAX_RUNS_PER_PERSON : MAX_RUNS_PER_PERSON * 2]
    if pks := [run["pk"] for run in old if not run["newest"]]:
        Run.objects.filter(pk__in=pks).delete()
