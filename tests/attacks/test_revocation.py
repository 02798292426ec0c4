"""What was taken from a person stays taken, whatever they send meanwhile."""

import contextlib
import csv
import io
import itertools
import threading
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Permission

from accounts.models import User
from tests.attacks.attacking import INGEST, at_once, bearer
from tests.processes import wait_until
from tests.scale import scaled
from tests.worlds import PREFERENCES

ROUNDS = scaled(3, 20)
OTHER_PASSWORD = "a quite different password"


def renew(api, refresh):
    return api.ask("POST", "/auth/refresh", {"refresh": refresh})


def read(api, access):
    return api.ask("GET", "/api/v1/sleep", **bearer(access)).status


def stay(person, **values):
    person.refresh_from_db()
    return {name: getattr(person, name) for name in values} == values


# Refresh tokens -----------------------------------------------------------------------------------


def test_replayed_refresh_token_ends_its_family(api, ana, log_in):
    stolen = log_in(ana)["refresh"]
    renewed = renew(api, stolen).json()
    assert renew(api, stolen).status == 401
    assert renew(api, renewed["refresh"]).status == 401
    # It was not looked at before, so nothing is kept of it.
    assert read(api, renewed["access"]) == 401


def test_replay_leaves_other_sign_ins_alone(api, ana, log_in):
    stolen, other = log_in(ana)["refresh"], log_in(ana)["refresh"]
    renew(api, stolen)
    assert renew(api, stolen).status == 401
    assert renew(api, other).status == 200


def test_twelve_renewals_at_once_give_one(api, ana, log_in):
    refresh = log_in(ana)["refresh"]
    answers = at_once(12, lambda _: renew(api, refresh).status)
    assert sorted(answers) == [200] + [401] * 11


def test_refresh_token_after_logout_is_dead(api, ana, log_in):
    tokens = log_in(ana)
    assert api.ask("POST", "/auth/logout", {"refresh": tokens["refresh"]}).status == 204
    assert renew(api, tokens["refresh"]).status == 401
    assert read(api, tokens["access"]) == 401


# Races with a person's own requests ---------------------------------------------------------------


@contextlib.contextmanager
def saves_profile_all_the_time(browser):
    """Three connections that send the person's own form again and again."""
    token = browser.csrf_token("/account/preferences/")
    form = {**PREFERENCES, "csrfmiddlewaretoken": token}
    over, sent = threading.Event(), itertools.count()

    def loop():
        zones = itertools.cycle(["UTC", "Europe/Berlin"])
        while not over.is_set():
            browser.ask("POST", "/account/preferences/", {**form, "time_zone": next(zones)})
            next(sent)

    threads = [threading.Thread(target=loop) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: next(sent) > 12)
        yield
        before = next(sent)
        wait_until(lambda: next(sent) > before + 12)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_disabling_wins_over_persons_own_form(api, ben, browse):
    for _ in range(ROUNDS):
        User.objects.filter(pk=ben.pk).update(is_active=True)
        with saves_profile_all_the_time(browse(ben)):
            person = User.objects.get(pk=ben.pk)
            person.is_active = False
            person.save()
        assert stay(ben, is_active=False)


def test_new_password_wins_over_persons_own_form(api, ben, browse, hashed):
    hasher = PBKDF2PasswordHasher()
    new = hasher.encode(OTHER_PASSWORD, hasher.salt())
    for _ in range(ROUNDS):
        User.objects.filter(pk=ben.pk).update(password=hashed["ben"])
        with saves_profile_all_the_time(browse(ben)):
            person = User.objects.get(pk=ben.pk)
            version = person.token_version
            person.password = new
            person.save()
        assert stay(ben, password=new)
        assert ben.token_version > version


def test_taken_rights_stay_taken(api, ben, browse):
    for _ in range(ROUNDS):
        User.objects.filter(pk=ben.pk).update(is_staff=True, is_superuser=True)
        with saves_profile_all_the_time(browse(ben)):
            person = User.objects.get(pk=ben.pk)
            person.is_staff = person.is_superuser = False
            person.save()
        assert stay(ben, is_staff=False, is_superuser=False)


def test_account_that_is_enabled_again_stays_out(api, ana, log_in, browse):
    tokens, browser = log_in(ana), browse(ana)
    for is_active in (False, True):
        person = User.objects.get(pk=ana.pk)
        person.is_active = is_active
        person.save()
    assert read(api, tokens["access"]) == 401
    assert renew(api, tokens["refresh"]).status == 401
    assert browser.get("/account/").status == 302
    assert log_in(ana)


# Staff --------------------------------------------------------------------------------------------


