"""Whom a run serves: the person of the key, those who are connected, or one of them."""

import pytest
from django.utils import timezone

from oura.management.commands.collect_oura import whom
from oura.models import Connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def both(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "id", "ana"
    settings.OURA_API_URL = "https://api.ouraring.com"


def connect(user, **changed):
    fields = {"access_token": b"", "refresh_token": b"", "expires_at": timezone.now()}
    Connection.objects.create(user=user, origin="oura", oura_user_id="x", **fields, **changed)


@pytest.mark.parametrize(("key", "client"), [("key", ""), ("", "id")])
def test_what_is_set_is_served(settings, key, client):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID = key, client
    assert whom(None) == (bool(key), bool(client))


def test_both_are_served(both):
    assert whom(None) == (True, True)


def test_the_keys_person_who_is_connected_is_served_by_the_connection_alone(both, ana):
    connect(ana)
    assert (whom(None), whom("Ana")) == ((False, True), (False, True))


def test_a_connection_that_has_ended_does_not_silence_the_key(both, ana):
    connect(ana, ended=Connection.Ended.REFUSED)
    assert (whom(None), whom("ana")) == ((True, True), (True, False))


def test_another_person_is_served_alone(both):
    assert whom("ben") == (False, True)
