"""Collecting for each connected person, side by side: nobody waits for a slow account."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import structlog
from django.conf import settings
from django.db import connection as database
from django.db.models import F
from django.utils import timezone

from oura import tokens
from oura.budget import Budget
from oura.client import OuraClient
from oura.collector import Collector, Problem, Report, Tally
from oura.errors import Disconnected, OuraError, OuraForbidden
from oura.models import Connection
from oura.plan import Wish
from oura.processor import Processor
from oura.retries import Waiting

log = structlog.get_logger("oura.everyone")

NEEDED = "daily"
NOT_GRANTED = f"The scope '{NEEDED}' was not granted at Oura. Connect again and leave it ticked."
LAPSED = (
    "Oura does not permit it (403) though you agreed: your Oura membership has run out, or the "
    "Oura app is too old. What is here stays; collecting goes on by itself once that is mended."
)
MakeProcessor = Callable[[str, Waiting], Processor]


def wanted(user: str | None, shard: tuple[int, int]) -> list[Connection]:
    """Whom to collect for: those who have waited longest first."""
    found = Connection.objects.served().select_related("user").of_shard(*shard)
    if user:
        found = found.filter(user__username__iexact=user)
    return list(found.order_by(F("asked_at").asc(nulls_first=True)))


def collect(
    people: Iterable[Connection], types: Sequence[str], wish: Wish, processor: MakeProcessor
) -> Report:
    """Collect for all of them and return what came of it; one's failure is nobody else's."""
    budget = Budget()
    whole = Report(dry_run=wish.dry_run)
    # Each thread has a database connection of its own.
    threads = min(settings.COLLECTOR_THREADS, settings.DB_POOL_SIZE)
    with ThreadPoolExecutor(threads) as pool:
        for report in pool.map(lambda each: one(each, types, wish, processor, budget), people):
            add(whole, report)
    return whole


def one(
    person: Connection, types: Sequence[str], wish: Wish, processor: MakeProcessor, budget: Budget
) -> Report:
    report = Report(dry_run=wish.dry_run)
    name = person.user.get_username()
    try:
        with structlog.contextvars.bound_contextvars(connection=person.pk):
            if person.ended:
                told = f"The connection is {person.get_ended_display()}. {tokens.RECONNECT}"
                report.problems.append(Problem(name, "all", told, "disconnected", known=True))
                say_refused(name, types, wish, processor, Disconnected(told))
            else:
                # Before anything can go wrong: whoever waits for new connections must not find
                # this one for ever.
                Connection.objects.filter(pk=person.pk).update(asked_at=timezone.now())
                ask(person, name, types, wish, processor, budget, report)
                remember(person, report)
    except Exception as error:
        log.exception("unexpected error", error_type=type(error).__name__)
        sentence = f"Unexpected {type(error).__name__}; the log has where it arose."
        report.problems.append(Problem(name, "all", sentence, "error"))
    finally:
        # Each thread has a connection of its own, which goes back to the pool.
        database.close()
    return report


def ask(
    person: Connection,
    name: str,
    types: Sequence[str],
    wish: Wish,
    processor: MakeProcessor,
    budget: Budget,
    report: Report,
) -> None:
    waiting = Waiting()
    try:
        if NEEDED not in person.scopes:
            raise OuraForbidden(NOT_GRANTED)
        token = tokens.access_token(person.pk)
    except OuraError as error:
        for type_ in types:
            report.tallies.setdefault(type_, Tally()).failed += 1
            report.problems.append(Problem(name, type_, str(error), error.kind))
        say_refused(name, types, wish, processor, error)
        return
    with (
        OuraClient(
            settings.OURA_API_URL,
            token,
            timeout=settings.COLLECTOR_TIMEOUT,
            waiting=waiting,
            renew=lambda refused: tokens.access_token(person.pk, refused=refused),
            spend=budget.spend,
        ) as client,
        processor(name, waiting) as sink,
    ):
        Collector(client, sink, wish, report, user=name).collect(types)


def say_refused(
    name: str, types: Sequence[str], wish: Wish, processor: MakeProcessor, error: OuraError
) -> None:
    """Let the ledger know why nothing comes."""
    with (
        OuraClient(settings.OURA_API_URL, "") as client,
        processor(name, Waiting(seconds=0)) as sink,
    ):
        Collector(client, sink, wish, Report(), user=name).refuse(types, error)


def remember(person: Connection, report: Report) -> None:
    """What the account page tells: when, and what was lacking."""
    changes: dict[str, Any] = {"problem": ""}
    if report.new_problems:
        first = report.new_problems[0]
        # The scope was granted, or nobody would have been asked.
        lapsed = first.kind == "forbidden" and NEEDED in person.scopes
        changes["problem"] = LAPSED if lapsed else first.error
    elif not report.dry_run:
        changes["collected_at"] = timezone.now()
    Connection.objects.filter(pk=person.pk).update(**changes)


def add(whole: Report, part: Report) -> None:
    whole.problems += part.problems
    for type_, tally in part.tallies.items():
        sums = whole.tallies.setdefault(type_, Tally())
        for field, count in asdict(tally).items():
            setattr(sums, field, getattr(sums, field) + count)
