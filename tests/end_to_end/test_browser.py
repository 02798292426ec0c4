"""The pages in a real Chromium: signing in, their contents, accessibility."""

import contextlib

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.scale import full_only
from tests.worlds import PASSWORDS, days_ago, store_days


@pytest.fixture
def ana_with_days(transactional_db, ana):
    store_days(ana, [days_ago(0)], score=81, duration=27060, efficiency=92)
    store_days(ana, [days_ago(1)], "activity", score=74, steps=10234)
    return ana


@pytest.fixture
def page(chromium, api_process, ana_with_days):
    context = chromium.new_context(base_url=api_process.environment["PUBLIC_URL"])
    page = context.new_page()
    page.problems = []
    page.on("console", lambda line: page.problems.append(line.text) if line.type == "error" else 0)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


def sign_in(page):
    page.goto("/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORDS["ana"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@contextlib.contextmanager
def signed_in_page(chromium, api_process, width, height, **options):
    """Yield the page of a window of this size in which ana is signed in."""
    context = chromium.new_context(
        base_url=api_process.environment["PUBLIC_URL"],
        viewport={"width": width, "height": height},
        **options,
    )
    page = context.new_page()
    page.problems = []
    page.on("console", lambda line: page.problems.append(line.text) if line.type == "error" else 0)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    sign_in(page)
    yield page
    context.close()


def violations(page):
    results = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in results]


def test_person_signs_in_sees_newest_days_and_signs_out(page):
    sign_in(page)
    expect(page.locator(".card.sleep .score")).to_have_text("81")
    expect(page.locator("main")).to_contain_text("7 h 31 min")
    expect(page.locator("main")).to_contain_text("10,234")
    page.get_by_role("button", name="Sign out (ana)").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.problems == []


@full_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browsable_api_has_no_accessibility_violations(page, scheme):
    page.emulate_media(color_scheme=scheme)
    sign_in(page)
    page.goto("/api/v1/sleep")
    assert violations(page) == []


def test_narrow_screen_needs_no_horizontal_scrolling(page):
    page.set_viewport_size({"width": 320, "height": 640})
    sign_in(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@full_only
def test_browsable_api_accepts_session(page):
    sign_in(page)
    page.goto("/api/v1/sleep")
    expect(page.locator(".answer")).to_contain_text('"score": 81')
    assert page.problems == []


@full_only
def test_api_documentation_is_shown(page):
    page.goto("/api/docs/")
    expect(page.get_by_text("/api/v1/dashboard")).to_be_visible()
    expect(page).to_have_title("API · myhealth")
    assert page.problems == []


@full_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_api_documentation_has_only_swaggers_own_violation(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto("/api/docs/")
    route = page.locator("#operations-Summaries-dashboard")
    route.get_by_role("button", name="GET").first.click()
    route.get_by_role("button", name="Try it out").click()
    expect(route.get_by_label("weeks")).to_be_visible()
    # The line of a route is a button with a link in it.
    assert {name for name, _ in violations(page)} <= {"nested-interactive"}


@full_only
def test_api_documentation_leads_back(page):
    sign_in(page)
    page.goto("/api/docs/")
    page.get_by_role("link", name="myhealth", exact=True).click()
    expect(page.locator(".card.sleep .score")).to_have_text("81")


@full_only
@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_api_documentation_has_the_systems_colours(page, scheme, is_dark):
    page.emulate_media(color_scheme=scheme)
    page.goto("/api/docs/")
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    red = int(colour.partition("(")[2].partition(",")[0])
    assert (red < 128) == is_dark
