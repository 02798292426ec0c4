"""What the pages show while data arrive."""

from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from ingest.models import Run
from oura import connections
from oura.models import Connection
from tests.dashboard.test_pages import OF_DAYS, main_of
from tests.worlds import days_ago, failed_fetch, fetch_completely, store_days

pytestmark = pytest.mark.django_db
PAGES = [*OF_DAYS, "/account/"]


@pytest.fixture
def connected(ana, at_oura):
    return connections.connect(ana, at_oura.code(), "v" * 50).connection


@pytest.fixture
def collecting(connected):
    """The first run is under way."""
    Connection.objects.update(asked_at=timezone.now())


def refresh(browser, path):
    return browser.get(path).headers.get("Refresh")


@pytest.mark.parametrize("path", PAGES)
def test_page_says_that_the_first_run_is_about_to_begin(signed_in, connected, path):
    assert main_of(signed_in, path).count("Starting a collection: this takes some seconds.") == 1
    assert refresh(signed_in, path) == "5"


@pytest.mark.parametrize("path", PAGES)
def test_page_says_that_the_first_run_is_under_way(signed_in, collecting, path):
    page = main_of(signed_in, path)
    assert page.count("Collecting now …") == 1
    assert page.count("nothing yet") == 3
    assert refresh(signed_in, path) == "5"


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_page_counts_what_has_come_so_far(signed_in, ana, collecting, path):
    store_days(ana, map(days_ago, range(20)))
    store_days(ana, [days_ago(1)], "activity")
    page = " ".join(main_of(signed_in, path).split())
    first, other = days_ago(19), days_ago(1)
    assert f"<dt>Sleep</dt><dd>20 days so far, from {first.day} {first:%B %Y}</dd>" in page
    assert f"<dt>Activity</dt><dd>1 day so far, from {other.day} {other:%B %Y}</dd>" in page
    assert "<dt>Readiness</dt><dd>nothing yet</dd>" in page
    assert refresh(signed_in, path) == "5"


def test_nothing_is_called_missing_before_all_has_come(signed_in, ana, collecting):
    store_days(ana, [days_ago(1)])
    failed_fetch(ana, days_ago(9), days_ago(2), kind="forbidden")
    page = main_of(signed_in, "/")
    assert "What is missing" not in page
    assert "denied" not in page


@pytest.mark.parametrize("path", PAGES)
def test_page_stops_loading_again_after_the_run(signed_in, ana, collecting, path):
    store_days(ana, [days_ago(0)])
    Connection.objects.update(finished_at=timezone.now(), collected_at=timezone.now())
    assert refresh(signed_in, path) is None
    assert "Collecting now" not in main_of(signed_in, path)


@pytest.mark.parametrize("path", PAGES)
def test_page_stops_loading_again_when_the_run_has_died(signed_in, collecting, path):
    Connection.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
    assert refresh(signed_in, path) is None
    assert "Collecting now" not in main_of(signed_in, path)


def test_hourly_run_does_not_disturb_who_reads(signed_in, ana, collecting):
    store_days(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(0))
    Connection.objects.update(collected_at=timezone.now() - timedelta(hours=1))
    assert refresh(signed_in, "/") is None
    assert refresh(signed_in, "/account/") == "5"


def test_old_data_can_be_collected_anew_on_today(signed_in, ana, connected):
    store_days(ana, [days_ago(0)])
    before = timezone.now() - timedelta(hours=4)
    fetch_completely(ana, days_ago(0), days_ago(0), at=before)
    Connection.objects.update(asked_at=before, finished_at=before, collected_at=before)
    assert 'action="/account/collect/"' in main_of(signed_in, "/")
    signed_in.post("/account/collect/")
    page = main_of(signed_in, "/")
    assert "Starting a collection" in page and "/account/collect/" not in page
    assert refresh(signed_in, "/") == "5"


def test_unshared_types_are_said_once_and_not_as_missing(signed_in, ana, connected):
    store_days(ana, [days_ago(1)])
    failed_fetch(ana, days_ago(9), days_ago(2), "activity", kind="forbidden")
    now = timezone.now()
    Connection.objects.update(scopes=["personal"], asked_at=now, finished_at=now)
    page = main_of(signed_in, "/")
    assert page.count("You did not share") == 1
    assert "denied access to" not in page


# Without a connection -----------------------------------------------------------------------------


def test_run_of_the_key_is_shown_until_it_has_ended(signed_in, ana):
    run = Run.objects.create(user=ana, request_id="a")
    with override_settings(OURA_API_KEY="key", OURA_USER="ana"):
        assert "Collecting now …" in main_of(signed_in, "/")
        assert refresh(signed_in, "/") == "5"
        Run.objects.filter(pk=run.pk).update(finished_at=timezone.now())
        assert refresh(signed_in, "/") is None


def test_key_that_only_the_collector_has_is_known_from_runs(signed_in, ana, settings):
    settings.OURA_CLIENT_ID = ""
    assert "Set up the connection" in main_of(signed_in, "/account/")
    Run.objects.create(user=ana, request_id="a", finished_at=timezone.now(), newest=True)
    page = main_of(signed_in, "/account/")
    assert "with an access token of this server" in page
    assert "Set up the connection" not in page
