"""What is taken from an account stays taken, whoever else writes the account."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tokens import issue_tokens
from tests.conftest import Api
from tests.worlds import PASSWORDS, PREFERENCES

pytestmark = pytest.mark.django_db


def load(user):
    return User.objects.get(pk=user.pk)


def version(user):
    return load(user).token_version


def elsewhere(user, **columns):
    """Change the account as another process does, which objects of this one don't notice."""
    User.objects.filter(pk=user.pk).update(**columns)


def statements(action):
    with CaptureQueriesContext(connection) as queries:
        action()
    return [query["sql"] for query in queries]


# What is saved --------------------------------------------------------------------------------


@pytest.mark.parametrize("right", ["is_active", "is_staff", "is_superuser"])
def test_saving_another_change_gives_no_right_back(ana, right):
    elsewhere(ana, **{right: True})
    held = load(ana)
    elsewhere(ana, **{right: False})
    held.time_zone = "Europe/Berlin"
    held.save()
    assert (load(ana).time_zone, getattr(load(ana), right)) == ("Europe/Berlin", False)


def test_saving_another_change_restores_no_password(ana):
    held = load(ana)
    elsewhere(ana, password="new")
    held.time_zone = "Europe/Berlin"
    held.save()
    assert (load(ana).password, version(ana)) == ("new", 1)


def test_saving_without_changes_sends_no_statement(ana):
    assert statements(load(ana).save)[1:] == []


def test_change_is_saved_once(ana):
    held = load(ana)
    held.time_zone = "Europe/Berlin"
    held.save()
    assert statements(held.save) == []


def test_new_object_is_saved_like_a_loaded_one():
    new = User.objects.create(username="new")
    elsewhere(new, is_active=False)
    new.first_name = "New"
    new.save()
    assert (load(new).first_name, load(new).is_active) == ("New", False)


def test_fields_left_out_of_a_save_are_saved_later(ana):
    held = load(ana)
    held.first_name, held.last_name = "Ana", "Lopez"
    held.save(update_fields=["first_name"])
    held.save()
    assert (load(ana).first_name, load(ana).last_name) == ("Ana", "Lopez")


def test_deferred_fields_are_saved_if_changed(ana):
    held = User.objects.defer("first_name", "last_name").get(pk=ana.pk)
    held.first_name = "Ana"
    held.save()
    assert load(ana).first_name == "Ana"


def test_reading_again_forgets_changes(ana):
    held = load(ana)
    held.time_zone = "Europe/Berlin"
    held.refresh_from_db()
    elsewhere(ana, time_zone="Europe/Paris")
    held.save()
    assert load(ana).time_zone == "Europe/Paris"


def test_made_up_object_replaces_no_account(ana):
    with pytest.raises(IntegrityError):
        User(pk=ana.pk, username="ana", is_superuser=True).save()


@pytest.mark.django_db(transaction=True)
def test_saving_a_deleted_account_does_not_restore_it(ana):
    held = load(ana)
    load(ana).delete()
    held.time_zone = "Europe/Berlin"
    held.save()
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_profile_form_in_a_loop_undoes_nothing(ana):
    stop = threading.Event()

    def save_again_and_again():
        codes = set()
        browser = Client()
        browser.force_login(ana)
        while not stop.is_set():
            for zone in ("UTC", "Europe/Berlin"):
                form = {**PREFERENCES, "time_zone": zone}
                codes.add(browser.post("/account/preferences/", form).status_code)
        connection.close()
        return codes

    with ThreadPoolExecutor(3) as pool:
        loops = [pool.submit(save_again_and_again) for _ in range(3)]
        try:
            for number in range(30):
                elsewhere(ana, is_staff=True, is_superuser=True)
                elsewhere(ana, is_staff=False, is_superuser=False, password=f"{number}")
                held = load(ana)
                assert (held.is_staff, held.is_superuser, held.password) == (
                    False,
                    False,
                    f"{number}",
                )
        finally:
            stop.set()
        assert set.union(*(loop.result() for loop in loops)) <= {302}


# The version of tokens ------------------------------------------------------------------------


def test_new_password_raises_version_however_it_is_written(ana):
    elsewhere(ana, password="one")
    assert version(ana) == 1
    ana.set_password("another password")
    ana.save(update_fields=["password"])
    assert version(ana) == ana.token_version == 2
    User.objects.bulk_update([User(pk=ana.pk, password="two")], ["password"])
    assert version(ana) == 3
    ana.set_unusable_password()
    ana.save()
    assert version(ana) == ana.token_version == 4


def test_disabling_raises_version_and_enabling_does_not(ana):
    for is_active, expected in ((False, 1), (False, 1), (True, 1), (False, 2)):
        elsewhere(ana, is_active=is_active)
        assert version(ana) == expected


