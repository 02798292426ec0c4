"""What is taken over from a person's browser when they sign in for the first time."""

import pytest
from django.test import Client

from accounts.models import User
from tests.dashboard.html import text_of
from tests.worlds import PASSWORDS, PREFERENCES

pytestmark = pytest.mark.django_db
CHOSEN = "time_zone", "temperature_unit", "distance_unit", "clock_hours", "first_weekday"
METRIC, AMERICAN = ("°C", "km", 24, 1), ("°F", "mi", 12, 7)


def sign_in(**fields):
    """Sign in with a browser of its own; return the words of the page that follows."""
    browser = Client(REMOTE_ADDR="198.51.100.7")
    form = {"username": "ana", "password": PASSWORDS["ana"], "next": "/", **fields}
    answer = browser.post("/accounts/login/", form, follow=True)
    assert answer.status_code == 200
    return text_of(answer.content.decode())


def stored(person):
    zone, *others = User.objects.values_list(*CHOSEN).get(pk=person.pk)
    return zone, tuple(others)


def test_first_sign_in_takes_the_browsers_zone(ana):
    text = sign_in(time_zone="Europe/Berlin", region="DE")
    assert (
        "Your time zone is set to Europe/Berlin, as in your browser. "
        "Change it in Preferences ." in text
    )
    assert stored(ana) == ("Europe/Berlin", METRIC)


def test_sentence_leads_to_the_preferences(ana):
    browser = Client()
    form = {"username": "ana", "password": PASSWORDS["ana"], "time_zone": "Europe/Berlin"}
    answer = browser.post("/accounts/login/", form, follow=True)
    assert '<a href="/account/preferences/">Preferences</a>' in answer.content.decode()


def test_later_sign_in_takes_nothing(ana):
    sign_in()
    text = sign_in(time_zone="Europe/Berlin")
    assert ("time zone" in text, stored(ana)) == (False, ("UTC", METRIC))


def test_program_that_signed_in_before_takes_nothing_away(ana, api):
    ana.refresh_from_db()
    assert ana.last_login
    sign_in(time_zone="Europe/Berlin", region="DE")
    assert stored(ana)[0] == "Europe/Berlin"


def test_default_zone_that_was_chosen_stays(ana, signed_in):
    signed_in.post("/account/preferences/", PREFERENCES)
    sign_in(time_zone="Europe/Berlin")
    assert stored(ana)[0] == "UTC"


def test_chosen_zone_stays(ana):
    User.objects.filter(pk=ana.pk).update(time_zone="Asia/Tokyo")
    text = sign_in(time_zone="Europe/Berlin")
    assert ("time zone" in text, stored(ana)) == (False, ("Asia/Tokyo", METRIC))


@pytest.mark.parametrize(
    "zone",
    ["", "UTC", "Etc/Unknown", "localtime", "../../etc/passwd", "<script>", "\0", "x" * 9000],
)
def test_zone_that_is_unknown_or_default_is_ignored(ana, zone):
    text = sign_in(time_zone=zone, region="US")
    assert ("time zone" in text, stored(ana)) == (False, ("UTC", METRIC))


def test_wrong_password_takes_nothing(ana):
    sign_in(password="wrong", time_zone="Europe/Berlin")
    assert stored(ana) == ("UTC", METRIC)


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "America/Indianapolis", "US/Pacific"])
def test_all_zones_of_the_united_states_bring_its_units(ana, zone):
    sign_in(time_zone=zone, region="US")
    assert stored(ana) == (zone, AMERICAN)


def test_browser_in_the_united_states_brings_its_units(ana):
    text = sign_in(time_zone="America/New_York", region="US")
    assert (
        "Your time zone is set to America/New York, as in your browser. Values are shown in °F and "
        "miles, times on a 12-hour clock, weeks from Sunday. Change it in Preferences ." in text
    )
    assert stored(ana) == ("America/New_York", AMERICAN)


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("Europe/Berlin", "US"),
        ("America/Toronto", "CA"),
        ("Asia/Tokyo", ""),
        ("America/Toronto", "US"),
        ("America/Sao_Paulo", "US"),
        ("America/Mexico_City", "US"),
        ("America/Creston", "US"),
        ("America/New_York", "GB"),
    ],
)
def test_american_english_elsewhere_brings_no_units(ana, zone, region):
    assert "miles" not in sign_in(time_zone=zone, region=region)
    assert stored(ana) == (zone, METRIC)


def test_units_chosen_before_stay(ana):
    User.objects.filter(pk=ana.pk).update(first_weekday=6)
    assert "miles" not in sign_in(time_zone="America/New_York", region="US")
    assert stored(ana) == ("America/New_York", ("°C", "km", 24, 6))


def test_page_needs_no_script(client):
    page = client.get("/accounts/login/").content.decode()
    assert '<input type="hidden" name="time_zone">' in page
    assert page.count("<script") == page.count('<script src="/static/accounts/sign-in.') == 1
