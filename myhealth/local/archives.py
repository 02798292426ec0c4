"""Backup files: what pg_dump wrote into them, and which of them is the newest."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from myhealth.local.client import run_client
from myhealth.local.server import NAME, ConnectionInfo, EmbeddedError, Server

# What `make restore` kept is never the newest backup, or a second one would undo the first.
KEPT_PREFIX = "before-restore-"
_CHOOSE = "Delete it or move it away, or choose a backup with FILE=…."
# The clock of another machine may be some minutes ahead.
_AHEAD = timedelta(minutes=10)
# pg_dump writes the time of a zone that it doesn't name, by hand that of the shell.
_ZONES = timedelta(hours=26)
_MADE_BY_EARLIER_VERSION = re.compile(r"myhealth-\d{8}-\d{6}\.dump")

_STAMP = "Backed up at "
_STAMPED = re.compile(rf"^COMMENT ON DATABASE \S+ IS '{_STAMP}(\S+)';$", re.MULTILINE)
_CREATED = re.compile(r"^; Archive created at (\S+ \S+) (\S+)$", re.MULTILINE)
_TABLES = ("public.django_migrations", "public.accounts_user")


@dataclass(frozen=True)
class Archive:
    """A backup file, when it was made, and whether it is of a database of myhealth.

    `margin` is how much earlier or later it may have been made.
    """

    file: Path
    made_at: datetime
    is_ours: bool
    margin: timedelta = timedelta()


def stamp_statement(now: datetime) -> str:
    """Return SQL after which dumps of the database say when they were made.

    pg_dump itself writes the time of the machine's zone, to the second.
    """
    return f"COMMENT ON DATABASE {NAME} IS '{_STAMP}{now.astimezone(UTC).isoformat()}'"


def read_archive(server: Server, connection: ConnectionInfo, file: Path) -> Archive:
    """Return what a backup file says about itself. Raises EmbeddedError."""

    def inspect(*options: str) -> str:
        return run_client(server, connection, "pg_restore", *options, str(file.absolute()))

    if not file.is_file():
        raise EmbeddedError(f"{file} is not a file.")
    schema = inspect("--create", "--section=pre-data", "-f", "-")
    is_ours = all(f"CREATE TABLE {table} (" in schema for table in _TABLES)
    if stamped := _STAMPED.search(schema):
        return Archive(file, datetime.fromisoformat(stamped[1]), is_ours)
    created = _CREATED.search(inspect("-l"))
    if created is None:
        raise EmbeddedError(f"{file} does not contain the time when it was made.")
    # Earlier versions wrote the time of the system's zone.
    margin = timedelta() if _MADE_BY_EARLIER_VERSION.fullmatch(file.name) else _ZONES
    return Archive(file, _parse_local(*created.groups()), is_ours, margin)


def newest_archive(server: Server, connection: ConnectionInfo, folder: Path) -> Archive:
    """Return the backup in a folder that was made last, by the time inside.

    Raises EmbeddedError also if that is not certain, since an older one would lose days.
    """
    archives = []
    for file in sorted(folder.glob("*.dump")):
        if file.name.startswith((".", KEPT_PREFIX)):
            continue
        try:
            archives.append(read_archive(server, connection, file))
        except EmbeddedError as error:
            raise EmbeddedError(
                f"{file} can't be read, and may be the newest backup. {_CHOOSE} ({error})"
            ) from error
    if not archives:
        raise EmbeddedError(f"There is no backup in {folder}: choose one with FILE=….")
    *others, newest = sorted(archives, key=lambda each: each.made_at)
    for other in others:
        if newest.made_at - other.made_at < newest.margin + other.margin:
            unsure = newest if newest.margin else other
            raise EmbeddedError(
                f"{newest.file} or {other.file} is the newest backup: {unsure.file.name} was made "
                "by pg_dump, which does not record the time zone. Choose one with FILE=…."
            )
    if not newest.is_ours:
        raise EmbeddedError(
            f"{newest.file} is the newest backup, but it is not a backup of myhealth. {_CHOOSE}"
        )
    if newest.made_at - newest.margin > datetime.now(UTC) + _AHEAD:
        raise EmbeddedError(
            f"{newest.file} was made in the future, at {describe_time(newest.made_at)}, so this "
            "machine's clock is wrong, or was wrong then: set the clock, or choose a backup with "
            "FILE=…."
        )
    return newest


def describe_time(moment: datetime) -> str:
    """Return a moment as people of this machine's time zone write it."""
    return f"{moment.astimezone():%A, %-d %B %Y, %H:%M %Z}"


def describe_age(moment: datetime) -> str:
    """Return how long ago a moment was."""
    minutes = max(0, int((datetime.now(UTC) - moment).total_seconds() // 60))
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if number := minutes // size:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def _parse_local(text: str, zone_name: str) -> datetime:
    """Return the time at which an earlier version's backup was made.

    pg_restore shows it in the system's zone, and TZ does not reach it.
    """
    # At the latest: it has no fractions of the second.
    naive, zone = datetime.fromisoformat(text).replace(microsecond=999_999), _system_zone()
    candidates = [naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    # An hour of each autumn comes twice, under two names of the zone.
    return next((each for each in candidates if each.tzname() == zone_name), candidates[0])


def _system_zone() -> tzinfo:
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
