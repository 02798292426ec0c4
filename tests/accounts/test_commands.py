import pytest
from django.core.management import CommandError, call_command

from accounts.models import User

pytestmark = pytest.mark.django_db


def ensure(capsys, monkeypatch, *arguments, password="first password"):
    monkeypatch.setenv("PASSWORD", password)
    call_command("ensure_user", *arguments)
    return capsys.readouterr().out.strip()


def test_an_account_is_made_once(capsys, monkeypatch):
    assert ensure(capsys, monkeypatch, "demo") == "created"
    assert ensure(capsys, monkeypatch, "demo") == "same password"
    user = User.objects.get()
    assert (user.username, user.is_staff, user.is_superuser) == ("demo", True, True)


def test_a_password_that_a_person_changed_stays(capsys, monkeypatch):
    ensure(capsys, monkeypatch, "me")
    assert ensure(capsys, monkeypatch, "me", password="another") == "other password"
    assert User.objects.get().check_password("first password")


def test_a_password_is_reset_on_demand(capsys, monkeypatch):
    ensure(capsys, monkeypatch, "demo")
    assert ensure(capsys, monkeypatch, "demo", "--reset", password="another") == "password set"
    assert User.objects.get().check_password("another")


def test_without_a_password_it_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("PASSWORD", raising=False)
    with pytest.raises(CommandError, match="PASSWORD must be set"):
        call_command("ensure_user", "demo")
