"""One-time links with which people set a new password."""

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import FailedSignIn, User
from tests.conftest import Api
from tests.processes import ROOT, database_environment

pytestmark = pytest.mark.django_db
NEW = "a new one for ana's account"


@pytest.fixture
def make_link(ana, capsys, settings):
    """A function that makes a link, and returns its path."""
    settings.PUBLIC_URL = "https://health.example.org"

    def make(name="ana"):
        call_command("reset_password", name)
        said = capsys.readouterr().out
        assert re.fullmatch(r"https://health\.example\.org/account/reset/\S+/\n", said)
        return said.strip().removeprefix(settings.PUBLIC_URL)

    return make


def open_link(path, browser=None):
    """Return the page that a link leads to."""
    return (browser or Client()).get(path, follow=True)


def use(path, password=NEW, again=None, browser=None):
    """Open a link, and return the answer to its form."""
    browser = browser or Client()
    page = open_link(path, browser)
    if page.status_code != 200:
        return page
    fields = {"new_password1": password, "new_password2": again or password}
    return browser.post(page.request["PATH_INFO"], fields, follow=True)


def is_valid(path):
    return open_link(path).status_code == 200


def test_link_sets_new_password_once(make_link):
    path = make_link()
    answer = use(path)
    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "Your new password is set." in answer.content.decode()
    assert Api().log_in("ana", NEW).status_code == 200
    assert Api().log_in("ana").status_code == 401
    answer = use(path, "yet another for ana")
    assert (answer.status_code, Api().log_in("ana", NEW).status_code) == (404, 200)
    assert "This link is not valid" in answer.content.decode()


def test_new_password_ends_sessions_and_tokens(make_link, signed_in, api):
    use(make_link())
    assert signed_in.get("/").status_code == 302
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


def test_page_is_not_kept_and_its_address_has_no_token(make_link):
    path = make_link()
    page = open_link(path)
    assert path.split("/")[-2] not in page.request["PATH_INFO"]
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script|<style|\bstyle=|\bon\w+=", page.content.decode())


def test_looking_at_a_link_does_not_use_it(make_link):
    path = make_link()
    assert is_valid(path)
    assert is_valid(path)
    assert use(path).redirect_chain


@pytest.mark.parametrize(
    ("password", "again"),
    [("eleven-char", None), ("password1234", None), ("345678901234", None), (NEW, f"{NEW}!")],
)
def test_password_stays_if_form_is_wrong(make_link, ana, password, again):
    path = make_link()
    answer = use(path, password, again)
    assert 'role="alert"' in answer.content.decode()
    assert User.objects.get().password == ana.password
    assert is_valid(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda ana: User.objects.filter(pk=ana.pk).update(password="another"),
        lambda ana: User.objects.filter(pk=ana.pk).update(is_active=False),
        lambda ana: ana.sign_out_everywhere(),
        lambda ana: ana.delete(),
    ],
    ids=["password", "disabled", "signed out", "deleted"],
)
def test_what_ends_sessions_ends_links(make_link, ana, change):
    path = make_link()
    change(ana)
    assert open_link(path).status_code == 404


def test_disabled_account_gets_no_password_when_enabled_again(make_link, ana):
    path = make_link()
    for is_active in (False, True):
        User.objects.filter(pk=ana.pk).update(is_active=is_active)
    assert not is_valid(path)


@pytest.mark.parametrize(("hours", "expected"), [(23, True), (25, False)])
def test_link_is_valid_for_a_day(make_link, hours, expected):
    path = make_link()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
        assert is_valid(path) == expected


def test_link_of_another_time_zone_is_valid_for_a_day(make_link, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    path = make_link()
    monkeypatch.undo()
    time.tzset()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        assert not is_valid(path)


def test_used_link_signs_out_who_was_signed_in(make_link, ben):
    browser = Client()
    browser.force_login(ben)
    answer = use(make_link(), browser=browser)
    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "Your new password is set." in answer.content.decode()


def test_signing_in_meanwhile_ends_no_link(make_link):
    path = make_link()
    Api().log_in("ana")
    assert is_valid(path)


def test_link_of_one_account_is_none_of_another(make_link, ben):
    ana, ben = make_link("ana").split("/"), make_link("ben").split("/")
    assert not is_valid("/".join([*ben[:-2], ana[-2], ""]))


@pytest.mark.parametrize(
    "path", ["x/y", "MQ/set-password", "4pyT/a-b", "OTk5OTk5OTk5OTk5OTk5OTk5OTk/a"]
)
def test_invented_link_is_not_valid(ana, path):
    assert Client().get(f"/account/reset/{path}/").status_code == 404
    assert Client().post(f"/account/reset/{path}/", {"new_password1": NEW}).status_code == 404


def test_form_requires_csrf_token(make_link, ana):
    strict = Client(enforce_csrf_checks=True)
    assert use(make_link(), browser=strict).status_code == 403
    assert User.objects.get().password == ana.password


def test_new_password_forgets_failures(make_link):
    for _ in range(6):
        Api().log_in("ana", "wrong")
    assert Api().log_in("ana").status_code == 429
    use(make_link())
    assert not FailedSignIn.objects.exists()
    assert Api().log_in("ana", NEW).status_code == 200


def test_link_of_a_former_secret_key_is_valid(make_link, settings):
    path = make_link()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789-0123456789-0123456789"
    assert is_valid(path)


def test_sign_in_page_says_whom_to_ask(client):
    page = client.get("/accounts/login/").content.decode()
    assert "Ask the person who runs this server for a link to set a new one." in page
    assert "manage.py" not in page


@pytest.mark.parametrize(
    ("change", "message"),
    [({"username": "zoe"}, "no account with this name"), ({"is_active": False}, "disabled")],
)
def test_account_that_cannot_sign_in_gets_no_link(ana, change, message):
    User.objects.update(**change)
    with pytest.raises(CommandError, match=message):
        call_command("reset_password", "ana")


@pytest.mark.parametrize("missing", ["SECRET_KEY", "PUBLIC_URL"])
def test_link_that_could_not_work_is_not_made(missing):
    environment = {
        "PATH": os.environ["PATH"],
        **database_environment(),
        "SECRET_KEY": "x" * 50,
        "PUBLIC_URL": "https://health.example.org",
    }
    del environment[missing]
    command = [sys.executable, "manage.py", "reset_password", "ana"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"CommandError: {missing} must be the same as the API's: "
        "run this command where the API runs.\n"
    )
