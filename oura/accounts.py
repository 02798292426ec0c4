"""The Oura accounts that a run collects: that of an API key, and those that people connected."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from metrics import TYPES
from myhealth.states import FailureKind
from oura import tokens
from oura.budget import Budget
from oura.client import OuraClient
from oura.models import Connection, ConnectionQuerySet, WantedRun
from oura.report import Problem, Report
from oura.retries import RetryTime

MEMBERSHIP_LAPSED = (
    "Oura denies access (403) although you allowed it: your Oura membership has expired, or the "
    "Oura app is too old. Days that are already stored are kept, and collecting resumes "
    "automatically once this is fixed."
)


class NoSuchAccount(Exception):
    """The requested account is not among those that can be collected."""


class Account(Protocol):
    """One Oura account, and the myhealth account that its data go to.

    `user` is that account's name, or None if the processor knows it. `ended` is a sentence if only
    a new consent helps, otherwise empty. `log_fields` identify the account in log lines, without
    a name. `oura_user_id` is Oura's own id of the account, or None if Oura must be asked for it.
    """

    @property
    def user(self) -> str | None: ...

    @property
    def oura_user_id(self) -> str | None: ...

    @property
    def ended(self) -> str: ...

    @property
    def log_fields(self) -> dict[str, Any]: ...

    def exists(self) -> bool:
        """Return whether the person has still connected it."""

    def has_scope(self, scope: str) -> bool:
        """Return whether the scope was granted, as far as that is known."""

    def client(self, retry_time: RetryTime) -> OuraClient:
        """Return a client with a valid token. Raises OuraError if there is none, or RunEnded."""

    def begin(self, *, is_whole: bool) -> None:
        """Take the account as it is now, and record that a collection has begun.

        It is whole if it collects at least what is due; otherwise people wait for another one.
        """

    def finish(self, report: Report, *, is_whole: bool) -> None:
        """Record the result of the collection."""


@dataclass(frozen=True)
class KeyAccount:
    """The account of OURA_API_KEY. It needs no database."""

    user: str | None
    key: str
    ended = ""
    oura_user_id = None

    @property
    def log_fields(self) -> dict[str, Any]:
        return {}

    def exists(self) -> bool:
        return True

    def has_scope(self, scope: str) -> bool:
        return True

    def client(self, retry_time: RetryTime) -> OuraClient:
        return OuraClient(
            settings.OURA_API_URL,
            self.key,
            timeout=settings.COLLECTOR_TIMEOUT,
            retry_time=retry_time,
        )

    def begin(self, *, is_whole: bool) -> None:
        pass

    def finish(self, report: Report, *, is_whole: bool) -> None:
        pass


@dataclass(frozen=True)
class ConnectedAccount:
    """An account that a person has connected. All share the application's request limit."""

    connection: Connection
    budget: Budget

    @property
    def user(self) -> str:
        return self.connection.user.get_username()

    @property
    def oura_user_id(self) -> str:
        # A consent, and all tokens of it, are of one Oura account.
        return self.connection.oura_user_id

    @property
    def ended(self) -> str:
        sentence = tokens.lost_sentence(self.connection)
        # A connection that only the settings have closed is reported as new once.
        is_known = self.connection.ended or self.connection.problem == sentence
        return sentence if is_known else ""

    @property
    def log_fields(self) -> dict[str, Any]:
        return {"connection": self.connection.pk}

    def exists(self) -> bool:
        return Connection.objects.filter(pk=self.connection.pk).exists()

    def has_scope(self, scope: str) -> bool:
        return scope in self.connection.scopes

    def client(self, retry_time: RetryTime) -> OuraClient:
        pk = self.connection.pk
        return OuraClient(
            settings.OURA_API_URL,
            tokens.access_token(pk),
            timeout=settings.COLLECTOR_TIMEOUT,
            retry_time=retry_time,
            renew_token=lambda refused: tokens.access_token(pk, refused=refused),
            before_request=self.budget.spend,
        )

    def begin(self, *, is_whole: bool) -> None:
        # The person may have connected again since the run was put together.
        people = Connection.objects.select_related("user")
        with suppress(Connection.DoesNotExist):
            self.connection.refresh_from_db(from_queryset=people)
        if self.connection.ended:
            return
        changes: dict[str, Any] = {"asked_at": timezone.now()}
        if is_whole:
            # Before anything can fail, so that `await_connection` does not report it again.
            changes["wanted_at"] = None
        elif self.connection.asked_at is None:
            # The first whole collection is still due.
            changes["wanted_at"] = self.connection.connected_at
        self._update(**changes)

    def finish(self, report: Report, *, is_whole: bool) -> None:
        """Record when all was collected and what is wrong, for the account page."""
        if self.connection.ended:
            return
        now = timezone.now()
        if sentence := tokens.lost_sentence(self.connection):
            self._update(problem=sentence, finished_at=now)
            return
        changes: dict[str, Any] = {"problem": "", "finished_at": now}
        # What the person did not agree to share is known from the scopes; Oura was not asked.
        asked = [each for each in report.problems if not self._is_unshared(each)]
        refused = [each for each in asked if each.kind == FailureKind.FORBIDDEN]
        if problems := [each for each in asked if not each.is_repeat] or refused:
            first = problems[0]
            is_lapsed = first.kind == FailureKind.FORBIDDEN and first.type in TYPES
            changes["problem"] = MEMBERSHIP_LAPSED if is_lapsed else first.error
        if is_whole and not (report.new_problems or report.is_cut_short):
            changes["collected_at"] = now
        self._update(**changes)

    def _is_unshared(self, problem: Problem) -> bool:
        is_refused = problem.kind == FailureKind.FORBIDDEN and problem.type in TYPES
        return is_refused and not self.has_scope(TYPES[problem.type].scope)

    def _update(self, **changes: Any) -> None:
        Connection.objects.filter(pk=self.connection.pk).update(**changes)


