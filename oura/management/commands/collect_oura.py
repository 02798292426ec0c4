import argparse
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NoReturn

import orjson
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from metrics import TYPES
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day, shift
from myhealth.logs import Role, configure, logging_config
from oura.accounts import NoSuchAccount, select_accounts
from oura.collecting import collect_accounts
from oura.plan import RECENT_SPAN, CollectOptions, Plan, PlannedRange
from oura.prometheus import publish
from oura.report import Report

log = structlog.get_logger("oura.collect_oura")

_IF_LISTED = "if Oura's list of days has them"
_HEADER_VALUE = re.compile(r"[!-~]+")


def _parse_day(value: str) -> date:
    if day := parse_day(value):
        return day
    raise argparse.ArgumentTypeError(f"'{value}' is not a date; expected YYYY-MM-DD")


def _parse_name(value: str) -> str:
    with suppress(UnicodeEncodeError):
        if value.encode():
            return value
    raise argparse.ArgumentTypeError(f"{value!r} is not the name of an account")


def _parse_count(value: str) -> int:
    if value.isdigit() and 1 <= int(value) <= 10_000:
        return int(value)
    raise argparse.ArgumentTypeError(f"'{value}' is not a number of days; expected 1 to 10000")


def _parse_shard(value: str) -> tuple[int, int]:
    number, _, shards = value.partition("/")
    if number.isdigit() and shards.isdigit() and int(number) < int(shards) <= 10_000:
        return int(number), int(shards)
    raise argparse.ArgumentTypeError(f"'{value}' is not a shard; expected I/N with 0 <= I < N")


def _refuse(parser: CommandParser, message: str) -> NoReturn:
    parser.exit(
        2, f"{message.removeprefix('argument ')}. {parser.prog} --help lists the options.\n"
    )


