"""How long a browser stays signed in."""

import datetime

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.conftest import Api
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db


def visit(browser, **later):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**later)
    with time_machine.travel(moment, tick=False):
        return browser.get("/account/").status_code


def test_session_ends_after_14_days_without_visit(signed_in):
    assert visit(signed_in, days=13) == 200
    assert visit(signed_in, days=26) == 200
    assert visit(signed_in, days=41) == 302


def test_session_ends_90_days_after_signing_in(signed_in):
    assert {visit(signed_in, days=days) for days in range(10, 90, 10)} == {200}
    assert visit(signed_in, days=89, hours=23) == 200
    assert visit(signed_in, days=90) == 302
    assert not Session.objects.exists()


def test_visits_of_one_day_save_session_once(signed_in):
    visit(signed_in, days=2)
    end = Session.objects.get().expire_date
    visit(signed_in, days=2, hours=5)
    assert Session.objects.get().expire_date == end


def test_signing_in_deletes_expired_sessions(signed_in, ben):
    Session.objects.update(expire_date=timezone.now() - datetime.timedelta(seconds=1))
    Client().force_login(ben)
    assert Session.objects.get().expire_date > timezone.now()


def test_program_that_signs_in_gets_no_session(ana):
    answer = Api().log_in()
    assert (dict(answer.cookies), Session.objects.count()) == ({}, 0)


def test_program_that_signs_in_prolongs_no_session(signed_in, ben):
    body = {"username": "ben", "password": PASSWORDS["ben"]}
    before = signed_in.session.items()
    with time_machine.travel(timezone.now() + datetime.timedelta(days=10), tick=False):
        answer = signed_in.post("/auth/login", body, content_type="application/json")
    assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert signed_in.session.items() == before
    assert visit(signed_in, days=15) == 302


def test_last_login_is_that_of_programs_as_well(ana):
    Api().log_in()
    ana.refresh_from_db()
    assert ana.last_login is not None


def test_session_without_time_of_sign_in_begins_with_visit(signed_in):
    session = signed_in.session
    session.pop("signed_in_at", None)
    session.save()
    assert visit(signed_in, days=10) == 200
    assert {visit(signed_in, days=days) for days in range(20, 100, 10)} == {200}
    assert visit(signed_in, days=100) == 302


def test_signing_in_again_begins_anew(signed_in, ana):
    visit(signed_in, days=13)
    with time_machine.travel(timezone.now() + datetime.timedelta(days=20), tick=False):
        fresh = Client()
        fresh.force_login(ana)
    for days in (30, 40, 50, 60, 70, 80, 90, 100):
        assert visit(fresh, days=days) == 200
