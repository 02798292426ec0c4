"""`/account/preferences/`, and what the account page shows of it."""

import re
from html import unescape

import pytest

from tests.dashboard.html import text_of
from tests.worlds import PREFERENCES

pytestmark = pytest.mark.django_db
PATH = "/account/preferences/"
WHAT_TO_TYPE = "Type a big city in your time zone, or your country, for example Berlin or Germany."


def save(browser, **fields):
    return browser.post(PATH, {**PREFERENCES, **fields})


def problems(answer):
    """Return the sentences that a refused form shows."""
    assert answer.status_code == 200
    texts = re.findall(r'<p class="error" role="alert">([^<]*)', answer.content.decode())
    return list(map(unescape, texts))


def test_page_requires_login(client):
    assert client.get(PATH).headers["Location"] == f"/accounts/login/?next={PATH}"


def test_preferences_are_saved_and_listed_on_account_page(signed_in, ana):
    answer = save(
        signed_in,
        time_zone="America/New_York",
        temperature_unit="°F",
        distance_unit="mi",
        clock_hours="12",
        first_weekday="7",
    )
    assert answer.headers["Location"] == "/account/"
    ana.refresh_from_db()
    stored = (ana.temperature_unit, ana.distance_unit, ana.clock_hours, ana.first_weekday)
    assert (ana.time_zone, stored) == ("America/New_York", ("°F", "mi", 12, 7))
    text = text_of(signed_in.get("/account/").content.decode())
    assert (
        "Saved. Your account (ana)" in text
        and "Time zone America/New York Temperatures °F Distances miles (mi) "
        "Times of day 12 hours (11:05 PM) First day of the week Sunday "
        in text
    )


def test_form_has_what_is_stored(signed_in, ana):
    ana.time_zone, ana.clock_hours, ana.first_weekday = "America/New_York", 12, 6
    ana.save()
    page = signed_in.get(PATH).content.decode()
    assert 'value="America/New York"' in page.partition("<datalist")[0]
    chosen = re.findall(r'<option value="([^"]*)" selected>', page)
    assert chosen == ["°C", "km", "12", "6"]


def test_account_page_has_no_list_of_zones(signed_in):
    answer = signed_in.get("/account/")
    assert b"Asia/Tokyo" not in answer.content
    assert f'href="{PATH}"' in answer.content.decode()


def test_list_of_zones_belongs_to_the_field(signed_in):
    page = signed_in.get(PATH).content.decode()
    [name] = re.findall(r'<input type="text" name="time_zone"[^>]* list="([^"]*)"', page)
    first = '<option value="Africa/Abidjan" label="Abidjan (Côte d’Ivoire)">'
    assert f'<datalist id="{name}">{first}' in page


def test_list_has_no_old_or_fixed_names(signed_in):
    listed = signed_in.get(PATH).content.decode().partition("<datalist")[2]
    assert 'value="UTC" label="UTC"' in listed
    assert not re.search('"(Etc/|US/|Brazil/|Australia/LHI|EST)', listed)


def test_form_says_from_the_start_what_to_type(signed_in):
    assert WHAT_TO_TYPE in text_of(signed_in.get(PATH).content.decode())


def test_stored_name_that_is_not_listed_stays(signed_in, ana):
    ana.time_zone = "US/Eastern"
    ana.save()
    assert save(signed_in, time_zone="US/Eastern").status_code == 302


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("  BERLIN ", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("new_york", "America/New_York"),
        ("america/new york", "America/New_York"),
        ("são paulo", "America/Sao_Paulo"),
        ("Port au Prince", "America/Port-au-Prince"),
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
        ("singapore", "Singapore"),
        ("utc", "UTC"),
        ("etc/gmt+5", "Etc/GMT+5"),
        ("US/Eastern", "US/Eastern"),
        ("kiev", "Europe/Kiev"),
        ("Germany", "Europe/Berlin"),
        ("india", "Asia/Kolkata"),
        ("cote d'ivoire", "Africa/Abidjan"),
        ("United Kingdom", "Europe/London"),
        ("Samoa", "Pacific/Apia"),
        ("Virgin Islands (US)", "America/St_Thomas"),
        ("Berlin (Germany)", "Europe/Berlin"),
        ("Paris, France", "Europe/Paris"),
        ("Munich, Germany", "Europe/Berlin"),
        ("New York, USA", "America/New_York"),
    ],
)
def test_zone_is_found_by_name_city_or_country(signed_in, ana, text, zone):
    assert save(signed_in, time_zone=text).status_code == 302
    ana.refresh_from_db()
    assert ana.time_zone == zone


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Belin",
            "There is no time zone “Belin”. Did you mean Europe/Berlin, Europe/Dublin or "
            "America/Belize? If not, type your country.",
        ),
        (
            "Europe/Berln",
            "There is no time zone “Europe/Berln”. Did you mean Europe/Berlin, Europe/Dublin or "
            "Europe/Belfast? If not, type your country.",
        ),
        (
            "york",
            "There is no time zone “york”. Did you mean America/New York? "
            "If not, type your country.",
        ),
        (
            "Paris, Texas",
            "There is no time zone “Paris, Texas”. Did you mean Europe/Paris? "
            "If not, type your country.",
        ),
        (
            "Spain",
            "“Spain” has several time zones. Did you mean Europe/Madrid or Atlantic/Canary?",
        ),
        (
            "USA",
            "“USA” has several time zones. Did you mean America/New York, America/Chicago, "
            "America/Denver, America/Phoenix, America/Los Angeles, America/Anchorage, "
            "America/Adak or Pacific/Honolulu?",
        ),
        ("Munich", f"There is no time zone “Munich”. {WHAT_TO_TYPE}"),
        ("GMT-5", f"There is no time zone “GMT-5”. {WHAT_TO_TYPE}"),
        ("etc/gmt 5", f"There is no time zone “etc/gmt 5”. {WHAT_TO_TYPE}"),
        (
            "east",
            "There is no time zone “east”. Did you mean Pacific/Easter, Asia/Dili or "
            "Europe/Belfast? If not, type your country.",
        ),
        ("Delhi", f"There is no time zone “Delhi”. {WHAT_TO_TYPE}"),
        ("100%s", f"There is no time zone “100%s”. {WHAT_TO_TYPE}"),
        ("/", f"There is no time zone “/”. {WHAT_TO_TYPE}"),
        ("", "This field is required."),
        ("localtime", f"There is no time zone “localtime”. {WHAT_TO_TYPE}"),
    ],
)
def test_refused_zone_brings_offers_of_near_ones(signed_in, ana, text, sentence):
    assert problems(save(signed_in, time_zone=text)) == [sentence]
    ana.refresh_from_db()
    assert ana.time_zone == "UTC"


def test_refused_text_is_escaped_and_kept(signed_in):
    page = save(signed_in, time_zone="<b>").content.decode()
    assert "<b>" not in page.partition("<form")[2].partition("<datalist")[0]
    assert 'value="&lt;b&gt;"' in page


@pytest.mark.parametrize("name", [name for name in PREFERENCES if name != "time_zone"])
@pytest.mark.parametrize("value", ["", "K", "25"])
def test_value_that_is_no_choice_is_refused(signed_in, name, value):
    assert len(problems(save(signed_in, **{name: value}))) == 1


def test_form_of_one_person_changes_no_other(signed_in, ben):
    save(signed_in, time_zone="Asia/Tokyo", clock_hours="12")
    ben.refresh_from_db()
    assert (ben.time_zone, ben.clock_hours) == ("UTC", 24)
