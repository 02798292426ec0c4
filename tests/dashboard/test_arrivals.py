"""What the pages show while data arrive."""

import re
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.template.loader import render_to_string
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Origin, User
from dashboard.arrivals import standing_of
from ingest.models import Run
from oura import connections
from oura.accounts import select_accounts
from oura.models import Connection
from tests.dashboard.html import text_of
from tests.dashboard.test_pages import OF_DAYS, main_of
from tests.worlds import days_ago, failed_fetch, fetch_completely, store_days

pytestmark = pytest.mark.django_db
PAGES = [*OF_DAYS, "/account/"]
# After how many seconds each loads again; what people press must not move.
AGAIN = {**dict.fromkeys(OF_DAYS, "10"), "/account/": None}
SHOW = ">Show what has arrived</a>"


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
    assert main_of(signed_in, path).count("Starting a collection: this takes a few seconds.") == 1
    assert refresh(signed_in, path) == AGAIN[path]


@pytest.mark.parametrize("path", PAGES)
def test_page_says_that_the_first_run_is_under_way(signed_in, collecting, path):
    page = main_of(signed_in, path)
    assert page.count("Collecting now …") == 1
    assert page.count("nothing yet") == 3
    assert refresh(signed_in, path) == AGAIN[path]


def test_thousands_of_days_have_a_separator():
    sleep = {"title": "Sleep", "days": 3650, "first": days_ago(0)}
    html = render_to_string("dashboard/arriving.html", {"arrived": [sleep]})
    assert "<dd>3,650 days so far," in html


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_page_counts_what_has_come_so_far(signed_in, ana, collecting, path):
    store_days(ana, map(days_ago, range(20)))
    store_days(ana, [days_ago(1)], "activity")
    page = " ".join(main_of(signed_in, path).split())
    first, other = days_ago(19), days_ago(1)
    assert f"<dt>Sleep</dt><dd>20 days so far, from {first.day} {first:%B %Y}</dd>" in page
    assert f"<dt>Activity</dt><dd>1 day so far, from {other.day} {other:%B %Y}</dd>" in page
    assert "<dt>Readiness</dt><dd>nothing yet</dd>" in page
    assert refresh(signed_in, path) == AGAIN[path]


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


@pytest.mark.parametrize("path", OF_DAYS)
def test_page_of_a_long_run_moves_when_asked_alone(signed_in, ana, collecting, path):
    assert SHOW not in main_of(signed_in, path)
    Connection.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
    store_days(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(0))
    assert refresh(signed_in, "/") is None
    assert f'<a href="/"{SHOW}' in main_of(signed_in, "/")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("column", ["asked_at", "wanted_at", "connected_at"])
def test_nothing_is_under_way_after_the_clock_was_set_back(signed_in, connected, column, path):
    before = timezone.now() - timedelta(hours=1)
    times = {"asked_at": before, "finished_at": before, "connected_at": before}
    if column == "connected_at":
        times = {"asked_at": None}
    Connection.objects.update(**times | {column: timezone.now() + timedelta(days=2)})
    page = main_of(signed_in, path)
    assert "Starting a collection" not in page and "Collecting now" not in page
    assert refresh(signed_in, path) is None


def test_hourly_run_does_not_disturb_who_reads(signed_in, ana, collecting):
    store_days(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(0))
    Connection.objects.update(collected_at=timezone.now() - timedelta(hours=1))
    assert refresh(signed_in, "/") is None
    assert refresh(signed_in, "/account/") is None
    assert SHOW in main_of(signed_in, "/account/")


def test_old_data_can_be_collected_anew_on_today(signed_in, ana, connected):
    store_days(ana, [days_ago(0)])
    before = timezone.now() - timedelta(hours=4)
    fetch_completely(ana, days_ago(0), days_ago(0), at=before)
    Connection.objects.update(asked_at=before, finished_at=before, collected_at=before)
    assert 'action="/account/collect/"' in main_of(signed_in, "/")
    signed_in.post("/account/collect/")
    page = main_of(signed_in, "/")
    assert "Starting a collection" in page and "/account/collect/" not in page
    assert refresh(signed_in, "/") == "10"


def test_unshared_types_are_said_once_and_not_as_missing(signed_in, ana, connected):
    store_days(ana, [days_ago(1)])
    failed_fetch(ana, days_ago(9), days_ago(2), "activity", kind="forbidden")
    now = timezone.now()
    Connection.objects.update(scopes=["personal"], asked_at=now, finished_at=now)
    page = main_of(signed_in, "/")
    assert page.count("You did not share") == 1
    assert "denied access to" not in page


def test_runs_are_not_read_of_who_is_connected(ana, connected):
    with CaptureQueriesContext(connection) as queries:
        standing_of(ana)
    assert not any("collection_runs" in each["sql"] for each in queries)


# Without a connection -----------------------------------------------------------------------------


def test_run_of_the_key_is_shown_until_it_has_ended(signed_in, ana):
    run = Run.objects.create(user=ana, request_id="a")
    with override_settings(OURA_API_KEY="key", OURA_USER="ana"):
        assert "Collecting now …" in main_of(signed_in, "/")
        assert refresh(signed_in, "/") == "10"
        Run.objects.filter(pk=run.pk).update(finished_at=timezone.now())
        assert refresh(signed_in, "/") is None


