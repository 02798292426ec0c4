"""How fresh a person's data are, and what to do when they are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from dashboard.queries import About, database_alias
from ingest.coverage import last_complete_fetch
from ingest.models import Metric
from metrics.columns import Moment
from metrics.moments import parse_moment
from oura import tokens
from oura.models import Connection

# Data are fetched every hour.
_FETCH_IS_OLD = timedelta(hours=3)
# Shorter than a night, so that a night that is not here yet is noticed in the morning.
_RING_IS_OLD = timedelta(hours=6)


@dataclass(frozen=True)
class Freshness:
    """When data were last fetched, and up to which moment the ring's data are here.

    `ring_until` is in the person's time zone. `advice` is what to do, empty if all is well; `link`
    names the page on which to do it, empty if it is none of ours.
    """

    fetched_at: datetime | None
    ring_until: datetime | None
    advice: str = ""
    link: str = ""


def find_freshness(user: User, rows: Iterable[Metric], about: Mapping[str, About]) -> Freshness:
    """Return how fresh a person's data are; `rows` are the newest of each type."""
    fetched_at = last_complete_fetch(user.pk, database_alias())
    ring_until = _ring_until(rows, about)
    advice, link = _advice(user, fetched_at, ring_until, timezone.now())
    ring_until = ring_until and ring_until.astimezone(user.zone)
    return Freshness(fetched_at, ring_until, advice, link)


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
    user: User, fetched_at: datetime | None, ring_until: datetime | None, now: datetime
) -> tuple[str, str]:
    """Return a sentence that says what to do, and the name of the page to do it on."""
    connection = Connection.objects.filter(user=user).first()
    if connection and (lost := tokens.why_lost(connection)):
        sentence = f"Your connection to Oura {lost}. No new data will arrive until you reconnect."
        return sentence, "account"
    problem = tokens.present_problem(connection) if connection else ""
    if connection and problem and _brought_nothing(connection, fetched_at):
        return problem, "account"
    if fetched_at is None:
        return "", ""
    if now - fetched_at > _FETCH_IS_OLD:
        check = "New data should come every hour: check that myhealth is running"
        return (f"{check}.", "") if connection else (f"{check} and connected to Oura.", "account")
    if ring_until and now - ring_until > _RING_IS_OLD:
        return "For newer data, open the Oura app with the ring nearby.", ""
    return "", ""


def _brought_nothing(connection: Connection, fetched_at: datetime | None) -> bool:
    """Return whether the last run fetched nothing."""
    asked_at = connection.asked_at
    return asked_at is not None and (fetched_at is None or fetched_at < asked_at)


def is_awaited(user: User) -> bool:
    """Return whether data will come by themselves: the person is connected, or has the API key."""
    connection = Connection.objects.filter(user=user).first()
    if connection:
        return not tokens.why_lost(connection)
    return bool(settings.OURA_API_KEY) and user.username == settings.OURA_USER
