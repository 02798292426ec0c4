"""How a person stands with Oura, in words. No page says it in other ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils import timezone

from accounts.models import Origin, User
from metrics import TYPES
from oura import tokens
from oura.connections import origin_refusal
from oura.models import Connection, WantedRun
from oura.origin import origin_of
from oura.provider import SCOPES
from oura.schedule import next_run

# A run that has shown no sign of life for so long has died, and one that has not begun by then
# will not begin by itself.
_PATIENCE = timedelta(minutes=10)
# By so much, clocks of other machines may be ahead. What is later was noted before a clock was set
# back.
_SKEW = timedelta(minutes=1)
_NOTHING_BEGINS = "No collection has started yet. Check that myhealth is running."
_Moment = Callable[[], datetime | None]
# The account that `make run` fills with sample data.
DEMO = "demo"


class Action(StrEnum):
    """What the person can do next; each page has one button for it."""

    NONE = ""
    SET_UP = "set_up"
    CONNECT = "connect"
    RECONNECT = "reconnect"
    DELETE_DATA = "delete_data"
    OTHER_ACCOUNT = "other_account"


class Progress(StrEnum):
    """What a collection of the person's data is doing."""

    NONE = ""
    AWAITED = "awaited"
    COLLECTING = "collecting"


@dataclass(frozen=True)
class Standing:
    """How a person stands with Oura.

    `problem` is what keeps data from coming, in a sentence, empty if nothing does; `note` what
    else there is to know. `is_connected` is false for a connection that can't be used.
    `since` is when the progress began.
    `next_at` is the next regular run, if a schedule says when; there, runs can't be asked for.
    """

    connection: Connection | None = None
    is_connected: bool = False
    problem: str = ""
    has_key: bool = False
    note: str = ""
    action: Action = Action.NONE
    progress: Progress = Progress.NONE
    since: datetime | None = None
    is_first: bool = False
    next_at: datetime | None = None
    can_collect: bool = False
    unshared: Sequence[str] = ()

    @property
    def is_awaited(self) -> bool:
        """Whether data will come by themselves."""
        return self.has_key or (self.is_connected and not self.problem)


def find_standing(
    user: User,
    *,
    fetched_at: datetime | None = None,
    began_at: _Moment = lambda: None,
    now: datetime | None = None,
) -> Standing:
    """Return how a person stands with Oura.

    `fetched_at` is when their data were last fetched, and `began_at` returns when their last run
    began.
    """
    now = now or timezone.now()
    connection = Connection.objects.filter(user=user).first()
    if connection is None:
        return _unconnected(user, now, began_at)
    lost = tokens.why_lost(connection)
    if lost:
        # An account that can't have this server's data can't reconnect either.
        if refusal := origin_refusal(user):
            return Standing(connection, problem=refusal, action=_action_if_refused())
        if not user.is_superuser:
            lost = lost.partition(" (")[0]
        sentence, remedy = f"Your connection to Oura {lost}.", tokens.CHANGE_SETTINGS
        action = Action.NONE if settings.OURA_CLIENT_ID else Action.SET_UP
        if not tokens.is_closed_by_settings(connection):
            # In compose, the collector alone knows if it has a key.
            remedy, action = "It brings no new data until you reconnect.", Action.RECONNECT
        if has_key(user):
            standing = fetched_by_key(user, now, began_at)
            note = f"{sentence} {standing.note}"
            return replace(standing, connection=connection, note=note, action=action)
        return Standing(connection, problem=f"{sentence} {remedy}", action=action)
    return _connected(connection, fetched_at, now.astimezone(user.zone))


def is_key_user(user: User) -> bool:
    """Return whether this is the person of OURA_API_KEY, if there is one.

    It brings their data as long as no connection does.
    """
    return user.username.lower() == settings.OURA_USER.lower()


def has_key(user: User) -> bool:
    return bool(settings.OURA_API_KEY) and is_key_user(user)


def fetched_by_key(user: User, now: datetime, began_at: _Moment) -> Standing:
    """Return how a person stands whose data are fetched with a token of this server.

    `began_at` returns when their last run began.
    """
    note = "Your data are fetched with this server's own access to Oura"
    # The settings are the business of who runs the server.
    note += " (OURA_API_KEY)." if user.is_superuser else "."
    action, is_fetched_here = Action.NONE, True
    if Origin.objects.filter(user=user, name="sandbox").exists():
        note = "The sandbox makes up people and their days. For your own ring, "
        is_fetched_here = not origin_refusal(user)
        if is_fetched_here or not settings.OURA_CLIENT_ID:
            note, action = f"{note}set up the connection to Oura.", Action.SET_UP
        else:
            note, action = f"{note}sign in with your own account.", Action.OTHER_ACCOUNT
    # Only runs that are asked for take a wish, so a regular one may have met it.
    wished = WantedRun.objects.filter(user=user, is_taken=False, at__lte=now + _SKEW).first()
    asked_at = wished.at if wished and not settings.COLLECT_SCHEDULE else None
    is_due = asked_at is not None and not ((began := began_at()) and began >= asked_at)
    since = asked_at if is_due and is_alive(now, asked_at) else None
    next_at = next_run(settings.COLLECT_SCHEDULE, now)
    return Standing(
        has_key=True,
        note=note,
        problem=_NOTHING_BEGINS if is_due and not since else "",
        action=action,
        progress=Progress.AWAITED if since else Progress.NONE,
        since=since,
        next_at=next_at and next_at.astimezone(user.zone),
        can_collect=is_fetched_here and not (is_due or settings.COLLECT_SCHEDULE),
    )


