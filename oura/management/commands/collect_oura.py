import argparse
import re
import time
import uuid
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from metrics import TYPES
from myhealth.logs import Role
from oura import everyone
from oura.client import OuraClient, origin_of
from oura.collector import Collector, Report
from oura.errors import ProcessorError
from oura.metrics import publish
from oura.models import Connection
from oura.plan import HISTORY, RECENT, Due, Wish, plan
from oura.processor import Processor
from oura.retries import Waiting

log = structlog.get_logger("oura.collect_oura")

LISTED = "as far as Oura's list of days has them"
HEADER = re.compile(r"[!-~]+")


def day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{value}' is not a date; expected YYYY-MM-DD") from None


def count(value: str) -> int:
    if value.isdigit() and 1 <= int(value) <= 10_000:
        return int(value)
    raise argparse.ArgumentTypeError(f"'{value}' is not a number of days; expected 1 to 10000")


def shard(value: str) -> tuple[int, int]:
    number, _, shards = value.partition("/")
    if number.isdigit() and shards.isdigit() and int(number) < int(shards) <= 10_000:
        return int(number), int(shards)
    raise argparse.ArgumentTypeError(f"'{value}' is not a part; expected I/N with 0 <= I < N")


class Command(BaseCommand):
    help = (
        f"Collect {', '.join(TYPES)} from Oura and send them to the processor. "
        "For the person of OURA_API_KEY, and for everybody who has connected an Oura account. "
        "Without dates: what is due (the last 14 days, what is missing or failed, and older days "
        "now and then). "
        "Example: manage.py collect_oura --type sleep --days 7"
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="the account that the data go to")
        parser.add_argument(
            "--type",
            nargs="+",
            action="extend",
            choices=list(TYPES),
            help="only these types",
        )
        parser.add_argument("--start", type=day, help="first day, YYYY-MM-DD")
        parser.add_argument("--end", type=day, help="last day, included")
        parser.add_argument("--days", type=count, help="the last so many days")
        parser.add_argument("--all", action="store_true", help="the whole history again")
        parser.add_argument("--repair", action="store_true", help="whatever is not held, at once")
        parser.add_argument(
            "--plan", action="store_true", help="only show what would be asked, and why"
        )
        parser.add_argument(
            "--shard",
            type=shard,
            default=(0, 1),
            metavar="I/N",
            help="of N parts of all connected people the one numbered I, from 0",
        )
        parser.add_argument("--dry-run", action="store_true", help="read, but send nothing")
        parser.add_argument("--output", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        Role.name = "collector"
        began, clock = time.time(), time.monotonic()
        wish, types = wish_of(options), options["type"] or list(TYPES)
        require_settings()
        structlog.contextvars.bind_contextvars(request_id=(request_id := uuid.uuid4().hex))
        report = Report(dry_run=wish.dry_run)
        by_key, by_connection = whom(options["user"])
        if options["plan"]:
            self.show_plans(types, wish, options, request_id)
            return
        # One person is one shard's.
        if by_key and options["shard"][0] == 0:
            user = user_of(options["user"])
            self.run(types, wish, user, report, request_id)
        if by_connection:
            self.run_all(types, wish, options, report, request_id)
        exit_code = 1 if report.new_problems else 0
        self.tell(report, options["output"])
        if not wish.dry_run:
            publish(report, seconds=time.monotonic() - clock, now=began, exit_code=exit_code)
        if exit_code:
            raise CommandError(complaint(report), returncode=1)

    def run_all(
        self,
        types: list[str],
        wish: Wish,
        options: dict[str, Any],
        report: Report,
        request_id: str,
    ) -> None:
        """Collect for each connected person of the shard, or for the one that is named."""
        people = self.connected(options)

        def processor(name: str, waiting: Waiting) -> Processor:
            return processor_for(name, request_id, waiting)

        everyone.add(report, everyone.collect(people, types, wish, processor))

    def connected(self, options: dict[str, Any]) -> list[Connection]:
        """Those to serve; CommandError (2) when the one who is named is not among them."""
        people = everyone.wanted(options["user"], options["shard"])
        if options["user"] and not people:
            raise CommandError(
                f"{options['user']} has not connected an Oura account.", returncode=2
            )
        return people

    def show_plans(
        self, types: list[str], wish: Wish, options: dict[str, Any], request_id: str
    ) -> None:
        """What would be asked of Oura, by person and type; nothing is."""
        by_key, by_connection = whom(options["user"])
        names = [user_of(options["user"])] if by_key and options["shard"][0] == 0 else []
        if by_connection:
            found = self.connected(options)
            names += [each.user.get_username() for each in found]
        told = [plan_for(name, types, wish, request_id) for name in names]
        if options["output"] == "json":
            self.stdout.write(orjson.dumps({"plans": told}).decode())
            return
        for each in told:
            for type_, dues in each["types"].items():
                for due in dues:
                    span = f"{due['from']} to {due['to']}"
                    self.stdout.write(f"{each['user'] or ''} {type_}: {span}: {due['why']}".strip())

    def run(
        self, types: list[str], wish: Wish, user: str | None, report: Report, request_id: str
    ) -> None:
        """Collect for the person whose access token OURA_API_KEY is."""
        waiting = Waiting()
        # Only a terminal has somebody who watches.
        with (
            tqdm(total=0, disable=None, leave=False, unit="range") as bar,
            OuraClient(
                settings.OURA_API_URL,
                settings.OURA_API_KEY,
                timeout=settings.COLLECTOR_TIMEOUT,
                waiting=waiting,
            ) as client,
            processor_for(user, request_id, waiting) as processor,
        ):

            def progress(type_: str, done: int, of: int) -> None:
                bar.total, bar.n = of, done
                bar.set_description(type_)

            Collector(client, processor, wish, report, user=user, progress=progress).collect(types)

    def tell(self, report: Report, output: str) -> None:
        types = {type_: asdict(tally) for type_, tally in report.tallies.items()}
        log.info("collection finished", status=report.status, types=types)
        if output == "json":
            errors = [
                {"user": problem.user, "type": problem.type, "error": problem.error}
                for problem in report.problems
            ]
            body = {"status": report.status, "types": types, "errors": errors}
            self.stdout.write(orjson.dumps(body).decode())
            return
        for type_, tally in types.items():
            counts = ", ".join(f"{number} {name}" for name, number in tally.items())
            self.stdout.write(f"{type_}: {counts}")
        for problem in report.problems:
            if problem.known:
                self.stdout.write(f"{problem.type}: still: {problem.error}")


def processor_for(user: str | None, request_id: str, waiting: Waiting) -> Processor:
    return Processor(
        settings.PROCESSOR_URL,
        settings.INGEST_TOKENS[0],
        user=user,
        origin=origin_of(settings.OURA_API_URL),
        request_id=request_id,
        waiting=waiting,
    )


def plan_for(user: str | None, types: list[str], wish: Wish, request_id: str) -> dict[str, Any]:
    """The plan of each type. Raises CommandError (1) without an answer of the processor's."""
    try:
        with processor_for(user, request_id, Waiting()) as processor:
            ledger = processor.ledger()
    except ProcessorError as error:
        raise CommandError(str(error), returncode=1) from None
    now = datetime.now(UTC)
    plans = {type_: plan(ledger[type_], wish, now) for type_ in types}
    return {
        "user": user,
        "types": {
            type_: [*map(told, each.read), *(told(due) | {"if": LISTED} for due in each.seek)]
            for type_, each in plans.items()
        },
    }


def told(due: Due) -> dict[str, Any]:
    return {"from": due.start, "to": due.end, "why": due.why}


def wish_of(options: dict[str, Any]) -> Wish:
    """What the options ask for; CommandError (2) when they contradict each other."""
    start, end, days = options["start"], options["end"], options["days"]
    if sum((bool(start or end), bool(days), options["all"], options["repair"])) > 1:
        raise CommandError(
            "Use --start and --end, or --days, or --all, or --repair: not together.", returncode=2
        )
    today = datetime.now(UTC).date()
    span = None
    if days:
        span = (max(today - timedelta(days=days - 1), HISTORY), today + timedelta(days=1))
    elif start or end:
        span = span_of(start, end, tomorrow=today + timedelta(days=1))
    return Wish(span, options["all"], options["repair"], options["dry_run"])


def span_of(start: date | None, end: date | None, *, tomorrow: date) -> tuple[date, date]:
    """The days of --start and --end that there can be; CommandError (2) when there are none."""
    if start and end and start > end:
        raise CommandError(f"--start {start} is after --end {end}.", returncode=2)
    if end and end < HISTORY:
        raise CommandError(f"--end {end} is before any ring, {HISTORY}.", returncode=2)
    if start and start > tomorrow:
        raise CommandError(f"--start {start} lies in the future.", returncode=2)
    last = min(end or tomorrow, tomorrow)
    return max(start or last - RECENT, HISTORY), last


def whom(asked: str | None) -> tuple[bool, bool]:
    """Whether to serve the person of OURA_API_KEY, and whether those who are connected.

    A key's person who is connected as well is served by the connection, as long as it lives.
    """
    key, connecting = bool(settings.OURA_API_KEY), bool(settings.OURA_CLIENT_ID)
    if not (key and connecting):
        return key, connecting
    own = settings.OURA_USER
    connected = bool(own) and (
        Connection.objects.served().living().filter(user__username__iexact=own).exists()
    )
    if asked:
        is_own = asked.lower() == own.lower()
        return is_own and not connected, not is_own or connected
    return not connected, True


def user_of(asked: str | None) -> str | None:
    known = settings.OURA_USER
    if asked and known and asked.lower() != known.lower():
        raise CommandError(
            f"OURA_API_KEY belongs to {known} (OURA_USER), not {asked}.", returncode=2
        )
    return asked or known or None


def require_settings() -> None:
    missing = [
        f"{name} is not set: {remedy}."
        for name, value, remedy in (
            (
                "OURA_API_KEY",
                settings.OURA_API_KEY or settings.OURA_CLIENT_ID,
                "an access token of the Oura account (or OURA_CLIENT_ID, to serve connected ones)",
            ),
            ("PROCESSOR_URL", settings.PROCESSOR_URL, "the processor's address"),
            ("INGEST_TOKENS", settings.INGEST_TOKENS, "a token that the processor accepts"),
        )
        if not value
    ]
    # A header holds no more; whoever pastes a token may bring an ellipsis or a line break along.
    unusable = [
        f"{name} must be printable ASCII without blanks: copy it again."
        for name, value in (
            ("OURA_API_KEY", settings.OURA_API_KEY),
            ("INGEST_TOKENS", "".join(settings.INGEST_TOKENS[:1])),
        )
        if value and not HEADER.fullmatch(value)
    ]
    if missing or unusable:
        raise CommandError(" ".join([*missing, *unusable]), returncode=2)


def complaint(report: Report) -> str:
    shown = [f"{problem.type}: {problem.error}" for problem in report.new_problems[:20]]
    more = len(report.new_problems) - len(shown)
    return "\n".join([*shown, *([f"and {more} more"] if more > 0 else [])])
