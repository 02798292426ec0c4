"""Deleting people and their data, for the admin and the command."""

from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, transaction

from accounts.models import Origin, User
from dashboard.arrivals import standing_of
from ingest import control
from ingest.models import METRIC_MODELS
from oura import connections
from oura.models import Connection, WantedRun
from oura.standing import DEMO, has_key, is_key_user

_ATTEMPTS = 3
NOT_REVOKED = (
    "Oura did not confirm that the connection has ended: the person should also remove myhealth "
    "from the list of applications in their Oura account."
)


def count_days(user: User) -> dict[str, int]:
    """Return how many days are stored by type."""
    return {type_: model.objects.of(user.pk).count() for type_, model in METRIC_MODELS.items()}


def stored_days(user: User) -> int:
    """Return of how many days something is stored."""
    days = [model.objects.of(user.pk).values("day") for model in METRIC_MODELS.values()]
    return days[0].union(*days[1:]).count()


def delete_data(user: User, warn: Callable[[str], object]) -> None:
    """Delete all that is stored of a person, and their connection. Raises ControlError.

    `warn` is called at once if Oura does not confirm that the connection has ended: the next
    attempt would not know.
    """
    control.delete_metrics(user.username)
    if own := Connection.objects.filter(user=user).first():
        if not connections.disconnect(own):
            warn(NOT_REVOKED)
        # What a run has brought that began meanwhile; it ends now.
        control.delete_metrics(user.username)
    WantedRun.objects.filter(user=user).delete()


def removable_demo(user: User) -> User | None:
    """Return the sample account, if this is an administrator with real data, who may remove it."""
    if not user.is_superuser or not Origin.objects.filter(user=user, name="oura").exists():
        return None
    return User.objects.filter(username=DEMO, origin__name="sandbox").first()


def refill(user: User) -> str:
    """Return what brings the data back when they are deleted, in a sentence; empty if nothing."""
    if user.username == DEMO or has_key(user) or standing_of(user).has_key:
        return (
            "This server fetches your data by itself, and will fetch them again at the next "
            "collection."
        )
    if is_key_user(user):
        # Only the collector knows.
        return (
            "If this server has its own access to your Oura data (OURA_API_KEY), it will fetch "
            "them again at the next collection."
        )
    return ""


def delete_account(user: User, warn: Callable[[str], object]) -> None:
    """Delete all that is stored of a person, as `delete_data`, and then the account."""
    delete_data(user, warn)
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            _delete_row(user.pk)
            break
        except IntegrityError:
            if not attempts_left:
                raise
            # A program has stored something meanwhile.
            control.delete_metrics(user.username)


def _delete_row(pk: int) -> None:
    """Delete an account that has no metrics. Raises IntegrityError if it has got some."""
    with transaction.atomic(), connection.cursor() as cursor:
        User.objects.filter(pk=pk).delete()
        entries = LogEntry.objects.filter(content_type__model="user", object_id=str(pk))
        entries.update(object_repr="a deleted account")
        # The admin's transaction ends only after this.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
