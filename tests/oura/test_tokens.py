"""Renewing a connection's tokens: once, in time, and without losing a connection."""

import os
import subprocess
import sys
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils import timezone

from accounts.models import User
from oura import connections, provider, tokens, vault
from oura.errors import Disconnected, OuraUnavailable
from oura.models import Connection
from tests.oura.answering import Reply
from tests.processes import ROOT, database_environment
from tests.scale import full_only

pytestmark = pytest.mark.django_db(transaction=True)
VERIFIER = "v" * 50


@pytest.fixture
def connected(at_oura, ana):
    return connections.connect(ana, at_oura.code(), VERIFIER).connection


def about_to_expire(connection):
    Connection.objects.filter(pk=connection.pk).update(expires_at=timezone.now())


def test_valid_token_is_not_renewed(at_oura, connected):
    before = at_oura.request_count()
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200
    assert at_oura.request_count() == before


def test_expiring_token_is_renewed_and_both_tokens_stored(at_oura, connected):
    about_to_expire(connected)
    token = tokens.access_token(connected.pk)
    assert at_oura.get("daily_sleep", token).status_code == 200
    connection = Connection.objects.get()
    assert vault.decrypt(connection, vault.ACCESS) == token
    assert connection.expires_at > timezone.now() + timedelta(days=29)
    # The stored refresh token is the new one: it works, too.
    about_to_expire(connected)
    assert tokens.access_token(connected.pk) != token


def test_refused_token_is_renewed(at_oura, connected):
    at_oura.control("grants/expire", name="ana")
    old = vault.decrypt(connected, vault.ACCESS)
    token = tokens.access_token(connected.pk, refused=old)
    assert at_oura.get("daily_sleep", token).status_code == 200


@full_only
def test_concurrent_processes_renew_once_and_share_the_token(at_oura, connected, settings):
    about_to_expire(connected)
    # Slow enough for the others to start meanwhile.
    at_oura.control("faults", fault="slow", path="token", times=8)
    before = at_oura.request_count()
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
    tokens_printed = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert at_oura.request_count() == before + 1
    [token] = tokens_printed
    assert at_oura.get("daily_sleep", token).status_code == 200


