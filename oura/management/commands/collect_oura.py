import argparse
import re
import time
import uuid
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from metrics import TYPES
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day, shift
from myhealth.logs import Role
from oura.accounts import NoSuchAccount, select_accounts
from oura.collecting import collect
from oura.plan import RECENT, Due, Wish
from oura.prometheus import publish
from oura.report import Report

log = structlog.get_logger("oura.collect_oura")

LISTED = "as far as Oura's list of days has them"
HEADER = re.compile(r"[!-~]+")


def day(value: str) -> date:
    if found := parse_day(value):
        return found
    raise argparse.ArgumentTypeError(f"'{value}' is not a date; expected YYYY-MM-DD")


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
        try:
            accounts = select_accounts(options["user"], options["shard"])
        except NoSuchAccount as error:
            raise CommandError(str(error), returncode=2) from None
        # On a terminal; of several accounts at once none has a bar.
        disabled = None if len(accounts) == 1 else True
        with tqdm(total=0, disable=disabled, leave=False, unit="range") as bar:

            def progress(type_: str, done: int, of: int) -> None:
                bar.total, bar.n = of, done
                bar.set_description(type_)

            report = collect(accounts, types, wish, request_id, progress)
        exit_code = 1 if report.new_problems else 0
        if wish.plan_only:
            self.show_plans(report, options["output"])
        else:
            self.tell(report, options["output"])
        if not (wish.plan_only or wish.dry_run):
            publish(report, seconds=time.monotonic() - clock, now=began, exit_code=exit_code)
        if exit_code:
            raise CommandError(complaint(report), returncode=1)

    def show_plans(self, report: Report, output: str) -> None:
        """Print what would be asked of Oura, by person and type."""
        if output == "json":
            plans = [
                {
                    "user": user,
                    "types": {
                        type_: [
                            *map(told, each.read),
                            *(told(due) | {"if": LISTED} for due in each.seek),
                        ]
                        for type_, each in planned.items()
                    },
                }
                for user, planned in report.plans
            ]
            self.stdout.write(orjson.dumps({"plans": plans}).decode())
            return
        for user, planned in report.plans:
            for type_, each in planned.items():
                for due in (*each.read, *each.seek):
                    self.stdout.write(f"{user or ''} {type_}: {due}: {due.why}".strip())

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
        span = Days(max(shift(today, 1 - days), FIRST_DAY), today + ONE_DAY)
    elif start or end:
        span = span_of(start, end, tomorrow=today + ONE_DAY)
    return Wish(span, options["all"], options["repair"], options["dry_run"], options["plan"])


def span_of(start: date | None, end: date | None, *, tomorrow: date) -> Days:
    """The days of --start and --end that there can be; CommandError (2) when there are none."""
    if start and end and start > end:
        raise CommandError(f"--start {start} is after --end {end}.", returncode=2)
    if end and end < FIRST_DAY:
        raise CommandError(f"--end {end} is before any ring, {FIRST_DAY}.", returncode=2)
    if start and start > tomorrow:
        raise CommandError(f"--start {start} lies in the future.", returncode=2)
    last = min(end or tomorrow, tomorrow)
    return Days(max(start or last - RECENT, FIRST_DAY), last)


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