def perhaps_fetched_by_key(user: User, now: datetime, began_at: _Moment) -> Standing:
    """Return how a person stands who can connect, and whose token the collector may have.

    Their last run was either with that token, or of a connection that is gone.
    """
    note = "If this server has its own access to Oura, it goes on fetching your data."
    standing = fetched_by_key(user, now, began_at)
    return replace(standing, has_key=False, note=note, action=Action.CONNECT)


def _unconnected(user: User, now: datetime, began_at: _Moment) -> Standing:
    if has_key(user):
        if refusal := origin_refusal(user):
            return Standing(problem=refusal, action=_action_if_refused())
        return fetched_by_key(user, now, began_at)
    if not settings.OURA_CLIENT_ID:
        return Standing(action=Action.SET_UP)
    if refusal := origin_refusal(user):
        return Standing(problem=refusal, action=_action_if_refused())
    return Standing(action=Action.CONNECT)


def _action_if_refused() -> Action:
    """Return what helps an account with data of another origin than this server's."""
    is_sandbox = origin_of(settings.OURA_API_URL) == "sandbox"
    return Action.SET_UP if is_sandbox else Action.DELETE_DATA


def _connected(connection: Connection, fetched_at: datetime | None, now: datetime) -> Standing:
    unshared = [each.name for each in TYPES.values() if each.scope not in connection.scopes]
    if len(unshared) == len(TYPES):
        problem = f"{_unshared(connection)} Nothing can be fetched until you do."
        return Standing(connection, True, problem, action=Action.RECONNECT, unshared=unshared)
    progress, since = _progress(connection, fetched_at, now)
    problem = "" if progress else tokens.present_problem(connection)
    next_at = next_run(settings.COLLECT_SCHEDULE, now)
    asked_at, wanted_at = connection.asked_at, connection.wanted_at
    # A collection of some days or types leaves the wish for a whole one.
    is_due = asked_at is None or (wanted_at is not None and wanted_at > asked_at)
    if is_due and not (progress or settings.COLLECT_SCHEDULE):
        problem = _NOTHING_BEGINS
    return Standing(
        connection,
        is_connected=True,
        problem=problem,
        note=_unshared(connection),
        action=Action.RECONNECT if set(SCOPES) - set(connection.scopes) else Action.NONE,
        progress=progress,
        since=since,
        is_first=connection.collected_at is None,
        next_at=next_at and next_at.astimezone(now.tzinfo),
        can_collect=not (progress or settings.COLLECT_SCHEDULE or is_due),
        unshared=unshared,
    )


def is_alive(now: datetime, *signs: datetime | None) -> bool:
    """Return whether any sign of a run, or of one that was asked for, is recent."""
    return any(sign and -_SKEW <= now - sign < _PATIENCE for sign in signs)


def _progress(
    connection: Connection, fetched_at: datetime | None, now: datetime
) -> tuple[Progress, datetime | None]:
    """Return what a collection is doing, and since when."""
    asked_at, finished_at = connection.asked_at, connection.finished_at
    is_unfinished = asked_at and not (finished_at and finished_at >= asked_at)
    if asked_at and is_unfinished and is_alive(now, asked_at, fetched_at):
        return Progress.COLLECTING, asked_at
    wanted_at = connection.wanted_at or (None if asked_at else connection.connected_at)
    if not settings.COLLECT_SCHEDULE and is_alive(now, wanted_at):
        return Progress.AWAITED, wanted_at
    return Progress.NONE, None


def _unshared(connection: Connection) -> str:
    """Return a sentence about what the person did not agree to share; empty if that is nothing."""
    scopes = [each for each in SCOPES if each not in connection.scopes]
    if not scopes:
        return ""
    named = " and ".join(f"“{each}”" for each in scopes)
    boxes = "that box" if len(scopes) == 1 else "these boxes"
    brought = [brings for each in scopes if (brings := _brings(each))]
    what = f"your {in_words(brought)}" if brought else "everything"
    return f"You did not share {what} ({named}) with myhealth. Reconnect and leave {boxes} ticked."


def _brings(scope: str) -> str:
    """Return what a scope brings, in words."""
    titles = [each.title.lower() for each in TYPES.values() if each.scope == scope]
    return in_words(titles) if titles else "Oura profile"


def in_words(names: Iterable[str]) -> str:
    """Return names as in a sentence: `sleep, activity and readiness`."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
