"""Limits on guessing passwords.

A try is counted as a failure in the database before its password is checked, under locks, so that
tries at the same moment, in any process, see each other. A right password takes its try back. What
is refused is not counted.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import Throttled

from accounts import browsers
from accounts.expiry import KNOWN_FOR, delete_expired, old_failures, old_networks
from accounts.models import FailedSignIn, KnownNetwork, User
from myhealth.addresses import client_network

log = structlog.get_logger("accounts.attempts")

# Tries must not hold all threads while something else holds a lock in the database.
_PATIENCE = "2s"

# A password that is being checked, which takes a few seconds at most. After that, the check was cut
# off, as by an outage of the database, and nobody learned if the password was right.
_IS_CHECKING = "NOT is_checked AND at > %(now)s - interval '10 seconds'"
_COUNTS = f"(is_checked OR {_IS_CHECKING})"


def _limit(condition: str, failures: int, period: str) -> str:
    """Return SQL for when there will be fewer failures than these in the period, or null."""
    return (
        f"(SELECT at + interval '{period}' FROM accounts_failedsignin"
        f" WHERE {condition} AND at > %(now)s - interval '{period}' AND {_COUNTS}"
        f" ORDER BY at DESC OFFSET {failures - 1} LIMIT 1)"
    )


_PAIR = "account = %(account)s AND source = %(source)s"
_LIMITS = "SELECT " + ", ".join(
    [
        # One account from one network, or in one known browser.
        _limit(_PAIR, 5, "15 minutes"),
        # A network over all names. A stranger may have an IPv6 /48 as easily as a /64.
        _limit("network = %(network)s", 50, "15 minutes"),
        _limit("block = %(block)s", 200, "15 minutes"),
        # After a hundred failures of an account, all new networks share one try a minute.
        _limit("account = %(account)s", 100, "1 hour"),
        _limit("account = %(account)s AND is_new", 1, "1 minute"),
        f"EXISTS (SELECT FROM accounts_failedsignin WHERE {_PAIR} AND {_IS_CHECKING})",
        # Right passwords have no other limit, and their checks must leave some for other people.
        "(SELECT count(*) >= 5 FROM accounts_failedsignin"
        f" WHERE account = %(account)s AND {_IS_CHECKING})",
        "EXISTS (SELECT FROM accounts_knownnetwork WHERE user_id = %(user_id)s"
        " AND token_version = %(version)s AND network = %(network)s AND at > %(known_since)s)",
    ]
)


class TooManyAttempts(Throttled):
    """A 429 with `Retry-After`. No password was checked."""

    default_detail = "Too many attempts."
    extra_detail_singular = "Try again in {wait} second."
    extra_detail_plural = "Try again in {wait} seconds."
    wait: int


def guard(request: HttpRequest | None, name: str, check: Callable[[], User | None]) -> User | None:
    """Return what `check` returns: the account if the password is right, otherwise None.

    Raises TooManyAttempts, mostly without calling it.
    """
    attempt, user_id = _begin(request or HttpRequest(), name)
    try:
        user = check()
    except TooManyAttempts:
        attempt.delete()
        raise
    if user is None:
        # Its row may have been forgotten meanwhile.
        FailedSignIn.objects.filter(pk=attempt.pk).update(is_checked=True)
        log.info("sign-in failed", user=user_id, network=attempt.network)
    else:
        _succeed(attempt, user)
    return user


def check_present_password(request: HttpRequest, user: User, password: str) -> bool:
    """Return whether it is the password of someone who is signed in, with the same limits.

    Raises TooManyAttempts.
    """
    found = guard(request, user.username, lambda: user if user.check_password(password) else None)
    return found is not None


def forget(users: QuerySet[User]) -> None:
    """Forget the failures of these accounts, so that their limits start afresh."""
    names = users.values_list(Lower("username"), flat=True)
    FailedSignIn.objects.filter(account__in=[_hash("account", name) for name in names]).delete()


def _begin(request: HttpRequest, name: str) -> tuple[FailedSignIn, int | None]:
    """Count a try, and return it with the account's number. Raises TooManyAttempts."""
    network = client_network(request) or ""
    block = client_network(request, 48) or ""
    # Without the commit, nobody else would see it.
    with transaction.atomic(durable=True):
        _limit_waiting()
        folded, user_id, version = _find(name)
        account = _hash("account", folded)
        # A block's lock is also that of its networks.
        _lock([account, _hash("block", block)])
        browser = browsers.known_browser(request, user_id, version)
        attempt = FailedSignIn(
            account=account,
            source=f"browser {browser}" if browser else network,
            network=network,
            block=block,
            is_new=browser is None,
            at=timezone.now(),
        )
        if wait := _wait(attempt, user_id, version):
            raise TooManyAttempts(wait.total_seconds())
        delete_expired(old_failures(attempt.at))
        attempt.save(force_insert=True)
    return attempt, user_id


def _limit_waiting() -> None:
    """Let statements of this transaction fail that wait long for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")


def _find(name: str) -> tuple[str, int | None, int | None]:
    """Return a name as the database folds it, and its account's number and version, if any.

    The database folds it for all, so that no spelling of a name tells if there is an account.
    """
    # PostgreSQL takes neither of these.
    name = name.replace("\0", "\ufffd").encode(errors="replace").decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT folded, id, token_version FROM lower(%s) AS folded"
            " LEFT JOIN accounts_user ON lower(username) = folded",
            [name],
        )
        folded, user_id, version = cursor.fetchone()
        return folded, user_id, version


def _hash(kind: str, text: str) -> int:
    """Return a number for a text: it can't be traced back, as people type passwords as names."""
    digest = salted_hmac(f"accounts.attempts.{kind}", text, algorithm="sha256").digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _lock(keys: Iterable[int]) -> None:
    """Wait until no other transaction holds one of these, in an order that can't deadlock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [sorted(keys)]
        )


def _wait(attempt: FailedSignIn, user_id: int | None, version: int | None) -> timedelta:
    """Return how long a try has to wait, or zero, and note if its network is known."""
    values: dict[str, Any] = {
        "account": attempt.account,
        "source": attempt.source,
        "network": attempt.network,
        "block": attempt.block,
        "now": attempt.at,
        "user_id": user_id,
        "version": version,
        "known_since": attempt.at - KNOWN_FOR,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS, values)
        pair, network, block, attack, minute, is_checking, is_busy, is_known = cursor.fetchone()
    attempt.is_new = attempt.is_new and not is_known
    ends = [pair, network, block, attack and minute] if attempt.is_new else [pair]
    wait = max((end - attempt.at for end in ends if end), default=timedelta())
    # A password that is being checked may turn out to be right, and its try be taken back.
    return timedelta(seconds=1) if (is_checking if wait else is_busy) else wait


def _succeed(attempt: FailedSignIn, user: User) -> None:
    """Forget the failures of the pair, and remember the network."""
    with transaction.atomic():
        _limit_waiting()
        _lock([attempt.account])
        FailedSignIn.objects.filter(account=attempt.account, source=attempt.source).delete()
        version = user.token_version
        if not User.objects.select_for_update(no_key=True).filter(
            pk=user.pk, token_version=version
        ):
            # Deleted meanwhile, or signed out everywhere.
            return
        known = KnownNetwork(
            user=user, token_version=version, network=attempt.network, at=timezone.now()
        )
        KnownNetwork.objects.bulk_create(
            [known],
            update_conflicts=True,
            unique_fields=["user", "network"],
            update_fields=["token_version", "at"],
        )
        delete_expired(old_networks(known.at))
