"""Collecting several accounts in parallel, so that none waits for a slow one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import structlog
from django.conf import settings
from django.db import connection as database

from metrics import TYPES
from oura.accounts import Account
from oura.collector import Collector
from oura.errors import log_unexpected
from oura.memory import return_large_blocks
from oura.origin import origin_of
from oura.plan import CollectOptions
from oura.processor import Processor
from oura.report import Problem, Report
from oura.retries import RetryTime

log = structlog.get_logger("oura.collecting")

_Progress = Callable[[str, int, int], None]


def collect_accounts(
    accounts: Sequence[Account],
    types: Sequence[str],
    options: CollectOptions,
    request_id: str,
    progress: _Progress,
) -> Report:
    """Collect all accounts and return one report; a failure of one does not affect the others.

    `progress` is called with what is under way, how much of it is done, and how much there is: a
    type's ranges for one account, otherwise people.
    """
    return_large_blocks()
    total = Report(dry_run=options.dry_run)

    def collect_one(account: Account, progress: _Progress) -> Report:
        fields = {"request_id": request_id, **account.log_fields}
        with structlog.contextvars.bound_contextvars(**fields):
            return _collect_account(account, types, options, request_id, progress)

    def collect_in_thread(account: Account) -> Report:
        try:
            return collect_one(account, lambda *_: None)
        finally:
            # Each thread has its own connection, which goes back to the pool.
            database.close()

    if len(accounts) == 1:
        # In the main thread, so that a signal ends it at once.
        total.add(collect_one(accounts[0], progress))
    elif accounts:
        threads = min(settings.COLLECTOR_THREADS, settings.DB_POOL_SIZE)
        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(collect_in_thread, account) for account in accounts]
            progress("people", 0, len(running))
            try:
                for done, _ in enumerate(as_completed(running), 1):
                    progress("people", done, len(running))
            finally:
                # After Ctrl-C, those that are waiting are not begun.
                pool.shutdown(wait=False, cancel_futures=True)
        for each in running:
            total.add(each.result())
    return total


def _collect_account(
    account: Account,
    types: Sequence[str],
    options: CollectOptions,
    request_id: str,
    progress: _Progress,
) -> Report:
    report = Report(dry_run=options.dry_run)
    is_noted = not (options.dry_run or options.plan_only)
    is_whole = not options.days and set(types) == set(TYPES)
    try:
        if is_noted:
            account.begin(is_whole=is_whole)
        # Nothing is collected of a connection that has ended, so don't wait for the processor.
        retry_time = RetryTime(seconds=0) if account.ended else RetryTime()
        with Processor(
            settings.PROCESSOR_URL,
            settings.INGEST_TOKENS[0],
            user=account.user,
            origin=origin_of(settings.OURA_API_URL),
            request_id=request_id,
            retry_time=retry_time,
            ca_bundle=settings.PROCESSOR_CA_BUNDLE,
        ) as processor:
            collector = Collector(account, processor, options, report, progress=progress)
            collector.collect(types, retry_time)
        if is_noted:
            account.finish(report, is_whole=is_whole)
    except Exception as error:
        unexpected = log_unexpected(error)
        report.problems.append(Problem(account.user, "all", str(unexpected), unexpected.kind))
    return report
