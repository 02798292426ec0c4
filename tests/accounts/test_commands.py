import pytest
from django.core.management import CommandError, call_command

from accounts.models import User

pytestmark = pytest.mark.django_db


def ensure_user(capsys, monkeypatch, *arguments, password="first password"):
    monkeypatch.setenv("PASSWORD", password)
    call_command("ensure_user", *arguments)
    return capsys.readouterr().out.strip()


def test_account_is_created_once(capsys, monkeypatch):
    assert ensure_user(capsys, monkeypatch, "demo") == "created"
    assert ensure_user(capsys, monkeypatch, "demo") == "same password"
    user = User.objects.get()
    assert (user.username, user.is_staff, user.is_superuser) == ("demo", True, True)


def test_changed_password_is_kept(capsys, monkeypatch):
    ensure_user(capsys, monkeypatch, "me")
    assert ensure_user(capsys, monkeypatch, "me", password="another") == "other password"
    assert User.objects.get().check_password("first password")


def test_reset_option_sets_password(capsys, monkeypatch):
    ensure_user(capsys, monkeypatch, "demo")
    assert ensure_user(capsys, monkeypatch, "demo", "--reset", password="another") == "password set"
    assert User.objects.get().check_password("another")


def test_ensure_user_requires_password(monkeypatch):
    monkeypatch.delenv("PASSWORD", raising=False)
    with pytest.raises(CommandError, match="PASSWORD must be set"):
        call_command("ensure_user", "demo")
