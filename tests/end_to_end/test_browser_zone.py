"""The first sign-in in a real Chromium of another time zone, and the list of zones there."""

import pytest
from playwright.sync_api import expect

from accounts.models import User
from tests.end_to_end.test_browser import sign_in, violations
from tests.scale import full_only

TOKYO = "Your time zone is set to Asia/Tokyo, as in your browser. Change it in Preferences."


@pytest.fixture
def browse(chromium, api_process, transactional_db, ana):
    """Open a window of a browser with these settings, in which ana signs in."""
    windows = []

    def open_window(**settings):
        windows.append(
            chromium.new_context(base_url=api_process.environment["PUBLIC_URL"], **settings)
        )
        page = windows[-1].new_page()
        page.problems = []
        page.on("console", lambda line: page.problems.append(line.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        sign_in(page)
        return page

    yield open_window
    for each in windows:
        each.close()


@full_only
def test_first_sign_in_takes_the_zone_of_the_browser(browse, ana):
    page = browse(timezone_id="Asia/Tokyo", locale="en-US")
    expect(page.get_by_role("status")).to_have_text(TOKYO)
    ana.refresh_from_db()
    assert (ana.time_zone, ana.clock_hours, page.problems) == ("Asia/Tokyo", 24, [])
    page.get_by_role("link", name="Preferences").click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    assert violations(page) == []


@full_only
def test_browser_in_the_united_states_brings_its_units(browse, ana):
    page = browse(timezone_id="America/New_York", locale="en-US")
    expect(page.get_by_role("status")).to_contain_text("Values are shown in °F and miles")
    ana.refresh_from_db()
    assert (ana.time_zone, ana.distance_unit, ana.first_weekday) == ("America/New_York", "mi", 7)


@full_only
def test_later_sign_in_from_another_zone_changes_nothing(browse, ana):
    browse(timezone_id="Asia/Tokyo")
    page = browse(timezone_id="Europe/Berlin")
    expect(page.get_by_role("status")).to_have_count(0)
    assert User.objects.get(pk=ana.pk).time_zone == "Asia/Tokyo"


def test_signing_in_works_without_scripts(browse, ana):
    page = browse(timezone_id="Asia/Tokyo", java_script_enabled=False)
    expect(page.get_by_role("status")).to_have_count(0)
    assert User.objects.get(pk=ana.pk).time_zone == "UTC"
