"""The page of a day in a real Chromium."""

import pytest
from playwright.sync_api import expect

from tests.end_to_end.test_browser import signed_in_page, violations
from tests.worlds import days_ago, store_days


@pytest.fixture
def page(transactional_db, ana, chromium, api_process):
    """Ana's browser on a day with contributors, hours and an earlier version."""
    past = [days_ago(count) for count in range(2, 30)]
    day = days_ago(1)
    store_days(ana, past, score=80, average_hrv=40, contributors={"timing": 70})
    for score in (70, 75):
        store_days(ana, [day], score=score, average_hrv=38, contributors={"timing": 60})
    classes = {"timestamp": f"{day}T04:00:00+00:00", "class_5_min": "0" * 20 + "123455" * 10}
    store_days(ana, [day], "activity", score=74, source={"daily_activity": classes})
    with signed_in_page(chromium, api_process, 320, 640) as page:
        page.goto(f"/days/{day}/")
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_day_is_accessible_and_fits_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.get_by_text("The same numbers as a table").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []


def test_date_leads_to_another_day(page):
    page.get_by_label("Date").fill(str(days_ago(5)))
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{page.url.split('/days/')[0]}/days/{days_ago(5)}/")
    page.get_by_role("link", name="The day before").click()
    expect(page.get_by_label("Date")).to_have_value(str(days_ago(6)))


def test_value_leads_to_its_trend(page):
    page.get_by_role("link", name="Average HRV").click()
    expect(page.get_by_role("heading", name="Average HRV")).to_be_visible()
