"""Every page of ours, in each of its states, is one that everybody can use."""

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Origin
from accounts.reset import reset_path
from oura.models import Connection
from tests.demo import store_history
from tests.end_to_end.manners import PHONE, faults
from tests.end_to_end.test_pages_in_browser import TWICE_AS_LARGE
from tests.scale import full_only
from tests.worlds import days_ago, reject_document

WRONG = {"User name": "ana", "Password": "wrong"}


@pytest.fixture
def open_window(chromium, api_process, transactional_db, ana):
    windows = []

    def opened(user=None):
        address = api_process.environment["PUBLIC_URL"]
        window = chromium.new_context(base_url=address, viewport=PHONE)
        windows.append(window)
        if user:
            browser = Client()
            browser.force_login(user)
            value = browser.cookies[settings.SESSION_COOKIE_NAME].value
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": value, "url": address}
            window.add_cookies([cookie])
        return window.new_page()

    yield opened
    for window in windows:
        window.close()


def send(page, **fields):
    for label, text in fields.items():
        page.get_by_label(label, exact=True).fill(text)
    page.locator("main form:has(input:not([type=hidden])) button").click()


def refused(page, path, **fields):
    page.goto(path)
    send(page, **fields)


def locked(page):
    page.goto("/accounts/login/")
    for _ in range(6):
        send(page, **WRONG)


def expired(page):
    page.goto("/accounts/login/")
    page.evaluate("() => { document.querySelector('[name=csrfmiddlewaretoken]').value = 'x' }")
    send(page, **WRONG)


# Pages for everybody, and what to do to see them.
OPEN = {
    "sign-in": lambda page: page.goto("/accounts/login/"),
    "sign-in refused": lambda page: refused(page, "/accounts/login/", **WRONG),
    "sign-in after a form": lambda page: page.goto("/accounts/login/?next=/account/&ended"),
    "locked": locked,
    "expired": expired,
    "nothing": lambda page: page.goto("/nothing/"),
    "for programs": lambda page: page.goto("/auth/login"),
    "reset ended": lambda page: page.goto("/account/reset/x/y/"),
}
PASSWORDS_THAT_DIFFER = {
    "Old password": "wrong",
    "New password": "12345",
    "New password, again": "other",
}
# Pages of somebody.
OWN = {
    "password": lambda page: page.goto("/account/password/"),
    "password refused": lambda page: refused(page, "/account/password/", **PASSWORDS_THAT_DIFFER),
    "register": lambda page: page.goto("/connect/oura/register"),
    "not connected": lambda page: page.goto("/connect/oura/callback"),
    "account": lambda page: page.goto("/account/"),
    "preferences": lambda page: page.goto("/account/preferences/"),
    "preferences refused": lambda page: refused(
        page, "/account/preferences/", **{"Time zone": "Mars"}
    ),
}
PAGES_OF_DATA = ("/", "/days/{day}/", "/nights/{day}/", "/trends/", "/calendar/", "/weeks/")


# Those that are looked at each time; the others take too long.
OFTEN = {
    "sign-in refused",
    "nothing",
    "password refused",
    "preferences refused",
    "register",
    "/",
    "/nights/{day}/",
}


def cases(pages):
    """Return the parameters of a test for pages, by name: each, or the path itself."""
    pages = pages if isinstance(pages, dict) else {each: each for each in pages}
    return [
        pytest.param(page, id=name, marks=[] if name in OFTEN else full_only)
        for name, page in pages.items()
    ]


def partly_connected(user):
    now = datetime.now(UTC)
    Connection.objects.create(
        user=user,
        oura_user_id="an id",
        access_token=b"sealed",
        refresh_token=b"sealed",
        expires_at=now,
        connected_at=now,
        asked_at=now,
        scopes=["personal"],
    )
    Origin.objects.create(user=user, name="sandbox")


@full_only
@pytest.mark.parametrize("show", cases(OPEN))
def test_page_for_everybody_suits_everybody(open_window, show):
    page = open_window()
    show(page)
    assert faults(page) == []


@full_only
@pytest.mark.parametrize("show", cases(OWN))
def test_own_page_suits_everybody(open_window, ana, show):
    page = open_window(ana)
    show(page)
    assert faults(page) == []


@full_only
def test_page_of_a_reset_suits_everybody(open_window, ana):
    page = open_window()
    refused(
        page,
        reset_path(ana),
        **{"New password": "12345", "New password, again": "other"},
    )
    assert faults(page) == []


@full_only
@pytest.mark.parametrize("path", cases([*PAGES_OF_DATA, "/account/"]))
def test_page_with_a_little_of_everything_suits_everybody(open_window, ana, path):
    store_history(ana, 40)
    partly_connected(ana)
    reject_document(ana, days_ago(2))
    page = open_window(ana)
    page.goto(path.format(day=days_ago(1)))
    assert faults(page) == []


@full_only
@pytest.mark.parametrize("path", PAGES_OF_DATA)
def test_page_without_anything_suits_everybody(open_window, ana, path):
    page = open_window(ana)
    page.goto(path.format(day=days_ago(0)))
    assert faults(page) == []


def test_month_and_bar_fit_on_the_narrowest_phone(open_window, ana):
    store_history(ana, 60)
    page = open_window(ana)
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"/calendar/?month={days_ago(20):%Y-%m}")
    assert page.locator(".sections").bounding_box()["height"] < 60
    for _ in range(2):
        skip = page.locator(".skip").bounding_box()
        assert skip["y"] + skip["height"] < 0
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        page.evaluate(TWICE_AS_LARGE)
