"""Deleting people and their data, for the admin and the command."""

from accounts.models import User
from ingest import control
from ingest.models import METRIC_MODELS
from oura import connections
from oura.models import Connection


def count_days(user: User) -> dict[str, int]:
    """Return how many days are stored by type."""
    return {type_: model.objects.of(user.pk).count() for type_, model in METRIC_MODELS.items()}


def delete_account(user: User) -> None:
    """Delete all that is stored of a person, and then the account. Raises ControlError."""
    control.delete_metrics(user.username)
    if connection := Connection.objects.filter(user=user).first():
        connections.disconnect(connection)
    user.delete()