def select_accounts(
    user: str | None, shard: tuple[int, int], *, wanted: bool = False
) -> list[Account]:
    """Return the accounts to collect, of all people or of one.

    `shard` is the number of a part, from 0, and how many parts all people are divided into. If the
    person of the API key is connected as well, the connection is used, unless it has ended. With
    `wanted`, only accounts that wait for a run are returned. Raises NoSuchAccount.
    """
    accounts: list[Account] = []
    by_key, by_connection = _sources(user)
    # Also if the person has connected since: their connection is collected then.
    is_asked = wanted and bool(settings.OURA_API_KEY) and _take_wanted()
    # The key's person belongs to the first part.
    if by_key and shard[0] == 0 and (not wanted or is_asked):
        key_user = settings.OURA_USER
        if user and key_user and user.lower() != key_user.lower():
            raise NoSuchAccount(
                f"OURA_API_KEY belongs to '{key_user}' (OURA_USER), not to '{user}'."
            )
        accounts.append(KeyAccount(user or key_user or None, settings.OURA_API_KEY))
    if by_connection:
        connections = Connection.objects.served()
        if by_key and settings.OURA_USER:
            # It has been lost, and its end would seem to be that of the key's run.
            connections = connections.exclude(user__username__iexact=settings.OURA_USER)
        accounts += _connected_accounts(connections.due() if wanted else connections, user, shard)
    return accounts


def _take_wanted() -> bool:
    """Return whether somebody asks for a run of the key's account; it begins now."""
    return bool(WantedRun.objects.due().update(is_taken=True))


def _sources(user: str | None) -> tuple[bool, bool]:
    """Return whether to collect the account of OURA_API_KEY, and whether connected ones."""
    has_key, has_application = bool(settings.OURA_API_KEY), bool(settings.OURA_CLIENT_ID)
    if not (has_key and has_application):
        return has_key, has_application
    key_user = settings.OURA_USER
    of_key_user = Connection.objects.served().filter(user__username__iexact=key_user)
    is_connected = bool(key_user) and not all(map(tokens.why_lost, of_key_user))
    if user:
        is_key_user = user.lower() == key_user.lower()
        return is_key_user and not is_connected, not is_key_user or is_connected
    return not is_connected, True


def _connected_accounts(
    connections: ConnectionQuerySet, user: str | None, shard: tuple[int, int]
) -> list[Account]:
    """Return the connected accounts, those that have waited longest first."""
    connections = connections.select_related("user").of_shard(*shard)
    if user:
        person = _find_person(user)
        connections = connections.filter(user=person)
        if not connections:
            raise NoSuchAccount(_why_none(person))
    budget = Budget()
    ordered = connections.order_by(F("asked_at").asc(nulls_first=True))
    return [ConnectedAccount(connection, budget) for connection in ordered]


def _find_person(name: str) -> User:
    try:
        return User.objects.get_by_natural_key(name)
    except User.DoesNotExist:
        raise NoSuchAccount(f"There is no account named {name!r}.") from None


def _why_none(person: User) -> str:
    for connection in Connection.objects.filter(user=person):
        return f"The connection of '{person}' {tokens.why_lost(connection)}."
    return f"'{person}' has not connected an Oura account."
