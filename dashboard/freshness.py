"""How fresh a person's data are, and what to do when they are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from dashboard.queries import About
from ingest.models import Metric
from metrics.columns import Moment
from metrics.moments import parse_moment
from oura.models import Connection
from oura.schedule import due_by
from oura.standing import Standing

# Shorter than a night, so that a night that is not here yet is noticed in the morning.
_RING_IS_OLD = timedelta(hours=6)


@dataclass(frozen=True)
class Freshness:
    """When data were last fetched, and up to which moment the ring's data are here.

    `ring_until` is in the person's time zone. `advice` is what to do, empty if all is well; `link`
    names the page on which to do it, empty if it is none of ours. `is_old` says that new data
    should have been fetched meanwhile.
    """

    fetched_at: datetime | None
    ring_until: datetime | None
    advice: str = ""
    link: str = ""
    is_old: bool = False


def find_freshness(
    user: User,
    rows: Iterable[Metric],
    about: Mapping[str, About],
    standing: Standing,
    fetched_at: datetime | None,
) -> Freshness:
    """Return how fresh a person's data are; `rows` are the newest of each type."""
    ring_until = _ring_until(rows, about)
    is_old = not fetched_at or timezone.now() > due_by(settings.COLLECT_SCHEDULE, fetched_at)
    advice, link = _advice(standing, fetched_at, ring_until, is_old=is_old)
    ring_until = ring_until and ring_until.astimezone(user.zone)
    return Freshness(fetched_at, ring_until, advice, link, is_old)


def _ring_until(rows: Iterable[Metric], about: Mapping[str, About]) -> datetime | None:
    """Return the moment of the newest value of the ring that is stored, as far as rows tell."""
    found = []
    for row in rows:
        ends = [_end_of(about[row.metric_type.name].wear)]
        if row.metric_type.shows_wear:
            columns = [each.name for each in row.metric_type.columns if type(each.kind) is Moment]
            ends += [parse_moment(getattr(row, name)) for name in columns]
        # A document may name moments of which it can't know anything yet.
        found += [min(end, row.fetched_at.astimezone(end.tzinfo)) for end in ends if end]
    return max(found, default=None)


def _end_of(wear: Any) -> datetime | None:
    if not wear:
        return None
    return datetime.fromisoformat(wear["start"]) + timedelta(minutes=wear["minutes"])


def _advice(
    standing: Standing, fetched_at: datetime | None, ring_until: datetime | None, *, is_old: bool
) -> tuple[str, str]:
    """Return a sentence that says what to do, and the name of the page to do it on."""
    connection = standing.connection
    if connection and standing.problem and _matters(standing, connection, fetched_at):
        return standing.problem, "account"
    if fetched_at is None or standing.progress:
        return "", ""
    if is_old:
        check = "New data should have come by now: check that myhealth is running"
        return (f"{check}.", "") if connection else (f"{check} and connected to Oura.", "account")
    # What has reached Oura since then comes with the next fetch.
    if ring_until and fetched_at - ring_until > _RING_IS_OLD:
        return "For newer data, open the Oura app with the ring nearby.", ""
    return "", ""


def _matters(standing: Standing, connection: Connection, fetched_at: datetime | None) -> bool:
    """Return whether a problem keeps new data away: one of a run does if it fetched nothing."""
    asked_at = connection.asked_at
    is_of_run = standing.is_connected and asked_at is not None
    return not (is_of_run and fetched_at and asked_at and fetched_at >= asked_at)
