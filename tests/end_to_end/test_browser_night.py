"""The page of a night in a real Chromium."""

import pytest
from playwright.sync_api import expect

from ingest.models import SleepMetric
from tests.demo import store_history
from tests.end_to_end.test_browser import signed_in_page, violations


@pytest.fixture
def page(transactional_db, ana, chromium, api_process):
    """Ana's browser on a night of a month."""
    store_history(ana, 30)
    night = SleepMetric.objects.filter(main_type="long_sleep").latest("day")
    with signed_in_page(chromium, api_process, 320, 640) as page:
        page.goto(f"/nights/{night.day}/")
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_night_is_accessible_and_fits_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.get_by_text("The same numbers as tables").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []


def test_panels_share_one_time_axis(page):
    places = page.evaluate(
        """[...document.querySelectorAll('.panels .plot > svg > svg[viewBox]')].map(each => {
            const box = each.parentElement.getBoundingClientRect()
            return [box.left, box.width, each.getAttribute('viewBox')].join()
        })"""
    )
    assert len(places) == 4
    assert len(set(places)) == 1


def test_arrow_leads_to_the_night_before(page):
    link = page.get_by_role("link", name="Previous night")
    box = link.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    address = link.get_attribute("href")
    link.click()
    expect(page).to_have_url(f"{page.url.split('/nights/')[0]}{address}")


def test_figure_leads_to_its_trend(page):
    page.get_by_role("link", name="Deep sleep").click()
    expect(page.get_by_role("heading", name="Deep sleep")).to_be_visible()
