"""Renewing a connection's tokens: once, in time, and without losing anybody."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from oura import connections, provider, tokens, vault
from oura.errors import Disconnected, OuraUnavailable
from oura.models import Connection
from tests.processes import ROOT, database_environment

pytestmark = pytest.mark.django_db(transaction=True)
VERIFIER = "v" * 50


@pytest.fixture
def connected(at_oura, ana):
    return connections.connect(ana, at_oura.code(), VERIFIER).connection


def about_to_expire(connection):
    Connection.objects.filter(pk=connection.pk).update(expires_at=timezone.now())


def test_a_token_that_lasts_is_used_as_it_is(at_oura, connected):
    before = at_oura.asked()
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200
    assert at_oura.asked() == before


def test_a_token_is_renewed_before_it_expires_and_the_new_pair_is_kept(at_oura, connected):
    about_to_expire(connected)
    token = tokens.access_token(connected.pk)
    assert at_oura.get("daily_sleep", token).status_code == 200
    held = Connection.objects.get()
    assert vault.unseal(held.access_token) == token
    assert held.expires_at > timezone.now() + timedelta(days=29)
    # The refresh token that is kept is the new one: it works, too.
    about_to_expire(connected)
    assert tokens.access_token(connected.pk) != token


def test_a_token_that_oura_refuses_is_renewed(at_oura, connected):
    at_oura.control("grants/expire", name="ana")
    old = vault.unseal(connected.access_token)
    token = tokens.access_token(connected.pk, refused=old)
    assert at_oura.get("daily_sleep", token).status_code == 200


def test_eight_processes_at_once_make_one_request_and_all_get_the_new_token(
    at_oura, connected, settings
):
    about_to_expire(connected)
    # A second in which the others come.
    at_oura.control("faults", fault="slow", path="token", times=8)
    before = at_oura.asked()
    code = f"from oura import tokens; print(tokens.access_token({connected.pk}))"
    environment = {**os.environ, **database_environment(), **at_oura.settings()}
    environment["TOKEN_ENCRYPTION_KEYS"] = ",".join(settings.TOKEN_ENCRYPTION_KEYS)
    processes = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    told = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert at_oura.asked() == before + 1
    [token] = told
    assert at_oura.get("daily_sleep", token).status_code == 200


def test_a_connection_that_was_revoked_ends_and_is_not_asked_again(at_oura, connected):
    at_oura.control("grants/revoke", name="ana")
    about_to_expire(connected)
    with pytest.raises(Disconnected, match="Connect Oura again"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == Connection.Ended.REFUSED
    before = at_oura.asked()
    with pytest.raises(Disconnected):
        tokens.access_token(connected.pk)
    assert at_oura.asked() == before


@pytest.mark.parametrize("fault", ["server_error", "malformed", "rate_limit"])
def test_what_may_pass_ends_nothing_and_works_the_next_time(at_oura, connected, fault):
    about_to_expire(connected)
    at_oura.control("faults", fault=fault, path="token")
    with pytest.raises(OuraUnavailable):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == ""
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200


def test_an_application_that_oura_no_longer_knows_ends_no_connection(at_oura, connected, settings):
    about_to_expire(connected)
    settings.OURA_CLIENT_SECRET = "wrong"
    with pytest.raises(OuraUnavailable, match="do not accept the application"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == ""


def test_a_process_that_died_with_the_answer_is_told_as_an_interruption(at_oura, connected):
    about_to_expire(connected)
    held = Connection.objects.get()
    assert tokens.take_lease(held, timezone.now() - 2 * tokens.LEASE)
    # What it had asked for came, and died with it.
    provider.refresh(vault.unseal(held.refresh_token), held.token_url)
    with pytest.raises(Disconnected, match="interrupted"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == Connection.Ended.INTERRUPTED


def test_an_answer_that_is_lost_on_the_way_is_told_as_an_interruption(at_oura, connected):
    about_to_expire(connected)
    at_oura.control("faults", fault="truncated", path="token")
    with pytest.raises(OuraUnavailable):
        tokens.access_token(connected.pk)
    # The token was spent all the same, so the next try finds out.
    with pytest.raises(Disconnected, match="interrupted"):
        tokens.access_token(connected.pk)


def test_a_process_that_died_before_the_request_costs_nothing(at_oura, connected):
    about_to_expire(connected)
    assert tokens.take_lease(Connection.objects.get(), timezone.now() - 2 * tokens.LEASE)
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200


def test_the_address_that_works_is_remembered(at_oura, ana, settings):
    at_oura.control(
        "clients",
        client_id="of-old",
        client_secret="of-old-secret",
        redirect_uris=["http://localhost:8000/connect/oura/callback"],
        portal="old",
    )
    settings.OURA_CLIENT_ID, settings.OURA_CLIENT_SECRET = "of-old", "of-old-secret"
    settings.OURA_AUTHORIZE_URL = f"{at_oura.url}/oauth/authorize"
    held = connections.connect(ana, at_oura.code(), VERIFIER).connection
    assert held.token_url == f"{at_oura.url}/oauth/token"
    about_to_expire(held)
    before = at_oura.asked()
    tokens.access_token(held.pk)
    assert at_oura.asked() == before


def test_tokens_are_not_readable_in_the_database(connected):
    held = Connection.objects.get()
    for sealed in (held.access_token, held.refresh_token):
        assert vault.unseal(sealed).encode() not in bytes(sealed)


def test_keys_are_rotated_without_losing_a_token(connected, settings):
    before = vault.unseal(connected.access_token)
    new = Fernet.generate_key().decode()
    settings.TOKEN_ENCRYPTION_KEYS = [new, *settings.TOKEN_ENCRYPTION_KEYS]
    call_command("rotate_token_keys")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    assert vault.unseal(Connection.objects.get().access_token) == before


def test_a_key_that_is_missing_is_told(connected, settings):
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="TOKEN_ENCRYPTION_KEYS"):
        call_command("rotate_token_keys")


def test_whoever_read_the_tokens_of_before_a_reconnection_can_not_spend_the_new(at_oura, connected):
    before = Connection.objects.get()
    connections.connect(before.user, at_oura.code(), VERIFIER)
    assert tokens.take_lease(before, timezone.now()) is None


def test_a_connection_of_the_sandbox_is_not_served_at_oura(connected, settings):
    assert Connection.objects.served().count() == 1
    settings.OURA_API_URL = "https://api.ouraring.com"
    assert Connection.objects.served().count() == 0


def test_tokens_that_come_while_the_person_disconnects_are_given_back(at_oura, connected):
    held = Connection.objects.get()
    lease = tokens.take_lease(held, timezone.now())
    Connection.objects.all().delete()
    with pytest.raises(Disconnected):
        tokens.renew(held, lease)
    # Nothing that Oura gave lives on.
    assert at_oura.control("grants/revoke", name="ana") == {"revoked": 0}


@pytest.mark.parametrize(
    ("told", "days"), [(86400, 1), ("172800", 2), (2.592e6, 30), (None, 1), ("soon", 1), (-5, 0)]
)
def test_an_odd_lifetime_costs_no_account(told, days):
    assert provider.lifetime(told) == timedelta(days=days)
