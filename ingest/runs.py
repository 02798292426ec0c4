"""One collection for one person: what it brought, and how their days stood after it."""

from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from ingest import coverage
from ingest.models import Run
from ingest.people import known_person, lock_person

log = structlog.get_logger("ingest.runs")

KEPT_PER_PERSON = 50
COUNTED = ("created", "updated", "healed", "revised", "failures")


def count(user_id: int, request_id: str, now: datetime, **figures: int) -> None:
    """Add to what a run has brought, in the transaction that wrote it."""
    names = [name for name in COUNTED if figures.get(name)]
    table = connection.ops.quote_name(Run._meta.db_table)
    sums = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in names)
    columns = "".join(f", {name}" for name in COUNTED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO {table} (user_id, request_id, began_at, missing, newest{columns})
            VALUES (%s, %s, %s, '{{}}', false, %s, %s, %s, %s, %s)
            ON CONFLICT (user_id, request_id) DO {f"UPDATE SET {sums}" if sums else "NOTHING"}
            RETURNING xmax = 0""",
            [user_id, request_id, now, *(figures.get(name, 0) for name in COUNTED)],
        )
        is_new = cursor.fetchone() == (True,)
    if is_new:
        drop_old(user_id)


def finish(user_id: int, request_id: str, now: datetime) -> Run:
    """Record how the person's days stand, and say so in the log if there is anything to say."""
    with known_person(), transaction.atomic():
        lock_person("runs", user_id)
        count(user_id, request_id, now)
        before = Run.objects.filter(user_id=user_id, newest=True).first()
        Run.objects.filter(user_id=user_id, newest=True).update(newest=False)
        run = Run.objects.select_for_update().get(user_id=user_id, request_id=request_id)
        run.finished_at, run.newest = now, True
        run.missing = coverage.missing_today(user_id, now)
        run.save(update_fields=["finished_at", "newest", "missing"])
    if run.healed or run.revised or is_first_of_day(before, now):
        tell(run)
    return run


def is_first_of_day(before: Run | None, now: datetime) -> bool:
    then = before.finished_at if before else None
    return then is None or then.date() < now.date()


def tell(run: Run) -> None:
    figures: dict[str, Any] = {name: getattr(run, name) for name in COUNTED if getattr(run, name)}
    if figures or run.missing:
        log.info("days accounted for", person=run.user_id, missing=run.missing, **figures)


def drop_old(user_id: int) -> None:
    held = Run.objects.filter(user_id=user_id).order_by("-began_at", "-pk")
    beyond = [
        run["pk"]
        for run in held.values("pk", "newest")[KEPT_PER_PERSON : KEPT_PER_PERSON * 2]
        if not run["newest"]
    ]
    if beyond:
        Run.objects.filter(pk__in=beyond).delete()
