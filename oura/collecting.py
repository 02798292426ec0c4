"""Collecting several accounts side by side: nobody waits for a slow one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.conf import settings
from django.db import connection as database

from oura.accounts import Account
from oura.client import origin_of
from oura.collector import Collector
from oura.plan import Wish
from oura.processor import Processor
from oura.report import Problem, Report
from oura.retries import Waiting

log = structlog.get_logger("oura.collecting")

Progress = Callable[[str, int, int], None]


def collect(
    accounts: Sequence[Account],
    types: Sequence[str],
    wish: Wish,
    request_id: str,
    progress: Progress,
) -> Report:
    """Collect all accounts and return what came of it; one's failure is nobody else's."""
    total = Report(dry_run=wish.dry_run)

    def collect_one(account: Account) -> Report:
        fields = {"request_id": request_id, **account.log_fields}
        with structlog.contextvars.bound_contextvars(**fields):
            return _collect_account(account, types, wish, request_id, progress)

    def in_a_thread(account: Account) -> Report:
        try:
            return collect_one(account)
        finally:
            # Each thread has a connection of its own, which goes back to the pool.
            database.close()

    if len(accounts) == 1:
        # In the main thread, which a signal ends at once.
        total.add(collect_one(accounts[0]))
    elif accounts:
        threads = min(settings.COLLECTOR_THREADS, settings.DB_POOL_SIZE)
        with ThreadPoolExecutor(threads) as pool:
            for report in pool.map(in_a_thread, accounts):
                total.add(report)
    return total


def _collect_account(
    account: Account, types: Sequence[str], wish: Wish, request_id: str, progress: Progress
) -> Report:
    report = Report(dry_run=wish.dry_run)
    # Nothing is collected of an account that has ended, so nobody waits for the processor either.
    waiting = Waiting(seconds=0) if account.ended else Waiting()
    try:
        if not wish.plan_only:
            account.begin()
        with Processor(
            settings.PROCESSOR_URL,
            settings.INGEST_TOKENS[0],
            user=account.user,
            origin=origin_of(settings.OURA_API_URL),
            request_id=request_id,
            waiting=waiting,
        ) as processor:
            collector = Collector(account, processor, wish, report, progress=progress)
            collector.collect(types, waiting)
        if not wish.plan_only:
            account.finish(report)
    except Exception as error:
        name = type(error).__name__
        log.exception("unexpected error", error_type=name)
        sentence = f"Unexpected {name}; the log has where it arose."
        report.problems.append(Problem(account.user, "all", sentence, "error"))
    return report
