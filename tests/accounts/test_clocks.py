"""Machines with clocks some seconds apart: what one of them does is valid at once on the others."""

import datetime

import jwt
import pytest
import time_machine
from django.test import Client

from accounts.models import User
from tests.conftest import Api
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db


def machine(**ahead):
    """The machine whose clock is ahead by so much, or behind."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**ahead)
    return time_machine.travel(moment, tick=False)


def logged_in(**ahead):
    program = Api()
    with machine(**ahead):
        assert program.log_in().status_code == 200
    return program


@pytest.mark.parametrize("seconds", [-25, -3, 3, 25])
def test_tokens_of_another_machine_are_valid_at_once(ana, seconds):
    program = logged_in(seconds=seconds)
    assert program.get("sleep").status_code == 200
    with machine(seconds=seconds):
        renewed = program.renew().json()
    program.access = renewed["access"]
    assert program.get("sleep").status_code == 200
    assert program.renew(renewed["refresh"]).status_code == 200


def test_token_from_far_in_the_future_is_refused(ana):
    assert logged_in(minutes=5).get("sleep").status_code == 401


@pytest.mark.parametrize(("seconds", "status"), [(25, 200), (300, 401)])
def test_token_that_is_not_valid_yet_may_be_soon(api, settings, seconds, status):
    claims = jwt.decode(api.access, options={"verify_signature": False})
    claims["nbf"] = claims["iat"] + seconds
    api.access = jwt.encode(claims, settings.JWT_SECRETS[0])
    assert api.get("sleep").status_code == status


def test_access_ends_when_the_token_says(api):
    end = jwt.decode(api.access, options={"verify_signature": False})["exp"]
    with time_machine.travel(end - 1, tick=False):
        assert api.get("sleep").status_code == 200
    with time_machine.travel(end + 1, tick=False):
        assert api.get("sleep").status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 7}])
def test_revoked_person_stays_out_whatever_the_clock(ana, change):
    program = logged_in(seconds=25)
    User.objects.filter(pk=ana.pk).update(**change)
    assert program.get("sleep").status_code == 401
    assert program.renew().status_code == 401


def test_session_of_another_machine_is_valid_at_once(ana):
    browser = Client()
    with machine(seconds=25):
        browser.post("/accounts/login/", {"username": "ana", "password": PASSWORDS["ana"]})
    assert browser.get("/account/").status_code == 200


def test_failures_are_counted_across_machines(ana):
    codes = []
    for seconds in (25, -25) * 3:
        with machine(seconds=seconds):
            codes.append(Api().log_in(password="wrong").status_code)
    assert codes == [401] * 5 + [429]


def test_browser_known_to_another_machine_is_known(ana):
    browser = Client()
    with machine(seconds=25):
        browser.post("/accounts/login/", {"username": "ana", "password": PASSWORDS["ana"]})
    del browser.cookies["sessionid"]
    for _ in range(5):
        Client().post("/accounts/login/", {"username": "ana", "password": "wrong"})
    signed_in = browser.post("/accounts/login/", {"username": "ana", "password": PASSWORDS["ana"]})
    assert signed_in.status_code == 302
