"""`manage.py connect_oura`, for a machine without a browser."""

import io
import re

import pytest
from django.core.management import CommandError, call_command

from oura.models import Connection
from tests.sandbox.consent import agree

pytestmark = pytest.mark.django_db


def connect(monkeypatch, paste, user="ana"):
    """Run the command; `paste` returns what the person enters, given the printed address."""
    out = io.StringIO()
    url = lambda: re.search(r"https?://\S+", out.getvalue())[0]  # noqa: E731
    monkeypatch.setattr("builtins.input", lambda: paste(url()))
    call_command("connect_oura", user=user, stdout=out)
    return out.getvalue()


def test_pasted_address_connects(at_oura, ana, monkeypatch):
    assert "Connected ana" in connect(monkeypatch, agree)
    assert Connection.objects.get().user == ana


def test_without_a_pasted_address_nothing_is_connected(at_oura, ana, monkeypatch):
    def end(url):
        raise EOFError

    with pytest.raises(CommandError, match="no account was connected"):
        connect(monkeypatch, end)


@pytest.mark.parametrize("name", ["nobody", "\udcff"])
def test_connecting_a_name_without_account_is_an_error(at_oura, db, monkeypatch, name):
    with pytest.raises(CommandError, match="There is no account named '"):
        connect(monkeypatch, agree, user=name)


@pytest.mark.parametrize(
    "pasted", ["http://localhost:8000/connect/oura/callback?code=x", "http://[x"]
)
def test_another_address_connects_nothing(at_oura, ana, monkeypatch, pasted):
    with pytest.raises(CommandError, match="not the address"):
        connect(monkeypatch, lambda url: pasted)
    assert not Connection.objects.exists()


def test_without_application_the_error_says_how_to_register(ana, settings, monkeypatch):
    settings.OURA_CLIENT_ID = ""
    with pytest.raises(CommandError, match=r"developer\.ouraring\.com") as caught:
        connect(monkeypatch, agree)
    assert caught.value.returncode == 2
