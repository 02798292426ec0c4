"""What a process remembers of access tokens: for half a minute, and never longer than they last."""

import datetime

import jwt
import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.authentication import KNOWN_SECONDS
from accounts.models import User
from tests.conftest import Api
from tests.worlds import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(api):
    """A program whose token this process has verified."""
    assert api.get("sleep").status_code == 200
    return api


def later(seconds):
    now = datetime.datetime.now(datetime.UTC)
    return time_machine.travel(now + datetime.timedelta(seconds=seconds), tick=False)


def test_account_of_known_token_is_not_looked_up(known):
    with CaptureQueriesContext(connection) as queries:
        known.get("sleep")
    assert not [query for query in queries if "accounts_user" in query["sql"]]


# Another process changes the account: this one gets no signal.
@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"token_version": 7}], ids=["disabled", "password"]
)
def test_access_ends_within_a_minute_of_change_elsewhere(known, ana, change):
    User.objects.filter(pk=ana.pk).update(**change)
    assert KNOWN_SECONDS <= 60
    with later(KNOWN_SECONDS):
        assert known.get("sleep").status_code == 401


def test_access_ends_within_a_minute_of_deletion_elsewhere(known, ana):
    ana.token_families.all().delete()
    ana.known_networks.all().delete()
    User.objects.filter(pk=ana.pk)._raw_delete("default")
    with later(KNOWN_SECONDS):
        assert known.get("sleep").status_code == 401


def test_access_ends_within_a_minute_of_signing_out(known):
    assert known.post("/auth/logout", {"refresh": known.refresh}).status_code == 204
    with later(KNOWN_SECONDS):
        assert known.get("sleep").status_code == 401


@pytest.mark.parametrize("change", ["disabled", "password", "deleted"])
def test_access_ends_at_once_with_change_in_this_process(known, ana, change):
    ana.refresh_from_db()
    if change == "deleted":
        ana.delete()
    else:
        ana.is_active = change != "disabled"
        ana.set_password("another password")
        ana.save()
    assert known.get("sleep").status_code == 401


def test_known_token_ends_with_its_15_minutes(api):
    claims = jwt.decode(api.access, options={"verify_signature": False})
    just_before = claims["exp"] - 1 - datetime.datetime.now(datetime.UTC).timestamp()
    with later(just_before) as clock:
        assert api.get("sleep").status_code == 200
        clock.shift(1)
        assert api.get("sleep").status_code == 401


def test_clock_set_back_does_not_prolong_known_token(known, ana):
    User.objects.filter(pk=ana.pk).update(is_active=False)
    with later(-600):
        assert known.get("sleep").status_code == 401


def test_etag_of_another_person_is_no_match(known, ana):
    person("ben")
    ben = Api()
    ben.log_in("ben")
    etag = known.get("sleep").headers["ETag"]
    assert known.get("sleep", headers={"If-None-Match": etag}).status_code == 304
    answer = ben.get("sleep", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json()) == (200, [])


def test_program_with_cookie_is_judged_by_its_token_alone(signed_in):
    answer = signed_in.get("/api/v1/sleep", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
