"""Refresh tokens: each can be used once, and what happens to the tokens of the same sign-in."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.authentication import KNOWN_SECONDS
from accounts.models import TokenFamily, User
from accounts.tokens import MOST_FAMILIES, issue_tokens
from tests.conftest import Api
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db
DAY = 86_400


def claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def later(**delta):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**delta)
    return time_machine.travel(moment, tick=False)


def renew(api):
    """Renew the tokens of a program, and return the refresh token that it used."""
    used, answer = api.refresh, api.renew()
    assert answer.status_code == 200
    api.access, api.refresh = answer.json()["access"], answer.json()["refresh"]
    return used


def assert_is_dead(api):
    assert api.renew().status_code == 401
    with later(seconds=KNOWN_SECONDS):
        assert api.get("sleep").status_code == 401


def test_refresh_token_brings_new_tokens(api):
    renew(api)
    assert api.get("sleep").status_code == 200
    renew(api)
    assert api.get("sleep").status_code == 200


def test_used_refresh_token_ends_its_family(api):
    used = renew(api)
    assert api.renew(used).status_code == 401
    assert_is_dead(api)


def test_refresh_token_used_long_before_ends_its_family(api):
    used = [renew(api) for _ in range(3)][0]
    assert api.renew(used).status_code == 401
    assert_is_dead(api)


def test_used_refresh_token_ends_family_after_its_own_expiry(api):
    used = renew(api)
    with later(days=20):
        renew(api)
    with later(days=31):
        assert Api().renew(used).status_code == 401
        assert api.renew().status_code == 401


def test_other_families_live_on(api):
    other = Api()
    other.log_in()
    api.renew(renew(api))
    assert other.get("sleep").status_code == 200
    assert other.renew().status_code == 200


@pytest.mark.django_db(transaction=True)
def test_one_of_twelve_renewals_at_once_succeeds(api):
    def attempt(_):
        try:
            return Api().renew(api.refresh).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        codes = sorted(pool.map(attempt, range(12)))
    assert codes == [200] + [401] * 11


def test_logout_ends_family_and_can_be_repeated(api):
    for _ in range(2):
        assert api.post("/auth/logout", {"refresh": api.refresh}).status_code == 204
    assert_is_dead(api)


def test_logout_with_used_token_ends_family(api):
    used = renew(api)
    assert api.post("/auth/logout", {"refresh": used}).status_code == 204
    assert_is_dead(api)


def test_logout_with_expired_token_ends_family(api):
    with later(days=31):
        assert Api().post("/auth/logout", {"refresh": api.refresh}).status_code == 204
    assert not TokenFamily.objects.exists()


def test_unused_refresh_token_expires_after_30_days(api):
    with later(days=30, seconds=-60):
        held = api.refresh
        renew(api)
    assert claims(held)["exp"] - claims(held)["iat"] == 30 * DAY
    with later(days=60):
        assert api.renew().status_code == 401


def test_renewal_ends_90_days_after_signing_in(api):
    for days in (25, 50, 75):
        with later(days=days):
            renew(api)
    left = claims(api.refresh)["exp"] - timezone.now().timestamp()
    assert 90 * DAY - 60 < left <= 90 * DAY
    with later(days=90, seconds=-60):
        renew(api)
        assert api.get("sleep").status_code == 200
    with later(days=90, seconds=1):
        assert api.get("sleep").status_code == 401
        assert api.renew().status_code == 401


def test_oldest_of_too_many_families_ends(api, ana):
    now = timezone.now()
    last = {"current": "1" * 32, "expires_at": now + datetime.timedelta(days=90)}
    TokenFamily.objects.bulk_create(
        TokenFamily(user=ana, signed_in_at=now + datetime.timedelta(seconds=1), **last)
        for _ in range(MOST_FAMILIES - 1)
    )
    assert Api().log_in().status_code == 200
    assert ana.token_families.count() == MOST_FAMILIES
    assert_is_dead(api)


def test_program_that_renews_is_not_ended_by_many_sign_ins(api, ana):
    renew(api)
    for _ in range(MOST_FAMILIES + 1):
        issue_tokens(ana)
    assert ana.token_families.count() == MOST_FAMILIES
    assert api.renew().status_code == 200


def test_least_recently_renewed_of_too_many_families_ends(api, ana):
    renewed = [Api(), Api()]
    for each in renewed:
        each.log_in()
    # The first one signed in earlier, and was renewed later.
    for each in reversed(renewed):
        renew(each)
    last = {"current": "1" * 32, "expires_at": timezone.now() + datetime.timedelta(days=90)}
    TokenFamily.objects.bulk_create(
        TokenFamily(user=ana, renewed_at=timezone.now(), **last) for _ in range(MOST_FAMILIES - 2)
    )
    newest = Api()
    newest.log_in()
    assert [each.renew().status_code for each in (*renewed, newest)] == [200, 401, 200]


def test_signing_in_deletes_expired_families_of_everybody(api, ben):
    with later(days=91):
        Api().log_in("ben")
    assert [family.user for family in TokenFamily.objects.all()] == [ben]


def test_tokens_of_one_second_differ(ana):
    with later():
        answers = [Api().log_in().json() for _ in range(2)]
    tokens = [answer[kind] for answer in answers for kind in ("access", "refresh")]
    assert len({claims(token)["jti"] for token in tokens}) == 4


def test_database_holds_nothing_that_gives_access(api):
    family = TokenFamily.objects.get()
    assert claims(api.refresh)["jti"] == family.current.hex
    assert claims(api.access)["family"] == claims(api.refresh)["family"] == str(family.pk)


def test_refresh_token_of_another_persons_family_is_refused(api, ben, settings):
    forged = {**claims(api.refresh), "user_id": str(ben.pk)}
    assert api.renew(jwt.encode(forged, settings.JWT_SECRETS[0])).status_code == 401


INFINITE, HUGE = float("inf"), 10**30
ODD: dict[str, list[Any]] = {
    "user_id": ["x", "", "-1", "1.5", "9" * 40, "\u0661", "1\n", "1\0"]
    + [HUGE, [1], {}, None, True, 1.5],
    "version": [[0], True, False, "0", 0.0, -1, HUGE, None, {}],
    "family": ["x", "", 7, [], {}, None, "0" * 31, "\0" * 32],
    "jti": [["x"], 7, None, "x", "\0"],
    "exp": [HUGE, "soon", "9999999999", [], None, True, INFINITE, 1.5e300],
    "iat": ["x", [], float("nan"), INFINITE],
    "nbf": ["x", [], INFINITE, HUGE],
    "token_type": [[], None, 7],
}


@pytest.mark.parametrize(
    ("claim", "value"), [(claim, value) for claim, values in ODD.items() for value in values]
)
def test_signed_token_with_odd_claim_is_401(api, settings, claim, value):
    def forge(token):
        return jwt.encode({**claims(token), claim: value}, settings.JWT_SECRETS[0])

    refresh, api.access = forge(api.refresh), forge(api.access)
    assert api.get("sleep").status_code == 401
    assert api.renew(refresh).status_code == 401
    assert api.post("/auth/logout", {"refresh": refresh}).status_code == 401


@pytest.mark.parametrize("missing", ["user_id", "version", "family", "jti", "exp", "token_type"])
def test_signed_token_without_claim_is_401(api, settings, missing):
    def forge(token):
        held = claims(token)
        del held[missing]
        return jwt.encode(held, settings.JWT_SECRETS[0])

    refresh, api.access = forge(api.refresh), forge(api.access)
    assert api.get("sleep").status_code == 401
    assert api.renew(refresh).status_code == 401


def test_deeply_nested_header_of_token_is_401(api):
    nested = jwt.utils.base64url_encode(b'{"alg":' + b"[" * 40_000).decode()
    api.access = f"{nested}.e30.AA"
    assert api.get("sleep").status_code == 401


@pytest.mark.parametrize("body", [b"[]", b"7", b'"x"', b"null", b"{", b"\xff", b"[" * 2_000])
def test_signed_token_that_holds_no_claims_is_401(api, settings, body):
    api.access = jwt.PyJWS().encode(body, settings.JWT_SECRETS[0], algorithm="HS256")
    assert api.get("sleep").status_code == 401
    assert api.renew(api.access).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_account_deleted_while_signing_in_is_401(ana, while_hashing):
    while_hashing(lambda: User.objects.filter(pk=ana.pk).delete())
    answer = Api().post("/auth/login", {"username": "ana", "password": PASSWORDS["ana"]})
    assert answer.status_code == 401
    assert not User.objects.exists()
