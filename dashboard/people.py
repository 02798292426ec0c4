"""Deleting people and their data, for the admin and the command."""

from accounts.models import Origin, User
from dashboard.arrivals import standing_of
from ingest import control
from ingest.models import METRIC_MODELS
from oura import connections
from oura.models import Connection

# The account that `make run` fills with sample data.
DEMO = "demo"
NOT_REVOKED = (
    "Oura did not confirm that the connection has ended: the person should also remove myhealth "
    "from the list of applications in their Oura account."
)


def count_days(user: User) -> dict[str, int]:
    """Return how many days are stored by type."""
    return {type_: model.objects.of(user.pk).count() for type_, model in METRIC_MODELS.items()}


def delete_data(user: User) -> bool:
    """Delete all that is stored of a person, and their connection. Raises ControlError.

    Returns False if there was a connection that Oura did not confirm to have ended.
    """
    control.delete_metrics(user.username)
    connection = Connection.objects.filter(user=user).first()
    if connection is None:
        return True
    is_revoked = connections.disconnect(connection)
    # What a run has brought that began meanwhile; it ends now.
    control.delete_metrics(user.username)
    return is_revoked


def removable_demo(user: User) -> User | None:
    """Return the sample account, if this is an administrator with real data, who may remove it."""
    if not user.is_superuser or not Origin.objects.filter(user=user, name="oura").exists():
        return None
    return User.objects.filter(username=DEMO, origin__name="sandbox").first()


def is_refilled(user: User) -> bool:
    """Return whether the data come back when they are deleted: nobody has to connect for them."""
    return user.username == DEMO or standing_of(user).has_key


def delete_account(user: User) -> bool:
    """Delete all that is stored of a person, and then the account. Raises ControlError.

    Returns False if there was a connection that Oura did not confirm to have ended.
    """
    is_revoked = delete_data(user)
    user.delete()
    return is_revoked
