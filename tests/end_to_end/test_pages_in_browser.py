"""The pages of a person's data in Chromium: on phones and wide screens, light and dark."""

import contextlib

import pytest
from playwright.sync_api import expect

from ingest.models import METRIC_MODELS, SleepMetric
from tests.demo import store_history
from tests.end_to_end.test_browser import signed_in_page, violations
from tests.scale import full_only
from tests.worlds import days_ago, store_days

PHONE, NARROW, WIDE = (390, 844), (320, 640), (1280, 800)
# In bytes.
FIRST_LOAD, TEN_YEARS = 60_000, 150_000
PAGES = (
    "/",
    "/days/{day}/",
    "/nights/{day}/",
    "/trends/",
    "/trends/?period=365d",
    "/calendar/",
    "/calendar/?by=state",
    "/calendar/?month={day:%Y-%m}",
    "/weeks/",
    "/weeks/?by=month",
)
TRENDS_OF_ALL = "/trends/?period=all"


@pytest.fixture
def browse(chromium, api_process, transactional_db, ana):
    """Open a window in which ana is signed in; return its page."""
    with contextlib.ExitStack() as windows:

        def open_window(size, scheme="light"):
            window = signed_in_page(
                chromium, api_process, *size, color_scheme=scheme, reduced_motion="reduce"
            )
            page = windows.enter_context(window)
            page.wait_for_load_state("networkidle")
            return page

        yield open_window


def weight(page, path):
    """Return the bytes of all that the page loads, as they are sent."""
    browser = page.context.new_cdp_session(page)
    browser.send("Network.enable")
    browser.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sent = []
    browser.on("Network.loadingFinished", lambda each: sent.append(each["encodedDataLength"]))
    page.goto(path, wait_until="networkidle")
    browser.detach()
    return sum(sent)


def overflows(page):
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def scrolls_to_the_side(page, path):
    page.goto(path)
    return overflows(page)


def faults(page, path):
    """Return what is wrong with a page: what axe finds, scrolling to the side, problems."""
    found = list(violations(page))
    if overflows(page):
        found.append("needs scrolling to the side")
    return [(path, each) for each in [*found, *page.problems]]


def check(page, paths, most=FIRST_LOAD):
    """Return what is wrong with pages."""
    found = []
    for path in paths:
        if (bytes_loaded := weight(page, path)) > most:
            found.append((path, f"{bytes_loaded} bytes"))
        found += faults(page, path)
    return found


def paths_of(day):
    return [each.format(day=day) for each in PAGES]


def test_pages_of_a_year_suit_a_phone(browse, ana):
    store_history(ana, 400)
    page = browse(PHONE)
    night = SleepMetric.objects.filter(duration__gt=20_000).latest("day")
    assert check(page, paths_of(night.day)) == []


# Words that are broken in two, or run out of the screen, in texts that are seen.
BROKEN_WORDS = """
    [...document.querySelectorAll("h1, h2, h3, dt, dd, small, p, li, a, button, summary")]
        .filter(each => !each.closest(".hidden, .skip, svg") && each.checkVisibility())
        .flatMap(each => [...each.childNodes])
        .filter(node => node.nodeType === Node.TEXT_NODE)
        .flatMap(node => [...node.data.matchAll(/[A-Za-z]+/g)].map(word => {
            const range = document.createRange()
            range.setStart(node, word.index)
            range.setEnd(node, word.index + word[0].length)
            return [word[0], [...range.getClientRects()]]
        }))
        .filter(([, boxes]) => new Set(boxes.map(box => box.top)).size > 1
            || boxes.some(box => box.right > innerWidth + 1))
        .map(([word]) => word)"""
TWICE_AS_LARGE = """() => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync("html { font-size: 200% }")
    document.adoptedStyleSheets = [sheet]
}"""


@full_only
def test_texts_twice_as_large_fit_on_a_phone(browse, ana):
    store_history(ana, 40)
    page = browse(PHONE)
    found = []
    for path in paths_of(days_ago(1)):
        page.goto(path)
        page.evaluate(TWICE_AS_LARGE)
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found.append((path, "needs scrolling to the side"))
        found += [(path, word) for word in page.evaluate(BROKEN_WORDS)]
    assert found == []


SIZES = {"ten years": 3653, "one day": 1, "nothing": 0}


@full_only
@pytest.mark.parametrize("days", SIZES.values(), ids=SIZES)
def test_pages_suit_every_screen(browse, ana, days):
    if days:
        store_history(ana, days)
    for size in (PHONE, WIDE):
        for scheme in ("light", "dark"):
            page = browse(size, scheme)
            assert check(page, paths_of(days_ago(0))) == []
            assert check(page, [TRENDS_OF_ALL], TEN_YEARS) == []
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert [path for path in paths_of(days_ago(0)) if scrolls_to_the_side(page, path)] == []


def test_numbers_of_today_are_those_of_the_database(browse, ana):
    store_history(ana, 30)
    page = browse(PHONE)
    for name, model in METRIC_MODELS.items():
        newest = model.objects.latest("day")
        text = "–" if newest.score is None else str(newest.score)
        expect(page.locator(f".{name} .score").first).to_have_text(text)


def test_trend_leads_to_the_night_behind_a_point(browse, ana):
    day = days_ago(20)
    store_days(ana, [day], duration=27_060, main_type="long_sleep")
    page = browse(WIDE)
    page.goto("/trends/?measure=sleep.duration")
    page.locator(".links a").first.click(force=True)
    page.wait_for_url(f"**/nights/{day}/")
