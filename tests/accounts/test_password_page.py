"""People change their password, and end what they are signed in with elsewhere."""

import re

import pytest
from django.test import Client

from accounts.models import User
from accounts.reset import reset_path
from tests.conftest import Api
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db
PAGE, SIGN_OUT = "/account/password/", "/account/sign-out/"
NEW = "a new one for ana's account"


def fields(present=PASSWORDS["ana"], new=NEW, again=None):
    return {"old_password": present, "new_password1": new, "new_password2": again or new}


@pytest.fixture
def other(ana):
    """Another browser in which ana is signed in."""
    browser = Client()
    browser.force_login(ana)
    return browser


def test_account_page_leads_to_password_page(signed_in):
    assert f'href="{PAGE}"' in signed_in.get("/account/").content.decode()
    page = signed_in.get(PAGE).content.decode()
    assert page.count('type="password"') == 3
    assert not re.search(r"<script|<style|\bstyle=|\bon\w+=", page)


def test_page_says_in_short_which_passwords_are_taken(signed_in):
    page = signed_in.get(PAGE).content.decode()
    assert "At least 12 characters, not only digits, no common password" in page
    assert "New password, again" in page and "for verification" not in page


def test_password_managers_learn_whose_password_it_is(signed_in):
    page = signed_in.get(PAGE).content.decode()
    assert 'autocomplete="username" value="ana" hidden>' in page


def test_new_password_replaces_present_one(signed_in, ana):
    answer = signed_in.post(PAGE, fields(), follow=True)
    assert answer.redirect_chain == [("/account/", 302)]
    assert "Your password was changed." in answer.content.decode()
    assert Api().log_in("ana", NEW).status_code == 200
    assert Api().log_in("ana").status_code == 401


def test_new_password_ends_all_but_this_session(signed_in, other, api):
    signed_in.post(PAGE, fields())
    assert signed_in.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        fields(present="wrong"),
        fields(present=""),
        fields(again="another one, and long"),
        fields(new="eleven-char"),
        fields(new="password1234"),
    ],
)
def test_password_stays_if_form_is_wrong(signed_in, ana, wrong):
    answer = signed_in.post(PAGE, wrong)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert User.objects.get().password == ana.password


def test_password_page_requires_signing_in(ana):
    assert Client().get(PAGE).headers["Location"] == f"/accounts/login/?next={PAGE}"
    assert Client().post(PAGE, fields()).headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    "change", [{"password": "another"}, {"is_active": False}, {"token_version": 1}]
)
def test_password_page_undoes_no_revocation_meanwhile(signed_in, ana, while_hashing, change):
    while_hashing(lambda: User.objects.filter(pk=ana.pk).update(**change))
    answer = signed_in.post(PAGE, fields())
    assert "nothing was saved" in answer.content.decode()
    assert User.objects.get().password == change.get("password", ana.password)
    assert signed_in.get("/").status_code == 302


def test_password_page_survives_deletion_of_account(signed_in, ana, while_hashing):
    while_hashing(lambda: User.objects.filter(pk=ana.pk).delete())
    assert "nothing was saved" in signed_in.post(PAGE, fields()).content.decode()


def test_staff_change_their_password_on_the_same_page(admin):
    assert admin.get("/admin/password_change/").headers["Location"] == PAGE
    assert admin.post("/admin/password_change/", fields()).headers["Location"] == PAGE


def test_signing_out_everywhere_ends_sessions_and_tokens(signed_in, other, api):
    answer = signed_in.post(SIGN_OUT, follow=True)
    assert "You are signed out everywhere." in answer.content.decode()
    assert [browser.get("/").status_code for browser in (signed_in, other)] == [302, 302]
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


@pytest.mark.parametrize("path", [PAGE, SIGN_OUT])
def test_forms_require_csrf_token(ana, path):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ana)
    assert strict.post(path, fields()).status_code == 403
    assert User.objects.get().token_version == 0


def test_address_of_a_button_leads_to_account_page(signed_in):
    assert signed_in.get(SIGN_OUT).headers["Location"] == "/account/"
    assert signed_in.put(SIGN_OUT, "x").status_code == 405
    assert signed_in.get("/").status_code == 200


def test_signing_out_everywhere_requires_signing_in(ana):
    assert Client().post(SIGN_OUT).headers["Location"].startswith("/accounts/login/")


def test_password_managers_are_told_whose_password_is_asked(signed_in, ana):
    named = 'autocomplete="username" value="ana" hidden>'
    for path in ("/account/tokens/", "/account/delete/data/", "/account/delete/account/"):
        assert named in signed_in.get(path).content.decode()
    assert named in Client().get(reset_path(ana), follow=True).content.decode()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (fields(present="wrong"), "This is not your password."),
        (fields(again="another one, and long"), "The two new passwords are not the same."),
    ],
)
def test_password_page_says_what_was_wrong(signed_in, wrong, sentence):
    assert sentence in signed_in.post(PAGE, wrong).content.decode()