@pytest.fixture
def staff(api, ben, browse):
    """A browser of staff who may change accounts."""
    logged = api.log.stat().st_size
    User.objects.filter(pk=ben.pk).update(is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label="accounts")
    ben.user_permissions.set(permissions.filter(codename__in=["view_user", "change_user"]))
    yield browse(ben)
    assert api.errors(logged) == []


@pytest.fixture
def superuser(ana):
    User.objects.filter(pk=ana.pk).update(is_staff=True, is_superuser=True)
    return ana


def account_form(person, **changed):
    names = {"username": person.username, "time_zone": "UTC", "is_active": "on", "is_staff": "on"}
    return {**names, **changed}


def test_staff_cannot_make_themselves_superuser(api, ben, staff):
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)[:1]]
    form = account_form(ben, is_superuser="on", user_permissions=every[0])
    staff.post(f"/admin/accounts/user/{ben.pk}/change/", form)
    assert stay(ben, is_superuser=False)
    assert ben.user_permissions.count() == 2


def test_staff_cannot_make_staff_of_others(api, ana, ben, staff):
    form = account_form(ana, is_superuser="on")
    staff.post(f"/admin/accounts/user/{ana.pk}/change/", form)
    assert stay(ana, is_staff=False, is_superuser=False)


def test_staff_cannot_set_superusers_password(api, superuser, staff):
    before = superuser.password
    form = {"password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD, "usable_password": "true"}
    staff.post(f"/admin/accounts/user/{superuser.pk}/password/", form)
    assert stay(superuser, password=before)


def test_staff_cannot_disable_superuser(api, superuser, staff):
    form = account_form(superuser)
    del form["is_active"], form["is_staff"]
    staff.post(f"/admin/accounts/user/{superuser.pk}/change/", form)
    assert stay(superuser, is_active=True, is_staff=True, is_superuser=True)


# Cookies ------------------------------------------------------------------------------------------


def test_planted_session_cookie_is_ignored(api, ana, ben, browse):
    victim, attacker = browse(ana), browse(ben)
    planted = attacker.cookies[attacker.cookie("sessionid")]
    # A sibling domain can set any name but one with this prefix.
    assert victim.cookie("sessionid") == "__Host-sessionid"
    own = f"__Host-sessionid={victim.cookies['__Host-sessionid']}"
    for cookies in (f"{own}; sessionid={planted}", f"sessionid={planted}; {own}"):
        page = api.ask("GET", "/account/", Cookie=cookies)
        assert (page.status, b"ben" in page.body) == (200, False)
    assert api.ask("GET", "/account/", Cookie=f"sessionid={planted}").status == 302


def test_planted_csrf_cookie_opens_no_form(api, ana, browse):
    victim = browse(ana)
    session = f"{victim.cookie('sessionid')}={victim.cookies[victim.cookie('sessionid')]}"
    answer = api.ask(
        "POST",
        "/account/preferences/",
        f"csrfmiddlewaretoken={'a' * 32}&{urlencode(PREFERENCES | {'time_zone': 'Asia/Tokyo'})}",
        Content_Type="application/x-www-form-urlencoded",
        Referer="https://health.example.org/",
        Cookie=f"{session}; csrftoken={'a' * 32}",
    )
    assert answer.status == 403
    assert stay(ana, time_zone="UTC")


# Spreadsheets -------------------------------------------------------------------------------------


FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", " =", "\uff1d")


def test_no_cell_of_csv_is_a_formula(api, processor, ana, log_in):
    documents = [
        {"id": f"{start}HYPERLINK(1)", "day": f"2026-03-{number:02}", "score": 81}
        for number, start in enumerate(FORMULAS, 1)
    ]
    body = {"type": "sleep", "user": "ana", "data": documents}
    sent = processor.ask("POST", "/api/v1/ingest", body, **INGEST).json()
    path = "/api/v1/sleep?start=2026-03-01&end=2026-03-31&format=csv"
    answer = api.ask("GET", path, **bearer(log_in(ana)["access"]))
    [_, *rows] = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    # An id that looks so may be refused, too.
    assert len(rows) == sent["created"]
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell.strip(" ")[:1] in ("", *FORMULAS) and cell] == []


def test_negative_numbers_of_csv_stay_numbers(api, processor, ana, log_in):
    document = {"id": "a", "day": "2026-03-01", "temperature_deviation": -0.4}
    body = {"type": "readiness", "user": "ana", "data": document}
    assert processor.ask("POST", "/api/v1/ingest", body, **INGEST).status == 201
    path = "/api/v1/readiness?start=2026-03-01&end=2026-03-01&format=csv"
    answer = api.ask("GET", path, **bearer(log_in(ana)["access"]))
    [row] = csv.DictReader(io.StringIO(answer.body.decode()))
    assert row["temperature_deviation"] == "-0.4"