def test_revoked_connection_ends_and_is_not_tried_again(at_oura, connected):
    at_oura.control("grants/revoke", name="ana")
    about_to_expire(connected)
    with pytest.raises(Disconnected, match="Connect Oura again"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == Connection.Ended.REFUSED
    before = at_oura.request_count()
    with pytest.raises(Disconnected):
        tokens.access_token(connected.pk)
    assert at_oura.request_count() == before


@pytest.mark.parametrize("fault", ["server_error", "malformed", "rate_limit"])
def test_temporary_failure_does_not_end_the_connection(at_oura, connected, fault):
    about_to_expire(connected)
    at_oura.control("faults", fault=fault, path="token")
    with pytest.raises(OuraUnavailable):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == ""
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200


def test_unknown_application_does_not_end_the_connection(at_oura, connected, settings):
    about_to_expire(connected)
    settings.OURA_CLIENT_SECRET = "wrong"
    with pytest.raises(OuraUnavailable, match="did not accept the application"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == ""


def test_process_that_dies_after_renewal_interrupts_the_connection(at_oura, connected):
    about_to_expire(connected)
    connection = Connection.objects.get()
    assert tokens.take_lease(connection, timezone.now() - 2 * tokens.LEASE)
    # The answer came, and was lost with the process.
    provider.refresh(vault.decrypt(connection, vault.REFRESH), connection.token_url)
    with pytest.raises(Disconnected, match="interrupted"):
        tokens.access_token(connected.pk)
    assert Connection.objects.get().ended == Connection.Ended.INTERRUPTED


def test_lost_answer_interrupts_the_connection(at_oura, connected):
    about_to_expire(connected)
    at_oura.control("faults", fault="truncated", path="token")
    with pytest.raises(OuraUnavailable):
        tokens.access_token(connected.pk)
    # The token was used up all the same, which the next attempt finds out.
    with pytest.raises(Disconnected, match="interrupted"):
        tokens.access_token(connected.pk)


def test_process_that_dies_before_renewal_changes_nothing(at_oura, connected):
    about_to_expire(connected)
    assert tokens.take_lease(Connection.objects.get(), timezone.now() - 2 * tokens.LEASE)
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200


def test_working_token_address_is_remembered(at_oura, ana, settings):
    at_oura.control(
        "clients",
        client_id="of-old",
        client_secret="of-old-secret",
        redirect_uris=["http://localhost:8000/connect/oura/callback"],
        portal="old",
    )
    settings.OURA_CLIENT_ID, settings.OURA_CLIENT_SECRET = "of-old", "of-old-secret"
    settings.OURA_AUTHORIZE_URL = f"{at_oura.url}/oauth/authorize"
    connection = connections.connect(ana, at_oura.code(), VERIFIER).connection
    assert connection.token_url == f"{at_oura.url}/oauth/token"
    about_to_expire(connection)
    before = at_oura.request_count()
    tokens.access_token(connection.pk)
    assert at_oura.request_count() == before


def test_tokens_are_encrypted_in_the_database(connected):
    connection = Connection.objects.get()
    for column in (vault.ACCESS, vault.REFRESH):
        assert vault.decrypt(connection, column).encode() not in bytes(getattr(connection, column))


def test_token_of_another_person_is_not_decrypted(connected, ben):
    connected.user = ben
    with pytest.raises(vault.CannotDecrypt):
        vault.decrypt(connected, vault.ACCESS)


def test_token_in_another_column_is_not_decrypted(connected):
    connected.access_token = connected.refresh_token
    with pytest.raises(vault.CannotDecrypt):
        vault.decrypt(connected, vault.ACCESS)


def stored_before(connection, settings):
    """Store the tokens as they were stored before they were bound to their rows."""
    key = Fernet(settings.TOKEN_ENCRYPTION_KEYS[0])
    connection.access_token = key.encrypt(b"old access")
    connection.refresh_token = key.encrypt(b"old refresh")
    connection.save()
    return connection


def test_token_stored_before_binding_is_read(connected, settings):
    assert vault.decrypt(stored_before(connected, settings), vault.REFRESH) == "old refresh"


def test_rotation_binds_tokens_stored_before(connected, ben, settings):
    stored_before(connected, settings)
    call_command("rotate_token_keys")
    connection = Connection.objects.get()
    assert vault.decrypt(connection, vault.ACCESS) == "old access"
    connection.user = ben
    with pytest.raises(vault.CannotDecrypt):
        vault.decrypt(connection, vault.ACCESS)


def test_keys_are_rotated_without_losing_a_token(connected, settings):
    before = vault.decrypt(connected, vault.ACCESS)
    new = Fernet.generate_key().decode()
    settings.TOKEN_ENCRYPTION_KEYS = [new, *settings.TOKEN_ENCRYPTION_KEYS]
    call_command("rotate_token_keys")
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    assert vault.decrypt(Connection.objects.get(), vault.ACCESS) == before


def test_rotation_names_what_no_key_opens_and_rotates_the_rest(connected, at_oura, ben, settings):
    other = connections.connect(ben, at_oura.code(person="ben"), VERIFIER).connection
    Connection.objects.filter(pk=connected.pk).update(access_token=b"damaged")
    new = Fernet.generate_key().decode()
    settings.TOKEN_ENCRYPTION_KEYS = [new, *settings.TOKEN_ENCRYPTION_KEYS]
    with pytest.raises(CommandError, match="'ana'") as caught:
        call_command("rotate_token_keys")
    assert (caught.value.returncode, "ben" in str(caught.value)) == (1, False)
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    assert vault.can_decrypt(Connection.objects.get(pk=other.pk))


def test_rotation_without_keys_is_wrong_usage(connected, settings):
    settings.TOKEN_ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="TOKEN_ENCRYPTION_KEYS is not set") as caught:
        call_command("rotate_token_keys")
    assert caught.value.returncode == 2


def other_keys(connection, ben, settings):
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def no_keys(connection, ben, settings):
    settings.TOKEN_ENCRYPTION_KEYS = []


def damaged_token(connection, ben, settings):
    connection.access_token = bytes(connection.access_token)[:-1] + b"?"


def empty_renewal_token(connection, ben, settings):
    connection.refresh_token = b""


def moved_row(connection, ben, settings):
    connection.user = ben


def no_application(connection, ben, settings):
    settings.OURA_CLIENT_ID = ""


WAYS_TO_LOSE = [
    other_keys,
    no_keys,
    damaged_token,
    empty_renewal_token,
    moved_row,
    no_application,
]


@pytest.fixture(params=WAYS_TO_LOSE, ids=lambda way: way.__name__)
def lost(request, connected, ben, settings):
    """A connection whose tokens can't be used any more."""
    request.param(connected, ben, settings)
    connected.save()
    return connected


def test_token_that_cannot_be_used_is_a_lost_connection(at_oura, lost):
    before = at_oura.request_count()
    with pytest.raises(Disconnected, match="Connect Oura again|can change that"):
        tokens.access_token(lost.pk)
    assert at_oura.request_count() == before


def test_account_page_says_what_helps_a_lost_connection(lost, client, settings):
    client.force_login(lost.user)
    page = client.get("/account/").content.decode()
    assert ("It brings no new data until you reconnect" in page) == bool(settings.OURA_CLIENT_ID)
    assert ("The person who runs this server" in page) != bool(settings.OURA_CLIENT_ID)
    assert "Connected since" not in page


def test_admin_shows_that_a_connection_is_lost(lost, client):
    client.force_login(User.objects.create_superuser("root"))
    assert "Connected since" not in client.get("/admin/oura/connection/").content.decode()
    page = client.get(f"/admin/oura/connection/{lost.pk}/change/").content.decode()
    assert "TOKEN_ENCRYPTION_KEYS" in page or "OURA_CLIENT_ID" in page


def test_lost_connection_can_be_ended(lost):
    assert not connections.disconnect(lost)
    assert not Connection.objects.exists()


def test_readable_token_is_revoked_though_the_other_is_not(at_oura, connected):
    token = vault.decrypt(connected, vault.ACCESS)
    Connection.objects.update(refresh_token=b"damaged")
    assert not connections.disconnect(connected)
    assert at_oura.get("daily_sleep", token).status_code == 401


def test_connecting_again_replaces_lost_tokens(at_oura, connected, settings):
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    connections.connect(connected.user, at_oura.code(), VERIFIER)
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200


def test_former_key_put_back_heals_the_connection(at_oura, connected, settings, client):
    keys, settings.TOKEN_ENCRYPTION_KEYS = settings.TOKEN_ENCRYPTION_KEYS, []
    connected.problem = tokens.lost_sentence(connected)
    connected.save()
    settings.TOKEN_ENCRYPTION_KEYS = keys
    assert at_oura.get("daily_sleep", tokens.access_token(connected.pk)).status_code == 200
    client.force_login(connected.user)
    page = client.get("/account/").content.decode()
    assert ("Connected since" in page, tokens.RECONNECT in page) == (True, False)


def test_sandbox_connection_is_lost_where_oura_is_asked(connected, settings):
    settings.OURA_API_URL = "https://api.ouraring.com"
    assert tokens.why_lost(connected) == (
        "comes from the sandbox, but this server is connected to Oura (OURA_API_URL)"
    )


@pytest.mark.parametrize("scope", [{}, {"scope": ""}])
def test_renewal_that_names_no_scope_changes_none(connected, serve, scope):
    grant = {"access_token": "a", "refresh_token": "b", "expires_in": 86400}
    url = f"{serve(Reply(grant | scope)).url}/token"
    Connection.objects.update(token_url=url, expires_at=timezone.now())
    assert tokens.access_token(connected.pk) == "a"
    assert Connection.objects.get().scopes == list(provider.SCOPES)


def test_lease_for_replaced_tokens_is_refused(at_oura, connected):
    before = Connection.objects.get()
    connections.connect(before.user, at_oura.code(), VERIFIER)
    assert tokens.take_lease(before, timezone.now()) is None


def test_sandbox_connection_is_not_served_at_oura(connected, settings):
    assert Connection.objects.served().count() == 1
    settings.OURA_API_URL = "https://api.ouraring.com"
    assert Connection.objects.served().count() == 0


def test_tokens_renewed_while_disconnecting_are_revoked(at_oura, connected):
    connection = Connection.objects.get()
    lease = tokens.take_lease(connection, timezone.now())
    Connection.objects.all().delete()
    with pytest.raises(Disconnected):
        tokens.renew_tokens(connection, lease)
    # None of the tokens is valid any more.
    assert at_oura.control("grants/revoke", name="ana") == {"revoked": 0}


def test_tokens_renewed_before_disconnecting_are_revoked(connected, settings, serve):
    before = Connection.objects.get()
    about_to_expire(connected)
    tokens.access_token(connected.pk)
    renewed = Connection.objects.get()
    revoked = serve(Reply())
    settings.OURA_REVOKE_URL = f"{revoked.url}/revoke"
    assert connections.disconnect(before)
    sent = [parse_qs(request.body.decode())["token"] for request in revoked.requests]
    assert sent == [[vault.decrypt(renewed, each)] for each in (vault.REFRESH, vault.ACCESS)]


def test_connection_is_gone_before_oura_is_asked_to_revoke(connected, settings, serve):
    left = []

    def reply(request):
        left.append(Connection.objects.count())
        database.close()
        return Reply()

    settings.OURA_REVOKE_URL = f"{serve(reply).url}/revoke"
    assert connections.disconnect(connected)
    assert left == [0, 0]


@pytest.mark.parametrize("origin", ["oura", "sandbox"])
def test_tokens_are_revoked_at_their_own_origin_only(connected, settings, serve, origin):
    other = serve(Reply())
    settings.OURA_REVOKE_URL = f"{other.url}/revoke"
    Connection.objects.update(origin=origin)
    if origin == "sandbox":
        settings.OURA_API_URL = "https://api.ouraring.com"
    # Only Oura's tokens open somebody's data.
    assert connections.disconnect(connected) == (origin == "sandbox")
    assert (other.requests, Connection.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("expires_in", "days"),
    [(86400, 1), ("172800", 2), (2.592e6, 30), (None, 1), ("soon", 1), (-5, 0)],
)
def test_token_lifetime_is_a_day_if_unreadable(expires_in, days):
    assert provider.token_lifetime(expires_in) == timedelta(days=days)
