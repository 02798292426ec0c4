"""How a person's data arrive: how they stand with Oura, and what has come so far."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone

from accounts.models import User
from dashboard.queries import database_alias, rows_of_user
from ingest.coverage import last_complete_fetch
from ingest.models import METRIC_MODELS, Fetch, Run
from oura.schedule import due_by
from oura.standing import (
    DEMO,
    Action,
    Progress,
    Standing,
    fetched_by_key,
    find_standing,
    is_alive,
    is_key_user,
    perhaps_fetched_by_key,
)

# Clocks of other machines may be ahead.
_SKEW = timedelta(hours=3)


class Arrived(NamedTuple):
    """How many days of a type are stored so far, and which is the first."""

    title: str
    days: int
    first: date | None


def arrived(user: User) -> list[Arrived]:
    """Return what has come so far, of each type."""
    found = []
    for model in METRIC_MODELS.values():
        stored = rows_of_user(model, user.pk).aggregate(days=Count("pk"), first=Min("day"))
        found.append(Arrived(model.metric_type.title, stored["days"], stored["first"]))
    return found


def standing_of(user: User, fetched_at: datetime | None = None) -> Standing:
    """Return how a person stands with Oura; `fetched_at` is when their data were last fetched."""
    now = timezone.now()
    fetched_at = fetched_at or last_complete_fetch(user.pk, database_alias())
    # They are read where they are used first.
    runs = Run.objects.using(database_alias()).filter(user=user).order_by("-began_at")[:2]

    def began_at() -> datetime | None:
        return runs[0].began_at if runs else None

    standing = find_standing(user, fetched_at=fetched_at, began_at=began_at, now=now)
    has_own_action = standing.action not in (Action.NONE, Action.SET_UP)
    if standing.connection and not standing.has_key:
        began = standing.connection.connected_at
        return replace(standing, is_first=standing.is_first and not _had_fetched(user, began))
    is_demo = user.username == DEMO
    may_have_key = standing.action == Action.CONNECT and is_key_user(user) and not is_demo
    if has_own_action and not (standing.has_key or is_demo or may_have_key):
        return standing
    # Without a connection, only the runs themselves tell of a token that the collector has.
    finished = [run.finished_at for run in runs if run.finished_at]
    is_under_way = bool(runs) and _is_under_way(runs[0], fetched_at, now)
    if not standing.has_key and (is_under_way or (finished and _go_on(finished[0], now))):
        describe = perhaps_fetched_by_key if may_have_key else fetched_by_key
        standing = describe(user, now, began_at)
    if is_under_way:
        return replace(
            standing,
            progress=Progress.COLLECTING,
            since=runs[0].began_at,
            is_first=not finished,
            problem="",
            can_collect=False,
        )
    return standing


def _had_fetched(user: User, moment: datetime) -> bool:
    """Return whether anything was fetched before: the person was connected, or had a key."""
    fetches = Fetch.objects.using(database_alias())
    return fetches.filter(user=user, complete=True, asked_at__lt=moment).exists()


def _go_on(finished_at: datetime, now: datetime) -> bool:
    """Return whether another run will follow one: not if the clock was set back since."""
    return finished_at - now < _SKEW and now < due_by(settings.COLLECT_SCHEDULE, finished_at)


def _is_under_way(run: Run, fetched_at: datetime | None, now: datetime) -> bool:
    return run.finished_at is None and is_alive(now, run.began_at, fetched_at)