def test_version_never_falls(ana):
    elsewhere(ana, token_version=7)
    elsewhere(ana, token_version=3)
    assert version(ana) == 7
    elsewhere(ana, token_version=3, password="new")
    assert version(ana) == 8


def test_other_changes_leave_version(ana):
    elsewhere(ana, time_zone="Europe/Berlin", last_login=None, is_staff=True)
    assert version(ana) == 0


def test_saved_version_is_read_back(ana):
    ana.token_version = F("token_version") + 1
    ana.save()
    assert ana.token_version == version(ana) == 1


def test_version_set_in_an_old_object_does_not_fall(ana):
    held = load(ana)
    elsewhere(ana, token_version=7)
    held.token_version = 1
    held.save()
    assert held.token_version == version(ana) == 7


# Enabled again --------------------------------------------------------------------------------


@pytest.fixture
def enabled_again(api, ana, signed_in):
    assert signed_in.get("/").status_code == 200
    for is_active in (False, True):
        held = load(ana)
        held.is_active = is_active
        held.save()


def test_tokens_from_before_disabling_stay_dead(enabled_again, api):
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


def test_session_from_before_disabling_stays_dead(enabled_again, signed_in):
    assert signed_in.get("/").status_code == 302


def test_session_made_with_former_secret_key_stays_dead(settings, enabled_again, signed_in):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key " * 5
    assert signed_in.get("/").status_code == 302


def test_session_outlives_a_change_of_secret_key(settings, signed_in):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key " * 5
    assert signed_in.get("/").status_code == 200


def test_person_enabled_again_can_sign_in(enabled_again):
    assert Api().log_in().status_code == 200


def test_raised_version_ends_session(ana, signed_in):
    elsewhere(ana, token_version=1)
    assert signed_in.get("/").status_code == 302


# Hashes made with older settings --------------------------------------------------------------


@pytest.fixture
def with_old_hash(ana):
    hasher = PBKDF2PasswordHasher()
    elsewhere(ana, password=hasher.encode(PASSWORDS["ana"], "salt" * 6, iterations=3))
    ana.refresh_from_db()
    return ana


def test_tokens_of_sign_in_that_replaces_hash_are_valid(with_old_hash):
    api = Api()
    assert api.log_in().status_code == 200
    assert load(with_old_hash).password != with_old_hash.password
    assert api.get("sleep").status_code == 200
    assert api.renew().status_code == 200


def test_session_of_sign_in_that_replaces_hash_is_valid(with_old_hash):
    browser = Client(REMOTE_ADDR="198.51.100.7")
    browser.post("/accounts/login/", {"username": "ana", "password": PASSWORDS["ana"]})
    assert browser.get("/").status_code == 200


def test_replacing_a_hash_ends_no_session_and_token(with_old_hash, signed_in):
    other = Api()
    tokens = issue_tokens(with_old_hash)
    other.access, other.refresh = tokens["access"], tokens["refresh"]
    assert Api().log_in().status_code == 200
    assert signed_in.get("/").status_code == 200
    assert other.get("sleep").status_code == 200
    assert other.renew().status_code == 200


def test_two_sign_ins_that_replace_a_hash_are_valid(with_old_hash, while_hashing):
    first, second = Api(), Api()
    while_hashing(first.log_in)
    assert second.log_in().status_code == 200
    assert [api.get("sleep").status_code for api in (first, second)] == [200, 200]


@pytest.mark.parametrize("new", ["short", "a new one for ana's account"])
def test_password_page_that_replaces_a_hash_keeps_session(with_old_hash, signed_in, new):
    fields = {"old_password": PASSWORDS["ana"], "new_password1": new, "new_password2": new}
    signed_in.post("/account/password/", fields)
    assert signed_in.get("/").status_code == 200


def test_new_password_after_replaced_hash_raises_version(with_old_hash):
    # In one transaction, which this test is.
    assert with_old_hash.check_password(PASSWORDS["ana"])
    before = version(with_old_hash)
    elsewhere(with_old_hash, password="new")
    assert version(with_old_hash) == before + 1


def test_replacing_a_hash_restores_no_old_password(with_old_hash, while_hashing):
    while_hashing(lambda: elsewhere(with_old_hash, password="new"))
    Api().log_in()
    assert load(with_old_hash).password == "new"


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".", "..", "\u2024", "\u2025", "a/b", "a b", ".\n", ""])
def test_account_is_not_created_with_invalid_name(name):
    with pytest.raises((ValidationError, ValueError)):
        User.objects.create_user(name, password="a long enough one")
    with pytest.raises((ValidationError, ValueError)):
        User.objects.create_superuser(name, password="a long enough one")


@pytest.mark.parametrize("name", ["...", ".a", "a.", "a..b", "@.", "jürgen", "a.b+c@d-e_f"])
def test_names_with_other_dots_are_fine(name):
    assert User.objects.create_user(name).username == name
