"""All pages by the preferences of a person, and answers to programs, which have none."""

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import User
from dashboard.pages.base import PersonalPage
from dashboard.trends import all_measures
from dashboard.urls import urlpatterns
from ingest.models import ActivityMetric, ReadinessMetric, SleepMetric
from myhealth import preferences
from myhealth.preferences import Preferences
from tests.conftest import Api
from tests.dashboard.html import text_of
from tests.demo import store_history
from tests.processes import ROOT
from tests.worlds import PREFERENCES, TODAY, days_ago, failed_fetch, store_days

pytestmark = pytest.mark.django_db
AMERICAN = {
    "temperature_unit": "°F",
    "distance_unit": "mi",
    "clock_hours": 12,
    "first_weekday": 7,
}
# What nobody with these preferences should read: metric units, and times without AM or PM.
METRIC = re.compile(r"°C|\d\s*k?m\b(?!\s*/)|\b\d?\d:\d\d\b(?!\s[AP]M)")
REVISED = TODAY - timedelta(days=10)


def prefer(person, **wanted):
    User.objects.filter(pk=person.pk).update(**wanted)


@pytest.fixture
def history(ana):
    store_history(ana, 31)


@pytest.fixture
def american(ana):
    """Ana with American preferences, and with remarks about days; of her history, if she has one.

    What is stored of one day is newer than the history, so it was changed.
    """
    columns = {"bedtime_start": "2026-03-01T23:05:00+01:00", "duration": 20_000}
    later = timezone.now() + timedelta(seconds=1)
    store_days(ana, [REVISED], at=later, **columns)
    distance = {"steps": 9000, "equivalent_walking_distance": 12_345}
    store_days(ana, [REVISED], "activity", at=later, **distance)
    store_days(ana, [REVISED], "readiness", at=later, temperature_deviation=0.55)
    for type_ in ("sleep", "activity"):
        failed_fetch(ana, days_ago(3), days_ago(2), type_, status=503, attempts=9)
    prefer(ana, **AMERICAN)
    return ana


def personal_paths():
    """Return the paths of all pages of a person's data, those of days for several days."""
    names = [
        str(each.pattern)
        for each in urlpatterns
        if issubclass(getattr(each.callback, "view_class", object), PersonalPage)
    ]
    days = [str(days_ago(count)) for count in (0, 1, 2, 10, 30)]
    return [
        f"/{re.sub('<[^>]*>', day, name)}"
        for name in names
        # The page to choose them on names all of them; there is no demo to remove.
        if name not in ("account/preferences/", "account/delete/demo/")
        for day in (days if "<" in name else days[:1])
    ]


OTHERS = (
    "/trends/?period=365d",
    "/trends/?period=all",
    f"/calendar/?type=activity&month={REVISED:%Y-%m}",
)
TRENDS = [f"/trends/?measure={name}" for name in all_measures()]


def shown(html):
    """Return a page without what only browsers read: machine-readable times, tokens and paths."""
    read_by_browsers = r'<time datetime="[^"]*">|<input type="hidden"[^>]*>| d="[^"]*"'
    return re.sub(read_by_browsers, "", html).replace("&nbsp;", " ")


def page(browser, path):
    answer = browser.get(path, follow=True)
    assert answer.status_code == 200
    return shown(answer.content.decode())


def test_there_are_pages_to_walk():
    assert {"/", "/account/", "/trends/", f"/nights/{days_ago(1)}/"} < {*personal_paths()}


def test_no_page_has_units_that_person_does_not_want(history, american, signed_in):
    found = {
        path: METRIC.findall(page(signed_in, path))
        for path in [*personal_paths(), *TRENDS, *OTHERS]
    }
    assert {path: texts for path, texts in found.items() if texts} == {}


def test_walk_finds_metric_units_of_others(history, american, signed_in):
    prefer(american, temperature_unit="°C", distance_unit="km", clock_hours=24)
    found = {
        text
        for path in [*personal_paths(), *TRENDS]
        for text in METRIC.findall(page(signed_in, path))
    }
    assert {"°C"} < found
    assert any("km" in text for text in found)
    assert any(":" in text for text in found)


def rounded(value, decimals):
    return Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def expected_miles(metres):
    return f"{rounded(metres / Decimal('1609.344'), 1)} mi"


def expected_fahrenheit(degrees):
    shown = rounded(Decimal(str(degrees)) * Decimal("1.8"), 2)
    return f"{shown or abs(shown):+} °F".replace("-", "−")


