from typing import Any

import orjson
import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.models import METRIC_MODELS
from ingest.people import user_id_of
from ingest.rederive import Refusal, Tally, rederive
from metrics import TYPES
from myhealth.errors import Invalid, sentence

log = structlog.get_logger("ingest.rederive")

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Derive all rows anew from the Oura documents kept with them, after a mapping has changed. "
        "Cut off, it goes on from there the next time; twice is as good as once. "
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
            "--dry-run", action="store_true", help="say what would change, but write nothing"
        )
        parser.add_argument(
            "--restart", action="store_true", help="begin anew where the last one was cut off"
        )
        parser.add_argument("--output", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        user_id = person(options["user"])
        tallies: dict[str, Tally] = {}
        refused: list[Refusal] = []

        def tell(refusal: Refusal) -> None:
            log.warning("day refused", **told(refusal))
            # By a wrong mapping it may be every day of everybody.
            if len(refused) < SHOWN:
                refused.append(refusal)

        for type_, model in METRIC_MODELS.items():
            if type_ not in (options["type"] or TYPES):
                continue
            tallies[type_] = rederive(
                model,
                tell=tell,
                user_id=user_id,
                dry_run=options["dry_run"],
                restart=options["restart"],
            )
            log.info("derived anew", type=type_, dry_run=options["dry_run"], **vars(tallies[type_]))
        self.tell(tallies, refused, options)
        if refused:
            raise CommandError(complaint(tallies, refused), returncode=1)

    def tell(
        self, tallies: dict[str, Tally], refused: list[Refusal], options: dict[str, Any]
    ) -> None:
        if options["output"] == "json":
            body = {
                "status": "partial" if refused else "ok",
                "dry_run": options["dry_run"],
                "types": {type_: vars(tally) for type_, tally in tallies.items()},
                "errors": [told(refusal) for refusal in refused],
            }
            self.stdout.write(orjson.dumps(body).decode())
            return
        for type_, tally in tallies.items():
            self.stdout.write(f"{type_}: {summary(tally)}")
        if options["dry_run"]:
            self.stdout.write("A dry run: nothing was written.")


def person(name: str | None) -> int | None:
    """The account of that name; CommandError (2) when there is none."""
    try:
        return user_id_of(name) if name is not None else None
    except Invalid as error:
        raise CommandError(sentence(error.errors), returncode=2) from None


def told(refusal: Refusal) -> dict[str, Any]:
    return {
        "type": refusal.type,
        "day": refusal.day.isoformat(),
        "person": refusal.user_id,
        "errors": refusal.errors,
    }


def summary(tally: Tally) -> str:
    columns = ", ".join(f"{name} {days}" for name, days in tally.columns.most_common())
    changed = f"{tally.changed} changed ({columns})" if columns else f"{tally.changed} changed"
    return (
        f"{tally.days} days, {changed}, {tally.removed} removed, {tally.marked} marked anew, "
        f"{tally.refused} refused, {tally.without_source} without source"
    )


def complaint(tallies: dict[str, Tally], refused: list[Refusal]) -> str:
    shown = [
        f"{each.type} {each.day}, person {each.user_id}: {sentence(each.errors)}"
        for each in refused
    ]
    more = sum(tally.refused for tally in tallies.values()) - len(shown)
    return "\n".join([*shown, *([f"and {more} more, each in the log"] if more > 0 else [])])
