from typing import Any

import orjson
import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.models import METRIC_MODELS
from ingest.people import find_user_id
from ingest.rederive import DayCounts, RefusedDay, rederive
from metrics import TYPES
from myhealth.errors import Invalid, join_messages

log = structlog.get_logger("ingest.rederive")

_MAX_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compute all rows again from their stored Oura documents, after a mapping has changed. "
        "An interrupted run is continued by the next one; running it twice does no harm. "
        "Example: manage.py rederive --type sleep --dry-run"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--type",
            nargs="+",
            action="extend",
            choices=list(TYPES),
            help="only these types",
        )
        parser.add_argument("--user", help="only this account's days")
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would change, but write nothing"
        )
        parser.add_argument(
            "--restart",
            action="store_true",
            help="start from the beginning, even if the last run was interrupted",
        )
        parser.add_argument("--output", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        user_id = _user_id(options["user"])
        counts: dict[str, DayCounts] = {}
        refused: list[RefusedDay] = []

        def on_refused(day: RefusedDay) -> None:
            log.warning("day refused", **_to_dict(day))
            # With a wrong mapping, it may be every day of every account.
            if len(refused) < _MAX_SHOWN:
                refused.append(day)

        for type_, model in METRIC_MODELS.items():
            if type_ not in (options["type"] or TYPES):
                continue
            counts[type_] = rederive(
                model,
                on_refused=on_refused,
                user_id=user_id,
                dry_run=options["dry_run"],
                restart=options["restart"],
            )
            log.info("re-derived", type=type_, dry_run=options["dry_run"], **vars(counts[type_]))
        if options["output"] == "json":
            body = {
                "status": "partial" if refused else "ok",
                "dry_run": options["dry_run"],
                "types": {type_: vars(each) for type_, each in counts.items()},
                "errors": [_to_dict(day) for day in refused],
            }
            self.stdout.write(orjson.dumps(body).decode())
        else:
            for type_, each in counts.items():
                self.stdout.write(f"{type_}: {_describe_counts(each)}")
            if options["dry_run"]:
                self.stdout.write("Dry run: nothing was written.")
        if refused:
            raise CommandError(_describe_refused(counts, refused), returncode=1)


def _user_id(name: str | None) -> int | None:
    """Return the id of the account; raise CommandError (code 2) if there is none of this name."""
    try:
        return find_user_id(name) if name is not None else None
    except Invalid as error:
        raise CommandError(join_messages(error.errors), returncode=2) from None


def _to_dict(refused: RefusedDay) -> dict[str, Any]:
    return {
        "type": refused.type,
        "day": refused.day.isoformat(),
        "person": refused.user_id,
        "errors": refused.errors,
    }


def _describe_counts(counts: DayCounts) -> str:
    columns = ", ".join(f"{name} {days}" for name, days in counts.columns.most_common())
    changed = f"{counts.changed} changed ({columns})" if columns else f"{counts.changed} changed"
    return (
        f"{counts.days} day{'' if counts.days == 1 else 's'}, {changed}, {counts.removed} removed, "
        f"{counts.marked} metadata only, {counts.refused} refused, "
        f"{counts.without_source} without source"
    )


def _describe_refused(counts: dict[str, DayCounts], refused: list[RefusedDay]) -> str:
    lines = [
        f"{each.type} {each.day}, person {each.user_id}: {join_messages(each.errors)}"
        for each in refused
    ]
    more = sum(each.refused for each in counts.values()) - len(lines)
    return "\n".join(
        [*lines, *([f"and {more} more; all of them are in the log"] if more > 0 else [])]
    )