def expected_clock(text):
    return f"{datetime.fromisoformat(text):%I:%M %p}".lstrip("0")


MEASURES = {
    "activity.equivalent_walking_distance": (ActivityMetric, expected_miles),
    "readiness.temperature_deviation": (ReadinessMetric, expected_fahrenheit),
    "readiness.temperature_trend_deviation": (ReadinessMetric, expected_fahrenheit),
    "sleep.bedtime_start": (SleepMetric, expected_clock),
    "sleep.bedtime_end": (SleepMetric, expected_clock),
}


@pytest.mark.parametrize("name", MEASURES)
def test_numbers_are_the_converted_stored_ones(history, american, signed_in, name):
    model, expected = MEASURES[name]
    column = name.partition(".")[2]
    rows = model.objects.filter(day__gt=days_ago(30)).order_by("-day")
    stored = [value for value in rows.values_list(column, flat=True) if value is not None]
    html = page(signed_in, f"/trends/?measure={name}&period=30d&end={days_ago(0)}")
    cells = re.findall(r"</th><td>([^<]*)</td>", html)
    assert [text.removesuffix(" (not counted)") for text in cells] == list(map(expected, stored))


def test_day_page_has_converted_numbers_and_words(history, american, signed_in):
    text = text_of(page(signed_in, f"/days/{REVISED}/"))
    assert f"Walking equivalent {expected_miles(12_345)} " in text
    assert "Temperature +0.99 °F " in text
    assert "Bedtime 11:05 PM " in text
    assert re.search(r"Changed at Oura on \d+ \w+ at \d+:\d\d [AP]M: ", text)


def test_change_of_preferences_shows_at_once(american, signed_in):
    path = f"/days/{REVISED}/"
    assert "7.7 mi" in text_of(page(signed_in, path))
    signed_in.post("/account/preferences/", PREFERENCES)
    text = text_of(page(signed_in, path))
    assert ("7.7 mi" in text, "12.3 km" in text, "Bedtime 23:05" in text) == (False, True, True)


def test_times_are_in_persons_zone(history, american, signed_in):
    prefer(american, time_zone="Asia/Kolkata")
    at = timezone.now() + timedelta(minutes=1)
    store_days(american, [REVISED], at=at, score=1)
    words = expected_clock(str(at.astimezone(ZoneInfo("Asia/Kolkata"))))
    text = text_of(page(signed_in, f"/days/{REVISED}/"))
    assert re.search(rf"Changed at Oura on .* at {words}", text)


READS = (
    "sleep",
    "activity",
    "readiness?format=csv",
    "dashboard",
    "coverage",
    f"days/{days_ago(2)}",
    f"days/{REVISED}",
    f"nights/{REVISED}",
    "marks",
    "types",
    "series/night_heart_rate",
    "trends?measures=readiness.temperature_deviation,activity.equivalent_walking_distance",
)


def answers(*readers):
    return [read(f"/api/v1/{path}") for read in readers for path in READS]


def test_answers_to_programs_stay_as_they_are(history, american, signed_in):
    program = Api()
    program.log_in()
    token = {"Authorization": f"Bearer {program.access}"}

    def by_token(path):
        return program.client.get(path, headers=token).content

    def by_session(path):
        return signed_in.get(path).content

    before = answers(by_token, by_session)
    prefer(american, temperature_unit="°C", distance_unit="km", clock_hours=24)
    after = answers(by_token, by_session)
    assert after == before
    assert any(b" UTC" in each for each in after)


@pytest.mark.parametrize(
    "path", ["/", "/days/", "/days/garbage/", "/trends/", "/account/preferences/", "/nothing/"]
)
def test_preferences_end_with_the_request(american, signed_in, path):
    signed_in.get(path)
    assert preferences.active() == Preferences()
    assert timezone.get_current_timezone_name() == "UTC"


FORMATS = re.compile(r"%H|%I|%X|%c|strftime|\|time\b|\|date:\"[^\"]*[aAfgGhHiPs][^\"]*\"")
# Names of months and days are letters of these formats as well.
OF_DAYS = re.compile(r"\|date:[\"'](?:l, j F|j F Y|j F|Y-m-d|c)[\"']")


def test_only_one_function_writes_times_of_day():
    found = {}
    for path in sorted((ROOT / "dashboard").rglob("*")):
        if path.suffix in (".py", ".html"):
            text = OF_DAYS.sub("", path.read_text())
            if texts := FORMATS.findall(text):
                found[path.name] = texts
    assert found == {}
