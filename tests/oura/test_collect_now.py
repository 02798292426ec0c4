"""Asking for a collection: the button, and what waits for it."""

import time
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone

from oura.accounts import KeyAccount, select_accounts
from oura.models import Connection, WantedRun
from oura.provider import SCOPES
from tests.oura.test_accounts import connect
from tests.scale import full_only

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def oura(settings):
    settings.OURA_API_URL, settings.OURA_CLIENT_ID = "https://api.ouraring.com", "id"
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


@pytest.fixture
def connection(ana):
    """A connection whose last run ended an hour ago."""
    before = timezone.now() - timedelta(hours=1)
    times = dict.fromkeys(("asked_at", "finished_at", "collected_at"), before)
    return connect(ana, scopes=list(SCOPES), **times)


def press(browser):
    return browser.post("/account/collect/", follow=True).content.decode()


BUTTON = 'action="/account/collect/"'


def test_button_asks_for_a_run_once(signed_in, connection):
    assert BUTTON in signed_in.get("/account/").content.decode()
    page = press(signed_in)
    assert "Starting a collection" in page and BUTTON not in page
    asked = Connection.objects.get().wanted_at
    assert asked is not None
    press(signed_in)
    assert Connection.objects.get().wanted_at == asked


def test_person_has_at_most_one_run_a_minute(signed_in, connection):
    now = timezone.now()
    Connection.objects.update(asked_at=now - timedelta(seconds=50), finished_at=now)
    assert "less than a minute ago" in press(signed_in)
    assert Connection.objects.get().wanted_at is None


def test_run_may_follow_one_of_the_future(signed_in, connection):
    later = timezone.now() + timedelta(days=2)
    Connection.objects.update(asked_at=later, finished_at=later)
    press(signed_in)
    assert Connection.objects.get().wanted_at is not None


@pytest.mark.parametrize("change", [{"ended": "refused"}, {"origin": "sandbox"}, None])
def test_without_connection_the_page_says_that_it_lacks(signed_in, connection, change):
    if change:
        Connection.objects.update(**change)
    else:
        connection.delete()
    page = press(signed_in)
    assert "your account has no working connection to Oura" in page
    assert "less than a minute ago" not in page


def test_person_asks_for_their_own_run_only(signed_in, connection, ben):
    Connection.objects.update(user=ben)
    press(signed_in)
    assert Connection.objects.get().wanted_at is None


@pytest.mark.parametrize("change", [{"ended": "refused"}, {"origin": "sandbox"}])
def test_lost_connection_can_not_be_collected(signed_in, connection, change):
    Connection.objects.update(**change)
    assert BUTTON not in signed_in.get("/account/").content.decode()
    press(signed_in)
    assert Connection.objects.get().wanted_at is None


@pytest.mark.parametrize("change", [{"ended": "refused"}, {"access_token": b"damaged"}])
def test_key_is_collected_beside_a_lost_connection(signed_in, connection, settings, change):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    Connection.objects.update(**change)
    assert "Starting a collection" in press(signed_in)
    [account] = select_accounts(None, (0, 1), wanted=True)
    assert isinstance(account, KeyAccount)


def test_wish_that_nothing_takes_hides_nothing_else(signed_in, ana, connection, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    Connection.objects.update(ended="refused")
    WantedRun.objects.create(user=ana, at=timezone.now() - timedelta(minutes=11))
    page = signed_in.get("/account/").content.decode()
    assert "No collection has started yet" in page and "was revoked at Oura" in page


def test_with_a_schedule_the_page_says_when_instead(signed_in, connection, settings):
    settings.COLLECT_SCHEDULE = "CRON_TZ=Etc/UTC 17 * * * *"
    page = signed_in.get("/account/").content.decode()
    assert BUTTON not in page
    assert ":17</dd>" in page.split("Next collection")[1]


def test_schedule_that_is_not_simple_is_not_guessed(signed_in, connection, settings):
    settings.COLLECT_SCHEDULE = "17 * * * 1"
    assert "as this server's schedule says" in signed_in.get("/account/").content.decode()


def waited(seconds="600"):
    began = time.monotonic()
    call_command("await_connection", "--seconds", seconds)
    return time.monotonic() - began


@full_only
@pytest.mark.parametrize("what", ["wanted_at", "asked_at"])
def test_waiting_ends_within_seconds_for_who_asks(connection, what):
    Connection.objects.update(**{what: timezone.now() if what == "wanted_at" else None})
    assert waited() < 60


@full_only
@pytest.mark.parametrize(
    ("change", "application"),
    [
        ({}, "id"),
        ({"wanted_at": timezone.now(), "ended": "refused"}, "id"),
        ({"asked_at": None}, ""),
    ],
)
def test_waiting_ends_with_its_time_for_nobody(connection, settings, change, application):
    settings.OURA_CLIENT_ID = application
    Connection.objects.update(**change)
    assert waited("4") > 4