class Command(BaseCommand):
    help = (
        f"Collect {', '.join(TYPES)} from Oura and send them to the processor, "
        "for the account of OURA_API_KEY and for all connected Oura accounts. "
        "Without dates, collect what is due: the last 14 days, days that are missing or failed, "
        "and, from time to time, older days. Example: manage.py collect_oura --type sleep --days 7"
    )
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(*args, **kwargs)
        if parser.called_from_command_line:
            # One line; Django's would list all options before it.
            parser.error = partial(_refuse, parser)  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", type=_parse_name, help="the account that receives the data")
        parser.add_argument(
            "--type",
            nargs="+",
            action="extend",
            choices=list(TYPES),
            help="only these types",
        )
        parser.add_argument("--start", type=_parse_day, help="first day, YYYY-MM-DD")
        parser.add_argument("--end", type=_parse_day, help="last day, inclusive")
        parser.add_argument("--days", type=_parse_count, help="the last DAYS days")
        parser.add_argument("--all", action="store_true", help="the whole history again")
        parser.add_argument("--repair", action="store_true", help="every missing day, now")
        parser.add_argument(
            "--plan", action="store_true", help="only show what would be fetched, and why"
        )
        parser.add_argument(
            "--shard",
            type=_parse_shard,
            default=(0, 1),
            metavar="I/N",
            help="collect only for part I of N of the connected people; I counts from 0",
        )
        parser.add_argument(
            "--wanted",
            action="store_true",
            help="only for people who have just connected, or who ask for a collection",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="fetch, but send nothing to the processor"
        )
        parser.add_argument("--output", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        Role.name = "collector"
        began, start = time.time(), time.monotonic()
        collect_options = _collect_options(options)
        types = options["type"] or list(TYPES)
        _require_settings()
        structlog.contextvars.bind_contextvars(request_id=(request_id := uuid.uuid4().hex))
        try:
            accounts = select_accounts(options["user"], options["shard"], wanted=options["wanted"])
        except NoSuchAccount as error:
            raise CommandError(str(error), returncode=2) from None
        with _progress_bar() as progress:
            report = collect_accounts(accounts, types, collect_options, request_id, progress)
        exit_code = 1 if report.new_problems else 0
        if collect_options.plan_only:
            self._print_plans(report, options["output"])
        else:
            self._print_report(report, options["output"])
        if not (collect_options.plan_only or collect_options.dry_run):
            publish(report, seconds=time.monotonic() - start, now=began, exit_code=exit_code)
        if exit_code:
            raise CommandError(_describe_problems(report), returncode=1)

    def _print_plans(self, report: Report, output: str) -> None:
        """Print what would be fetched from Oura, by person and type."""
        if output == "json":
            plans = [
                {"user": user, "types": {name: _plan_json(plan) for name, plan in by_type.items()}}
                for user, by_type in report.plans
            ]
            self.stdout.write(orjson.dumps({"plans": plans}).decode())
            return
        for user, by_type in report.plans:
            for type_, plan in by_type.items():
                for planned in plan.by_reason:
                    self.stdout.write(f"{user or ''} {type_}: {planned}: {planned.reason}".strip())
                for planned in plan.by_reason_if_listed:
                    self.stdout.write(
                        f"{user or ''} {type_}: {planned}: {planned.reason}, {_IF_LISTED}".strip()
                    )

    def _print_report(self, report: Report, output: str) -> None:
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
            if problem.is_repeat:
                self.stdout.write(f"{problem.type}: known problem: {problem.error}")


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar if this is a terminal, with log lines above it, as text and only about problems.

    Yields what is called with the work, how much of it is done, and how much there is.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    level = "warn" if settings.LOG_LEVEL == "info" else settings.LOG_LEVEL
    configure(logging_config(level=level, style="text"))
    with tqdm(total=0, leave=False, unit="") as bar, logging_redirect_tqdm():

        def show(work: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.set_description(work)

        yield show


def _plan_json(plan: Plan) -> list[dict[str, Any]]:
    def to_dict(planned: PlannedRange) -> dict[str, Any]:
        return {"from": planned.start, "to": planned.end, "why": planned.reason}

    if_listed = (to_dict(planned) | {"if": _IF_LISTED} for planned in plan.by_reason_if_listed)
    return [*map(to_dict, plan.by_reason), *if_listed]


def _collect_options(options: dict[str, Any]) -> CollectOptions:
    """Return what the options request. Raises CommandError (2) if they contradict each other."""
    start, end, days = options["start"], options["end"], options["days"]
    if sum((bool(start or end), bool(days), options["all"], options["repair"])) > 1:
        raise CommandError(
            "Use only one of --start/--end, --days, --all and --repair.",
            returncode=2,
        )
    today = datetime.now(UTC).date()
    span = None
    if days:
        span = Days(max(shift(today, 1 - days), FIRST_DAY), today + ONE_DAY)
    elif start or end:
        span = _span(start, end, tomorrow=today + ONE_DAY)
    return CollectOptions(
        span, options["all"], options["repair"], options["dry_run"], options["plan"]
    )


def _span(start: date | None, end: date | None, *, tomorrow: date) -> Days:
    """Return the possible days of --start and --end. Raises CommandError (2) if there are none."""
    if start and end and start > end:
        raise CommandError(f"--start {start} is after --end {end}.", returncode=2)
    if end and end < FIRST_DAY:
        raise CommandError(
            f"--end {end} is before {FIRST_DAY}, the first possible day.", returncode=2
        )
    if start and start > tomorrow:
        raise CommandError(f"--start {start} is in the future.", returncode=2)
    last = min(end or tomorrow, tomorrow)
    return Days(max(start or last - RECENT_SPAN, FIRST_DAY), last)


def _require_settings() -> None:
    """Raise CommandError (2) if settings are missing or can't be sent as a header."""
    missing = [
        f"{name} is not set. {remedy}."
        for name, value, remedy in (
            (
                "OURA_API_KEY",
                settings.OURA_API_KEY or settings.OURA_CLIENT_ID,
                "Set it to an access token of the Oura account, or set OURA_CLIENT_ID to collect "
                "from connected accounts",
            ),
            ("PROCESSOR_URL", settings.PROCESSOR_URL, "Set it to the processor's address"),
            (
                "INGEST_TOKENS",
                settings.INGEST_TOKENS,
                "Set it to a token that the processor accepts",
            ),
        )
        if not value
    ]
    # Nothing else fits in a header; a pasted token may have an ellipsis or a line break.
    unusable = [
        f"{name} must be printable ASCII without spaces: copy it again."
        for name, value in (
            ("OURA_API_KEY", settings.OURA_API_KEY),
            ("INGEST_TOKENS", "".join(settings.INGEST_TOKENS[:1])),
        )
        if value and not _HEADER_VALUE.fullmatch(value)
    ]
    if missing or unusable:
        raise CommandError(" ".join([*missing, *unusable]), returncode=2)


def _describe_problems(report: Report) -> str:
    several = len({problem.user for problem in report.new_problems}) > 1
    lines = [
        f"{f'{problem.user} ' if several else ''}{problem.type}: {problem.error}"
        for problem in report.new_problems[:20]
    ]
    more = len(report.new_problems) - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
