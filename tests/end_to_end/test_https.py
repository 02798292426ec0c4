"""Signing in under an https address: the cookies, and those that another site planted."""

import re

import pytest
import requests
from django.test import Client

from tests.processes import Service
from tests.worlds import PASSWORDS

# As a proxy on this machine passes requests on.
HTTPS = {"Host": "health.example", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def https(database_settings):
    service = Service("api", {**database_settings, "PUBLIC_URL": "https://health.example"})
    service.environment |= {"ALLOWED_HOSTS": "health.example", "TRUSTED_PROXIES": "127.0.0.1"}
    yield service.start()
    service.stop()


def ask(https, method, path, *, cookies="", **more):
    headers = {**HTTPS, "Referer": "https://health.example/", "Cookie": cookies}
    url = f"{https.url}{path}"
    return requests.request(method, url, headers=headers, allow_redirects=False, **more)


def cookie(answer, name):
    """Return the value and the attributes of a cookie that the answer sets."""
    [line] = [each for each in answer.raw.headers.getlist("Set-Cookie") if f"{name}=" in each]
    value, *attributes = line.split("; ")
    fixed = {each for each in attributes if not re.match("expires|Max-Age", each)}
    return value.removeprefix(f"{name}="), fixed


@pytest.fixture
def session(transactional_db, ana, https):
    """The cookie of ana's session, from the form for signing in."""
    page = ask(https, "GET", "/accounts/login/")
    token, attributes = cookie(page, "__Host-csrftoken")
    assert attributes == {"Path=/", "SameSite=Lax", "Secure"}
    form = {"username": "ana", "password": PASSWORDS["ana"], "csrfmiddlewaretoken": token}
    return ask(https, "POST", "/accounts/login/", cookies=f"__Host-csrftoken={token}", data=form)


def test_session_is_bound_to_host(session, https):
    key, attributes = cookie(session, "__Host-sessionid")
    assert attributes == {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}
    page = ask(https, "GET", "/account/", cookies=f"__Host-sessionid={key}")
    assert "Your account (ana)" in page.text


def planted_session(user):
    """Return the cookie that a site beside ours could set: a session of its owner's."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def test_planted_cookie_is_ignored(session, https, ben):
    planted = planted_session(ben)
    assert ask(https, "GET", "/account/", cookies=planted).status_code == 302
    key, _ = cookie(session, "__Host-sessionid")
    both = f"__Host-sessionid={key}; {planted}"
    assert "Your account (ana)" in ask(https, "GET", "/account/", cookies=both).text


def test_pages_by_http_lead_to_public_url(https):
    headers = {"X-Forwarded-Proto": "http"}
    page = requests.get(f"{https.url}/account/", headers=headers, allow_redirects=False)
    assert (page.status_code, page.headers["Location"]) == (301, "https://health.example/account/")
