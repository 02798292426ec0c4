"""The Oura accounts that a run collects: that of an API key, and those that people connected."""

from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from metrics import TYPES
from oura import tokens
from oura.budget import Budget
from oura.client import OuraClient
from oura.models import Connection
from oura.report import Report
from oura.retries import Waiting

LAPSED = (
    "Oura does not permit it (403) though you agreed: your Oura membership has run out, or the "
    "Oura app is too old. What is here stays; collecting goes on by itself once that is fixed."
)


class NoSuchAccount(Exception):
    """The account that was asked for is not among those that can be collected."""


class Account(Protocol):
    """One Oura account, and the name of the person here that its data go to.

    `user` is None when the processor knows whose they are; `ended` is a sentence when only a new
    consent helps; `log_fields` identify it in log lines, without a name.
    """

    @property
    def user(self) -> str | None: ...

    @property
    def ended(self) -> str: ...

    @property
    def log_fields(self) -> dict[str, Any]: ...

    def covers(self, scope: str) -> bool:
        """Return whether the scope was granted, as far as that is known."""

    def client(self, waiting: Waiting) -> OuraClient:
        """Return a client with a token that is good for a while. Raises OuraError without one."""

    def begin(self) -> None:
        """Record that the collection begins."""

    def finish(self, report: Report) -> None:
        """Record what came of it."""


@dataclass(frozen=True)
class KeyAccount:
    """The account of OURA_API_KEY. It needs no database."""

    user: str | None
    key: str
    ended = ""

    @property
    def log_fields(self) -> dict[str, Any]:
        return {}

    def covers(self, scope: str) -> bool:
        return True

    def client(self, waiting: Waiting) -> OuraClient:
        return OuraClient(
            settings.OURA_API_URL, self.key, timeout=settings.COLLECTOR_TIMEOUT, waiting=waiting
        )

    def begin(self) -> None:
        pass

    def finish(self, report: Report) -> None:
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
    def ended(self) -> str:
        if not self.connection.ended:
            return ""
        return f"The connection is {self.connection.get_ended_display()}. {tokens.RECONNECT}"

    @property
    def log_fields(self) -> dict[str, Any]:
        return {"connection": self.connection.pk}

    def covers(self, scope: str) -> bool:
        return scope in self.connection.scopes

    def client(self, waiting: Waiting) -> OuraClient:
        pk = self.connection.pk
        return OuraClient(
            settings.OURA_API_URL,
            tokens.access_token(pk),
            timeout=settings.COLLECTOR_TIMEOUT,
            waiting=waiting,
            renew=lambda refused: tokens.access_token(pk, refused=refused),
            spend=self.budget.spend,
        )

    def begin(self) -> None:
        # Before anything can fail: whoever waits for new connections must not find it again.
        if not self.connection.ended:
            self._update(asked_at=timezone.now())

    def finish(self, report: Report) -> None:
        """Record what the account page shows: when all was collected, or what is wrong."""
        if self.connection.ended:
            return
        changes: dict[str, Any] = {"problem": ""}
        refused = [each for each in report.problems if each.kind == "forbidden"]
        if shown := report.new_problems or refused:
            first = shown[0]
            # Of a scope that was not granted, nothing was asked.
            lapsed = first.kind == "forbidden" and self.covers(TYPES[first.type].scope)
            changes["problem"] = LAPSED if lapsed else first.error
        if not report.new_problems and not report.dry_run:
            changes["collected_at"] = timezone.now()
        self._update(**changes)

    def _update(self, **changes: Any) -> None:
        Connection.objects.filter(pk=self.connection.pk).update(**changes)


def select_accounts(user: str | None, shard: tuple[int, int]) -> list[Account]:
    """Return the accounts to collect, of all or of one person.

    Of N parts of all people, `shard` is (the number of one, N). A key's person who is connected as
    well is served by the connection, as long as it lives. Raises NoSuchAccount.
    """
    found: list[Account] = []
    by_key, by_connection = _ways_in(user)
    # One person is one shard's.
    if by_key and shard[0] == 0:
        own = settings.OURA_USER
        if user and own and user.lower() != own.lower():
            raise NoSuchAccount(f"OURA_API_KEY belongs to {own} (OURA_USER), not {user}.")
        found.append(KeyAccount(user or own or None, settings.OURA_API_KEY))
    if by_connection:
        found += _connected(user, shard)
    return found


def _ways_in(user: str | None) -> tuple[bool, bool]:
    """Whether the account of OURA_API_KEY is collected, and whether connected ones are."""
    has_key, connecting = bool(settings.OURA_API_KEY), bool(settings.OURA_CLIENT_ID)
    if not (has_key and connecting):
        return has_key, connecting
    own = settings.OURA_USER
    living = Connection.objects.served().living()
    connected = bool(own) and living.filter(user__username__iexact=own).exists()
    if user:
        is_own = user.lower() == own.lower()
        return is_own and not connected, not is_own or connected
    return not connected, True


def _connected(user: str | None, shard: tuple[int, int]) -> list[Account]:
    """Those who have waited longest first."""
    connections = Connection.objects.served().select_related("user").of_shard(*shard)
    if user:
        connections = connections.filter(user__username__iexact=user)
        if not connections:
            raise NoSuchAccount(f"{user} has not connected an Oura account.")
    budget = Budget()
    ordered = connections.order_by(F("asked_at").asc(nulls_first=True))
    return [ConnectedAccount(each, budget) for each in ordered]