def test_future_run_of_the_key_is_not_under_way(signed_in, ana):
    Run.objects.create(user=ana, request_id="a", began_at=timezone.now() + timedelta(days=2))
    with override_settings(OURA_API_KEY="key", OURA_USER="ana"):
        assert "Collecting now" not in main_of(signed_in, "/")


def test_key_that_only_the_collector_has_is_known_from_runs(signed_in, ana, settings):
    settings.OURA_CLIENT_ID = ""
    assert "Set up the connection" in main_of(signed_in, "/account/")
    Run.objects.create(user=ana, request_id="a", finished_at=timezone.now(), newest=True)
    page = main_of(signed_in, "/account/")
    assert "with this server's own access to Oura" in text_of(page)
    assert "OURA_API_KEY" not in page
    assert "Set up the connection" not in page


@pytest.mark.parametrize("path", ["/", "/account/"])
@pytest.mark.parametrize("has_rows", [True, False])
def test_first_run_tells_of_a_key_that_the_collector_has(signed_in, ana, settings, path, has_rows):
    settings.OURA_CLIENT_ID = ""
    if has_rows:
        store_days(ana, [days_ago(1)])
    Run.objects.create(user=ana, request_id="a")
    page = main_of(signed_in, path)
    assert "Collecting now …" in page
    assert "Set up the connection" not in page and "What is missing" not in page


def test_key_is_known_from_runs_of_a_daily_schedule(signed_in, ana, settings):
    settings.OURA_CLIENT_ID, settings.COLLECT_SCHEDULE = "", "17 3 * * *"
    before = timezone.now() - timedelta(hours=20)
    Run.objects.create(user=ana, request_id="a", began_at=before, finished_at=before, newest=True)
    page = text_of(main_of(signed_in, "/account/"))
    assert "with this server's own access to Oura" in page
    assert "The next collection starts" in page


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_keys_person_who_may_connect_sees_their_run(signed_in, ana, settings, path):
    settings.OURA_CLIENT_ID, settings.OURA_USER = "id", "Ana"
    store_days(ana, [days_ago(1)])
    Run.objects.create(user=ana, request_id="a")
    page = main_of(signed_in, path)
    assert "Collecting now …" in page and "What is missing" not in page


def test_keys_person_who_may_connect_may_collect(signed_in, ana, settings):
    settings.OURA_CLIENT_ID, settings.OURA_USER = "id", "Ana"
    before = timezone.now() - timedelta(minutes=9)
    Run.objects.create(user=ana, request_id="a", began_at=before, finished_at=before, newest=True)
    page = main_of(signed_in, "/account/")
    # The run may have been of a connection that is gone.
    assert "Not connected. If this server has its own access to Oura, it goes on" in text_of(page)
    assert f'action="{COLLECT}"' in page and f'action="{CONNECT}"' in page
    signed_in.post(COLLECT)
    page = main_of(signed_in, "/account/")
    assert "Starting a collection" in page and f'action="{COLLECT}"' not in page


SANDBOX, OURA = "http://127.0.0.1:8002", "https://api.ouraring.com"
REGISTER, CONNECT = "/connect/oura/register", "/connect/oura/"
COLLECT, SIGN_OUT, DELETE = "/account/collect/", "/accounts/logout/", "/account/delete/data/"
FED, UNFED, LINKED = "by the key", "by nobody", "by a connection"


