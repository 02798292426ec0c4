"""The list of connections in the admin."""

import pytest
from django.utils import timezone

from oura.models import Connection
from tests.worlds import person

pytestmark = pytest.mark.django_db


def connection(name, **values):
    tokens = {"access_token": b"sealed", "refresh_token": b"sealed", "expires_at": timezone.now()}
    user = person(name, "ana")
    return Connection.objects.create(user=user, oura_user_id=name, **tokens, **values)


def found(client, **query):
    answer = client.get("/admin/oura/connection/", query)
    return list(answer.context["cl"].result_list)


@pytest.mark.parametrize("state", ["connected", "refused", "interrupted", "problem"])
def test_connections_are_filtered_by_state(admin, state):
    rows = {
        "connected": connection("cleo"),
        "refused": connection("dan", ended="refused"),
        "interrupted": connection("eve", ended="interrupted"),
        "problem": connection("finn", ended="refused", problem="Oura did not answer."),
    }
    expected = {"refused": {rows["refused"], rows["problem"]}}
    assert set(found(admin, state=state)) == expected.get(state, {rows[state]})


def test_unknown_state_shows_all_connections(admin):
    row = connection("cleo", ended="refused")
    assert found(admin, state="nonsense") == [row]
