import pytest
from django.core.management import CommandError, call_command

from accounts.models import Origin, User

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
    assert ensure_user(capsys, monkeypatch, "me", password="another password") == "other password"
    assert User.objects.get().check_password("first password")


def test_reset_option_sets_password(capsys, monkeypatch):
    ensure_user(capsys, monkeypatch, "demo")
    assert (
        ensure_user(capsys, monkeypatch, "demo", "--reset", password="another password")
        == "password set"
    )
    assert User.objects.get().check_password("another password")


@pytest.mark.parametrize("had_rights", [False, True])
def test_account_gets_or_keeps_no_rights_if_asked(capsys, monkeypatch, had_rights):
    if had_rights:
        ensure_user(capsys, monkeypatch, "demo")
    ensure_user(capsys, monkeypatch, "demo", "--no-admin")
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_sample_account_is_not_created_beside_real_data(capsys, monkeypatch, ben):
    assert ensure_user(capsys, monkeypatch, "sample", "--sample") == "created"
    Origin.objects.create(user=ben, name="oura")
    assert ensure_user(capsys, monkeypatch, "demo", "--sample") == "not created"
    assert not User.objects.filter(username="demo").exists()
    assert ensure_user(capsys, monkeypatch, "sample", "--sample") == "same password"
    assert ensure_user(capsys, monkeypatch, "me") == "created"


def test_sample_account_has_rights_only_without_real_data(capsys, monkeypatch, ben):
    def rights():
        ensure_user(capsys, monkeypatch, "sample", "--sample")
        user = User.objects.get(username="sample")
        return user.is_staff, user.is_superuser

    before = rights()
    origin = Origin.objects.create(user=ben, name="oura")
    beside = rights()
    origin.delete()
    assert (before, beside, rights()) == ((True, True), (False, False), (True, True))


def test_ensure_user_requires_password(monkeypatch):
    monkeypatch.delenv("PASSWORD", raising=False)
    with pytest.raises(CommandError, match="PASSWORD must be set"):
        call_command("ensure_user", "demo")


def refusal(capsys, monkeypatch, *arguments, **options):
    with pytest.raises(CommandError) as raised:
        ensure_user(capsys, monkeypatch, *arguments, **options)
    return str(raised.value)


@pytest.mark.parametrize("password", ["1", "eleven-char", "345678901234", "password1234", "me" * 7])
def test_weak_password_makes_no_account(capsys, monkeypatch, password):
    assert refusal(capsys, monkeypatch, "mememememememe", password=password)
    assert not User.objects.exists()


def test_weak_password_is_not_set(capsys, monkeypatch):
    ensure_user(capsys, monkeypatch, "demo")
    assert "12 characters" in refusal(capsys, monkeypatch, "demo", "--reset", password="short")
    assert User.objects.get().check_password("first password")


def test_weak_password_from_before_is_left_alone(capsys, monkeypatch, ana):
    ana.set_password("short")
    ana.save()
    assert ensure_user(capsys, monkeypatch, "ana", password="short") == "same password"


@pytest.mark.parametrize("name", [".", "..", "\u2024", "a b", "a/b", "", "x" * 160, "🧘", "\udcff"])
def test_name_that_is_not_valid_makes_no_account(capsys, monkeypatch, name):
    assert f"{name!r} can't be the name of an account." in refusal(capsys, monkeypatch, name)
    assert not User.objects.exists()


@pytest.mark.parametrize(("password", "is_fine"), [("short", False), ("first password", True)])
def test_checking_a_password_makes_no_account(capsys, monkeypatch, password, is_fine):
    said = ensure_user(capsys, monkeypatch, "demo", "--check", password=password)
    assert (not said, User.objects.exists()) == (is_fine, False)
