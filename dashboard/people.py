"""Deleting people and their data, for the admin and the command."""

from accounts.models import User
from ingest import control
from ingest.models import METRIC_MODELS
from oura import connections
from oura.models import Connection

NOT_REVOKED = (
    "Oura did not confirm that the connection has ended: the person should also remove myhealth "
    "from the list of applications in their Oura account."
)


def count_days(user: User) -> dict[str, int]:
    """Return how many days are stored by type."""
    return {type_: model.objects.of(user.pk).count() for type_, model in METRIC_MODELS.items()}


def delete_account(user: User) -> bool:
    """Delete all that is stored of a person, and then the account. Raises ControlError.

    Returns False if there was a connection that Oura did not confirm to have ended.
    """
    control.delete_metrics(user.username)
    connection = Connection.objects.filter(user=user).first()
    is_revoked = connection is None or connections.disconnect(connection)
    user.delete()
    return is_revoked