@pytest.mark.parametrize(
    ("name", "fed", "origin", "url", "client_id", "said", "ways"),
    [
        # `make run` without an application: the demo, before and after its first run.
        ("demo", FED, "sandbox", SANDBOX, "id", "from the sandbox", {REGISTER, COLLECT}),
        (
            "demo",
            UNFED,
            "",
            SANDBOX,
            "id",
            "people and their data are made up",
            {CONNECT, REGISTER},
        ),
        # Beside an application of one's own, and where that is not connected to anything.
        ("demo", FED, "sandbox", OURA, "id", "sign in with your own account", {SIGN_OUT}),
        ("demo", FED, "sandbox", OURA, "", "set up the connection", {REGISTER}),
        # An account for one's own ring: with a made-up person, and once there is an application.
        ("ana", UNFED, "", SANDBOX, "id", "data are made up", {CONNECT, REGISTER}),
        ("ana", LINKED, "sandbox", SANDBOX, "id", "are made up", {CONNECT, REGISTER, COLLECT}),
        ("ana", UNFED, "sandbox", SANDBOX, "id", "are made up", {CONNECT, REGISTER}),
        ("ana", UNFED, "sandbox", OURA, "id", "Delete the sample data first", {DELETE}),
        ("ana", UNFED, "sandbox", OURA, "", "not registered at Oura yet", {REGISTER}),
        ("ana", UNFED, "oura", SANDBOX, "id", "Set up the connection to Oura first", {REGISTER}),
        # With a ring's data.
        ("ana", UNFED, "", OURA, "id", "Not connected. Connect", {CONNECT}),
        ("ana", UNFED, "oura", OURA, "id", "Not connected. Connect", {CONNECT}),
        ("ana", LINKED, "oura", OURA, "id", "Connected since", {CONNECT, COLLECT}),
        ("ana", FED, "oura", OURA, "", "this server's own access to Oura", {COLLECT}),
        # Disconnected a moment ago.
        ("ana", FED, "oura", OURA, "id", "Not connected. Connect", {CONNECT}),
        ("ana", UNFED, "", OURA, "", "not registered at Oura yet", {REGISTER}),
    ],
)
def test_account_page_says_the_way_on(
    signed_in, ana, at_oura, settings, name, fed, origin, url, client_id, said, ways
):
    if fed == LINKED:
        connections.connect(ana, at_oura.code(), "v" * 50)
        before = timezone.now() - timedelta(hours=1)
        times = dict.fromkeys(("asked_at", "finished_at", "collected_at"), before)
        Connection.objects.update(**times, origin=origin)
    settings.OURA_API_URL, settings.OURA_CLIENT_ID = url, client_id
    User.objects.filter(pk=ana.pk).update(username=name)
    if origin:
        Origin.objects.create(user=ana, name=origin)
    if fed == FED:
        now = timezone.now()
        Run.objects.create(user=ana, request_id="a", began_at=now, finished_at=now, newest=True)
        fetch_completely(ana, days_ago(0), days_ago(0), at=now - timedelta(minutes=3))
    card = main_of(signed_in, "/account/").partition("</section>")[0]
    assert said in text_of(card)
    assert set(re.findall('(?:href|action)="([^"]*)"', card)) - {"/disconnect/oura/"} == ways
    if name == "demo" and fed == FED:
        assert "Sample data, fetched 3\N{NO-BREAK SPACE}minutes ago from the sandbox." in card


def test_demo_collects_when_asked(signed_in, ana, settings):
    settings.OURA_API_URL, settings.OURA_CLIENT_ID = SANDBOX, "id"
    settings.OURA_API_KEY, settings.OURA_USER = "key", "demo"
    User.objects.filter(pk=ana.pk).update(username="demo")
    Origin.objects.create(user=ana, name="sandbox")
    now = timezone.now()
    Run.objects.create(user=ana, request_id="a", began_at=now, finished_at=now, newest=True)
    assert select_accounts(None, (0, 1), wanted=True) == []
    signed_in.post(COLLECT)
    page = main_of(signed_in, "/account/")
    assert "Starting a collection" in page and f'action="{COLLECT}"' not in page
    [account] = select_accounts(None, (0, 1), wanted=True)
    assert account.user == "demo"
    assert select_accounts(None, (0, 1), wanted=True) == []
    answer = signed_in.post(COLLECT, follow=True).content.decode()
    assert "The last collection began less than a minute ago. Try again in a moment." in answer


def test_wait_ends_when_person_of_the_key_asks(signed_in, ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    signed_in.post(COLLECT)
    began = time.monotonic()
    call_command("await_connection", seconds=600)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_end_of_the_first_history_is_said_once(signed_in, ana, collecting, path):
    assert "have arrived" not in main_of(signed_in, path)
    store_days(ana, map(days_ago, range(20)))
    store_days(ana, [days_ago(1), days_ago(30)], "activity")
    Connection.objects.update(finished_at=timezone.now(), collected_at=timezone.now())
    assert "21 days have arrived." in main_of(signed_in, path)
    assert "have arrived" not in main_of(signed_in, path)


def test_history_that_was_there_already_is_not_announced(signed_in, ana, collecting):
    store_days(ana, [days_ago(1)])
    Connection.objects.update(finished_at=timezone.now(), collected_at=timezone.now())
    assert "have arrived" not in main_of(signed_in, "/account/")


@pytest.mark.parametrize("path", ["/", "/account/"])
@pytest.mark.parametrize("is_ended", [False, True], ids=["reconnected", "disconnected before"])
def test_history_that_was_fetched_before_is_not_arriving(
    signed_in, ana, connected, at_oura, is_ended, path
):
    before = timezone.now() - timedelta(hours=4)
    store_days(ana, [days_ago(1)])
    fetch_completely(ana, days_ago(9), days_ago(1), at=before)
    Connection.objects.update(asked_at=before, finished_at=before, collected_at=before)
    if is_ended:
        connections.disconnect(connected)
    connections.connect(ana, at_oura.code(), "v" * 50)
    page = main_of(signed_in, path)
    assert "Starting a collection" in page
    assert "so far" not in page and "whole history" not in page


def test_reconnecting_keeps_the_time_of_the_last_collection(signed_in, ana, connected, at_oura):
    Connection.objects.update(collected_at=timezone.now() - timedelta(minutes=3))
    connections.connect(ana, at_oura.code(), "v" * 50)
    assert "3\N{NO-BREAK SPACE}minutes ago" in main_of(signed_in, "/account/")


def test_nothing_invites_to_reconnect_during_a_run(signed_in, collecting):
    assert "Reconnect Oura" not in main_of(signed_in, "/account/")
