"""Logins and tokens."""

from ipaddress import ip_network

import jwt
import pytest
from django.db import IntegrityError

from accounts.models import User
from tests.conftest import Api
from tests.worlds import PASSWORDS

pytestmark = pytest.mark.django_db


def test_login_returns_tokens_for_the_api(ana):
    api = Api()
    answer = api.log_in()
    body = answer.json()
    assert (answer.status_code, set(body)) == (200, {"token", "access", "refresh"})
    assert body["token"] == body["access"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert api.get("sleep").status_code == 200


def test_access_token_is_hs256_and_valid_for_15_minutes(api):
    claims = jwt.decode(api.access, options={"verify_signature": False})
    assert jwt.get_unverified_header(api.access)["alg"] == "HS256"
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_user_name_ignores_case(ana):
    assert Api().log_in("ANA", PASSWORDS["ana"]).status_code == 200


def test_names_must_differ_in_more_than_case(ana):
    with pytest.raises(IntegrityError):
        User.objects.create(username="Ana")


def test_wrong_password_and_unknown_user_look_the_same(ana):
    wrong, unknown = Api().log_in("ana", "wrong"), Api().log_in("nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.headers["WWW-Authenticate"] == unknown.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": "ana"}, "password"),
        ({"username": "a\0na", "password": "x"}, "username"),
        ({"username": "x" * 151, "password": "x"}, "username"),
        ({"username": ["ana"], "password": "x"}, "username"),
        ([], "body"),
        ("ana", "body"),
    ],
)
def test_invalid_login_names_the_field(db, body, field):
    answer = Api().post("/auth/login", body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_invalid_refresh_token_is_rejected(api, path):
    for text in ("nonsense", "a.b.c", api.access):
        assert api.post(path, {"refresh": text}).status_code == 401


def test_refresh_token_gives_no_access_to_api(api):
    api.access = api.refresh
    assert api.get("sleep").status_code == 401


def change_password(user):
    user.set_password("another good one")
    user.save()


def disable(user):
    user.is_active = False
    user.save()


@pytest.mark.parametrize("end_tokens", [change_password, disable, User.delete])
def test_tokens_end_with_password_or_account(ana, api, end_tokens):
    end_tokens(User.objects.get(pk=ana.pk))
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


def test_token_signed_with_older_secret_is_accepted(api, settings):
    settings.JWT_SECRETS = ["a-new-secret-" + "n" * 32, *settings.JWT_SECRETS]
    assert api.get("sleep").status_code == 200


def test_token_signed_with_removed_secret_is_rejected(api, settings):
    settings.JWT_SECRETS = ["a-new-secret-" + "n" * 32]
    assert api.get("sleep").status_code == 401


def test_unsigned_token_is_rejected(api):
    claims = jwt.decode(api.access, options={"verify_signature": False})
    api.access = jwt.encode(claims, None, algorithm="none")
    assert api.get("sleep").status_code == 401


def test_expired_token_is_rejected_with_explanation(api, settings):
    claims = jwt.decode(api.access, options={"verify_signature": False})
    api.access = jwt.encode({**claims, "exp": claims["iat"] - 1}, settings.JWT_SECRETS[0])
    answer = api.get("sleep")
    assert answer.status_code == 401
    assert answer.json()["detail"] == (
        "The access token is invalid or expired (they last 15 minutes): "
        "refresh it or sign in again."
    )
    assert answer.json()["code"] == "token_not_valid"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer a b", "Basic YTpi", "Token x", "Bearer ä"]
)
def test_missing_token_is_401_in_common_format(db, header):
    answer = Api().client.get("/api/v1/sleep", headers={"Authorization": header})
    assert (answer.status_code, set(answer.json())) == (401, {"detail", "code", "errors"})
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_missing_token_is_said_with_where_to_get_one(db):
    answer = Api().client.get("/api/v1/sleep").json()
    assert (answer["code"], "POST /auth/login" in answer["detail"]) == ("not_authenticated", True)


def test_unusable_password_revokes_tokens(api, ana):
    ana.refresh_from_db()
    ana.set_unusable_password()
    ana.save()
    assert api.get("sleep").status_code == 401
    assert api.renew().status_code == 401


@pytest.mark.parametrize("hop", ["unknown", "203.0.113.9:1234", "[2001:db8::1]:443", "", "x, y"])
def test_malformed_forwarded_address_does_not_prevent_login(ana, settings, hop):
    settings.TRUSTED_PROXIES = [ip_network("198.51.100.0/24")]
    body = {"username": "ana", "password": PASSWORDS["ana"]}
    answer = Api().post("/auth/login", body, **{"X-Forwarded-For": hop})
    assert answer.status_code == 200
