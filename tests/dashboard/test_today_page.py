"""The page of today."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import Origin
from dashboard.templatetags.figures import night_of
from ingest.models import METRIC_MODELS, MetricSource
from metrics import ACTIVITY, SLEEP
from oura import connections
from oura.models import Connection
from tests.worlds import (
    days_ago,
    document,
    failed_fetch,
    fetch_completely,
    reject_document,
    store_days,
    store_documents,
    store_nights,
)

pytestmark = pytest.mark.django_db


def page_of(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    return answer.content.decode().replace("\xa0", " ").replace("&nbsp;", " ")


def words(html):
    return " ".join(strip_tags(html.replace("<", " <")).split())


def section(page, heading):
    """Return the words of the card with this heading."""
    [found] = [
        each for each in page.split("<section")[1:] if re.search(rf"<h2[^>]*>{heading}", each)
    ]
    return words("<section" + found.split("</section>")[0])


def tile(page, name):
    return words(page.split(f'<section class="card {name}">')[1].split("</section>")[0])


def figure(page, label):
    """Return the words of the first value with this label."""
    return words(re.split(f"<dt>(?:<a[^>]*>)?{label}(?:</a>)?</dt>", page)[1].split("</div>")[0])


def long_day(day):
    return f"{day.day} {day:%B}"


def store_scores(user, scores, type="sleep", **columns):
    """Store one day for each score, the first of today."""
    for count, score in enumerate(scores):
        store_days(user, [days_ago(count)], type, score=score, **columns)


def test_today_requires_login(db):
    assert Client().get("/").headers["Location"] == "/accounts/login/?next=/"


def test_today_without_data(signed_in):
    assert "Nothing here yet" in signed_in.get("/").content.decode()


def test_today_shows_own_newest_days(signed_in, ana, ben):
    store_days(ana, [days_ago(0)], score=83, duration=27060)
    store_days(ben, [days_ago(0)], score=12)
    page = signed_in.get("/").content.decode()
    assert '<p class="score">83</p>' in page
    assert "7 h 31 min" in page
    assert ">12<" not in page


def test_unknown_value_is_dash_and_not_zero(signed_in, ana):
    store_days(ana, [days_ago(0)], score=None)
    page = signed_in.get("/").content.decode()
    assert '<p class="score">–</p>' in page
    assert "no score from Oura" in page


def test_today_lists_missing_days_with_reasons(signed_in, ana):
    store_days(ana, [days_ago(29), days_ago(3)])
    fetch_completely(ana, days_ago(29), days_ago(3))
    page = signed_in.get("/").content.decode()
    missing = section(page, "What is missing")
    start, end = long_day(days_ago(28)), long_day(days_ago(4))
    assert re.search(rf"{start} to {end} \([^)]*sleep[^)]*\): ring not worn\.", missing)
    assert "Oura has no data of any kind" in missing
    assert "not fetched yet" in missing


def test_today_says_that_nothing_is_missing(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(30)), type_)
    page = signed_in.get("/").content.decode()
    assert section(page, "What is missing") == (
        "What is missing Nothing is missing from the last 30 days."
    )


def test_today_notes_reason_of_stored_day(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(30)), type_)
    reject_document(ana, days_ago(4))
    page = signed_in.get("/").content.decode()
    missing, noted = page.split('<h2 id="noted">')
    assert "Nothing is missing from the last 30 days." in missing
    assert f"<strong>{long_day(days_ago(4))}</strong>" in noted
    assert "A newer version could not be stored." in noted
    assert noted.count("<li>") == 1


def test_today_without_reasons_of_stored_days_has_no_notes(signed_in, ana):
    store_days(ana, [days_ago(1)])
    assert 'id="noted"' not in signed_in.get("/").content.decode()


def test_today_names_values_that_were_left_out(signed_in, ana):
    for count in (1, 2):
        store_days(ana, [days_ago(count)], source={"sleep": []})
    warnings = {"average_hrv": ["wrong"], "contributors.timing": ["wrong"], "day": ["Odd."]}
    MetricSource.objects.filter(day=days_ago(1)).update(warnings=warnings)
    MetricSource.objects.filter(day=days_ago(2)).update(warnings={"efficiency": ["wrong"]})
    page = signed_in.get("/").content.decode()
    assert page.count("Oura sent no usable value for: Average HRV, timing (contributor).") == 1
    assert '<p class="quiet">Odd.</p>' in page
    assert "efficiency." not in page


def test_today_says_when_ring_was_off_all_day(signed_in, ana):
    store_days(ana, [days_ago(3)], "activity", non_wear_minutes=1440)
    noted = signed_in.get("/").content.decode().split('<h2 id="noted">')[1]
    assert f"<strong>{long_day(days_ago(3))}</strong>" in noted
    assert "The ring was off for 24 h 00 min of the day." in noted


def test_today_omits_days_before_ouras_first(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(3)), type_)
    fetch_completely(ana, days_ago(29), days_ago(0))
    assert "Nothing is missing from the last 30 days." in signed_in.get("/").content.decode()


def test_today_omits_days_before_the_first_one_with_the_ring(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, map(days_ago, range(3)), type_)
    assert "Nothing is missing from the last 30 days." in page_of(signed_in)


def test_today_shows_time_of_last_fetch(signed_in, ana, ben):
    page = signed_in.get("/").content.decode()
    assert "etched from Oura" not in page
    at = timezone.now() - timedelta(hours=2)
    fetch_completely(ana, days_ago(9), days_ago(8), at=at)
    fetch_completely(ben, days_ago(9), days_ago(8))
    page = " ".join(signed_in.get("/").content.decode().replace("\xa0", " ").split())
    assert f'Fetched from Oura <time datetime="{at:%Y-%m-%dT%H:%M}' in page
    assert ">2 hours ago</time>" in page


def test_today_says_that_data_are_of_the_sandbox(signed_in, ana):
    Origin.objects.create(user=ana, name="sandbox")
    store_days(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(0))
    page = page_of(signed_in)
    assert "Fetched from the sandbox" in page
    assert "Fetched from Oura" not in page


def test_today_shows_mark(signed_in, ana):
    store_nights(ana, [days_ago(40)], "v1")
    store_nights(ana, [days_ago(5)], "v2")
    mark = f"On {long_day(days_ago(5))} {days_ago(5).year} Oura&#x27;s sleep algorithm changed"
    assert f"{mark} (from v1 to v2): " in signed_in.get("/").content.decode()


def test_today_omits_older_marks(signed_in, ana):
    store_nights(ana, [days_ago(40)], "v1")
    store_nights(ana, [days_ago(30)], "v2")
    assert "algorithm changed" not in signed_in.get("/").content.decode()


# Freshness ----------------------------------------------------------------------------------------


def fetched(user, ago):
    fetch_completely(user, days_ago(9), days_ago(8), at=timezone.now() - ago)


def advice(page):
    found = page.split('<p class="message warning">')
    return words(found[1].split("</p>")[0]) if len(found) > 1 else ""


def bedtimes(end):
    """Return the bedtimes of a night that ended at a moment, two hours east of UTC."""
    there = end.astimezone(timezone.get_fixed_timezone(120))
    start = there - timedelta(hours=8)
    return {
        "bedtime_start": start.isoformat(timespec="seconds"),
        "bedtime_end": there.isoformat(timespec="seconds"),
    }


def ring_data(page):
    return words(page.split("ring data up to")[1].split("</p>")[0])


def test_ring_data_reach_until_end_of_night(signed_in, ana):
    end = timezone.now() - timedelta(minutes=90)
    fetched(ana, timedelta())
    store_days(ana, [days_ago(0)], **bedtimes(end))
    here = end.astimezone(ana.zone)
    page = page_of(signed_in)
    assert f'<time datetime="{here.isoformat(timespec="seconds")}">' in page
    assert ring_data(page).endswith(f"{here:%H:%M}")
    assert advice(page) == ""


def store_activity_until(user, end, day=None, **more):
    """Store an activity day whose classes of five minutes reach until a moment."""
    start = end - timedelta(hours=2)
    day = str(day or days_ago(0))
    source = {
        "id": f"{user} activity {day}",
        "day": day,
        "timestamp": start.isoformat(),
        "class_5_min": "1" * 24,
        **more,
    }
    row = ACTIVITY.map(day, {"daily_activity": [source]})
    assert store_documents(user, [row], "activity").rejected == []


def test_ring_data_reach_until_last_activity(signed_in, ana):
    end = timezone.now().replace(microsecond=0) - timedelta(minutes=20)
    fetched(ana, timedelta())
    store_days(ana, [days_ago(0)], **bedtimes(end - timedelta(hours=5)))
    store_activity_until(ana, end)
    assert f'ring data up to <time datetime="{end.isoformat()}">' in page_of(signed_in)


def test_ring_data_are_no_newer_than_their_fetch(signed_in, ana):
    at = timezone.now()
    fetch_completely(ana, days_ago(9), days_ago(8), at=at)
    store_activity_until(ana, at + timedelta(hours=9))
    assert ring_data(page_of(signed_in)) == f"{at:%H:%M}"


def test_ring_that_was_not_synced_is_said(signed_in, ana):
    fetched(ana, timedelta())
    store_days(ana, [days_ago(2)], **bedtimes(timezone.now() - timedelta(hours=40)))
    page = page_of(signed_in)
    assert advice(page) == "For newer data, open the Oura app with the ring nearby."
    here = (timezone.now() - timedelta(hours=40)).astimezone(ana.zone)
    assert ring_data(page) == f"{here:%a %H:%M}"


def test_old_fetch_is_said_with_what_to_do(signed_in, ana):
    store_days(ana, [days_ago(0)])
    fetched(ana, timedelta(hours=4))
    page = page_of(signed_in)
    assert advice(page).startswith("New data should have come by now: check that myhealth is run")
    assert '<a href="/account/">' in page.split('class="message')[1]


def test_fetch_is_not_old_before_the_schedules_next_run(signed_in, ana, settings):
    settings.COLLECT_SCHEDULE = "17 3 * * *"
    store_days(ana, [days_ago(0)], **bedtimes(timezone.now() - timedelta(hours=22)))
    fetched(ana, timedelta(hours=20))
    assert advice(page_of(signed_in)) == ""


def test_lost_connection_is_said_with_link_to_account(signed_in, ana, connected):
    store_days(ana, [days_ago(0)])
    fetched(ana, timedelta())
    Connection.objects.update(ended="refused")
    page = page_of(signed_in)
    assert advice(page) == (
        "Your connection to Oura was revoked at Oura or has expired. "
        "It brings no new data until you reconnect. Your account"
    )
    assert '<a href="/account/">' in page.split('class="message')[1]


@pytest.fixture
def connected(ana, at_oura):
    return connections.connect(ana, at_oura.code(), "v" * 50).connection


@pytest.mark.parametrize(("hours", "is_said"), [(2, True), (0, False)])
def test_problem_of_run_is_said_until_something_comes(signed_in, ana, connected, hours, is_said):
    store_days(ana, [days_ago(0)])
    fetched(ana, timedelta(hours=hours))
    connected.asked_at = timezone.now() - timedelta(hours=1)
    connected.problem = "Your Oura membership has expired."
    connected.save()
    assert ("Your Oura membership has expired." in advice(page_of(signed_in))) == is_said


def test_first_visit_is_one_card(signed_in):
    page = page_of(signed_in)
    first = section(page, "Nothing here yet")
    assert "This server is not registered at Oura yet" in first
    assert "What is missing" not in page


def test_history_that_is_arriving_is_said(signed_in, ana, connected):
    assert "a few seconds" in section(page_of(signed_in), "Your history is arriving")


def test_fetch_that_brought_nothing_is_said(signed_in, ana):
    fetch_completely(ana, days_ago(9), days_ago(0))
    assert "Oura has no data for you yet." in section(page_of(signed_in), "Nothing here yet")


def test_first_visit_expects_no_day(signed_in, ana):
    fetch_completely(ana, days_ago(29), days_ago(0))
    assert "What is missing" not in page_of(signed_in)


def test_first_visit_shows_failed_fetches(signed_in, ana):
    failed_fetch(ana, days_ago(5), days_ago(5))
    assert "could not be fetched" in section(page_of(signed_in), "What is missing")


def test_first_visit_keeps_failures_apart_from_days_between(signed_in, ana):
    for days in (9, 5):
        failed_fetch(ana, days_ago(days), days_ago(days))
    fetch_completely(ana, days_ago(8), days_ago(6))
    assert section(page_of(signed_in), "What is missing").count("could not be fetched") == 2


def test_failure_before_the_first_day_is_listed(signed_in, ana):
    store_days(ana, [days_ago(count) for count in range(5)], score=80)
    failed_fetch(ana, days_ago(20), days_ago(5))
    assert "could not be fetched" in section(page_of(signed_in), "What is missing")


# Scores -------------------------------------------------------------------------------------------


def test_tile_has_score_and_what_is_usual(signed_in, ana):
    store_scores(ana, [70, *[80, 84] * 10])
    assert tile(page_of(signed_in), "sleep").startswith(
        "Sleep score, trend 70 below your usual 80–84"
    )


def test_page_says_how_many_nights_are_missing_until_usual(signed_in, ana):
    store_scores(ana, [70, 80, 81])
    page = words(page_of(signed_in))
    assert (
        page.count("2 of the 14 nights needed for your usual range.")
        == page.count(" of the 14")
        == 1
    )


def test_tile_leads_to_trend(signed_in, ana):
    store_scores(ana, [70], "readiness")
    assert 'href="/trends/?measure=readiness.score&amp;' in page_of(signed_in)


def test_tile_names_another_day_than_today(signed_in, ana):
    store_days(ana, [days_ago(2)], score=70)
    assert f"70 {days_ago(2):%a}:" in tile(page_of(signed_in), "sleep")


def test_tile_without_row_says_why(signed_in, ana):
    store_days(ana, [days_ago(0)], score=70)
    assert tile(page_of(signed_in), "readiness") == "Readiness score, trend – not fetched yet"


def test_row_much_older_than_others_is_no_news(signed_in, ana):
    store_days(ana, [days_ago(0)], score=70)
    store_days(ana, [days_ago(31)], "readiness", score=44)
    page = page_of(signed_in)
    assert tile(page, "readiness").startswith("Readiness score, trend – ")
    assert "44" not in page.split("<main")[1].split("</main>")[0]


def test_day_under_way_says_so_far(signed_in, ana):
    store_activity_until(ana, timezone.now(), score=61, steps=1240)
    page = page_of(signed_in)
    assert tile(page, "activity").startswith("Activity score, trend 61 so far")
    assert "Activity · today, so far" in section(page, "Activity ·")


def test_day_under_way_without_score_shows_what_there_is(signed_in, ana):
    store_activity_until(ana, timezone.now(), steps=1240)
    assert "– no score yet, 1,240 steps so far" in tile(page_of(signed_in), "activity")


def test_day_under_way_is_not_compared(signed_in, ana):
    store_days(ana, map(days_ago, range(1, 30)), "activity", steps=9000)
    store_activity_until(ana, timezone.now(), steps=1240)
    assert figure(page_of(signed_in), "Steps") == "1,240 so far; a whole day is usually 9,000"


def test_count_so_far_says_that_it_is_above_already(signed_in, ana):
    store_days(ana, map(days_ago, range(1, 30)), "activity", score=60, steps=9000)
    store_activity_until(ana, timezone.now(), score=90, steps=9001)
    page = page_of(signed_in)
    assert figure(page, "Steps") == "9,001 so far; already above your usual 9,000"
    assert "90 so far; a whole day is usually 60" in tile(page, "activity")


def values_of(html):
    """Return the words of each value by its name."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)
    return {words(name): words(value).replace("\xa0", " ") for name, value in found}


@pytest.mark.parametrize("ago", [0, 1])
def test_page_of_the_day_says_the_same(signed_in, ana, ago):
    past = {"score": 70, "steps": 9000, "contributors": {"stay_active": 60}}
    store_days(ana, map(days_ago, range(2, 30)), "activity", **past)
    now = {"score": 61, "steps": 1240, "contributors": {"stay_active": 50}}
    store_days(ana, [days_ago(ago)], "activity", **now)
    today = page_of(signed_in)
    day = signed_in.get(f"/days/{days_ago(ago)}/").content.decode().replace("\xa0", " ")
    of_today = values_of(today.split('id="contributing"')[1].split('id="weeks"')[0])
    of_day = values_of(day)
    assert {"Stay active", "Steps"} <= set(of_today)
    assert {name: of_day[name] for name in of_today} == of_today
    assert tile(today, "activity").replace(f"{days_ago(ago):%a}: ", "") == tile(day, "activity")
    assert ("so far" in tile(day, "activity")) == (ago == 0)


def test_day_with_ring_off_is_not_under_way(signed_in, ana):
    store_days(ana, [days_ago(0)], "activity", score=61, non_wear_minutes=1440)
    assert "so far" not in tile(page_of(signed_in), "activity")


def sparkline(page):
    return page.split('<svg class="spark"')[1].split("</svg>")[0]


def test_sparkline_has_fourteen_days_and_a_gap(signed_in, ana):
    for count in range(20):
        if count != 5:
            store_days(ana, [days_ago(count)], score=70 + count)
    drawn = sparkline(page_of(signed_in))
    assert 'viewBox="0 0 14 100"' in drawn
    assert "From 70 to 83. The newest, from " in words(drawn)
    line = drawn.split('class="median" d="')[1].split('"')[0]
    assert (line.count("M"), line.startswith("M0.5 ")) == (2, True)


def test_sparkline_of_single_value_is_a_point(signed_in, ana):
    store_scores(ana, [70])
    assert 'class="points" d="M13.5 50.0h0"' in sparkline(page_of(signed_in))


def test_sparkline_draws_a_day_between_gaps_as_point(signed_in, ana):
    store_days(ana, map(days_ago, (0, 1, 5)), score=70)
    drawn = sparkline(page_of(signed_in))
    assert 'class="points" d="M8.5 50.0h0"' in drawn


def test_sparkline_does_not_cross_mark(signed_in, ana):
    store_nights(ana, map(days_ago, range(5, 40)), "v1")
    store_nights(ana, map(days_ago, range(5)), "v2")
    drawn = sparkline(page_of(signed_in))
    assert drawn.split('class="median" d="')[1].split('"')[0].count("M") == 2


# Last night ---------------------------------------------------------------------------------------


def test_night_has_values_beside_what_is_usual(signed_in, ana):
    store_days(ana, map(days_ago, range(1, 40)), duration=27000, lowest_heart_rate=50)
    store_days(ana, [days_ago(0)], duration=23460, lowest_heart_rate=50)
    page = page_of(signed_in)
    assert figure(page, "Asleep") == "6 h 31 min below your usual 7 h 30 min"
    assert figure(page, "Lowest heart rate") == "50 bpm your usual 50"


def test_night_has_values_of_all_types_of_that_night(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000)
    store_days(ana, [days_ago(0)], "readiness", temperature_deviation=-0.2)
    assert "Temperature −0.20 °C" in section(page_of(signed_in), "Last night")


def test_night_leads_to_its_page(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000)
    assert f'href="/nights/{days_ago(0)}/"' in page_of(signed_in)


def test_older_night_is_named_and_last_one_explained(signed_in, ana):
    store_days(ana, [days_ago(2)], duration=27000)
    fetch_completely(ana, days_ago(2), days_ago(0))
    day = days_ago(2)
    night = section(page_of(signed_in), "Night of")
    assert f"Night of {night_of(day, ana.today())}" in night
    assert "Last night: not synced yet." in night


def test_nap_is_not_compared_with_nights(signed_in, ana):
    store_nights(ana, map(days_ago, range(1, 40)))
    store_nights(ana, [days_ago(0)], type="late_nap", total_sleep_duration=2400)
    assert figure(page_of(signed_in), "Asleep") == "40 min usually 6 h 57 min"


def test_nap_says_why_it_is_not_compared(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=2400, main_type="late_nap")
    nap = section(page_of(signed_in), "Sleep · today")
    assert "Averages, except of scores, leave out days without a night." in nap


def test_night_without_its_sleep_says_so(signed_in, ana):
    store_days(ana, [days_ago(1)], duration=27000)
    store_days(ana, [days_ago(0)], "readiness", temperature_deviation=-0.2)
    assert "Sleep: not fetched yet." in section(page_of(signed_in), "Last night")


def test_night_has_no_remarks_of_another(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000)
    store_days(ana, [days_ago(12)], "readiness", source={"daily_readiness": None})
    MetricSource.objects.update(warnings={"temperature_deviation": ["wrong"]})
    assert "no usable value" not in section(page_of(signed_in), "Last night")


def test_complete_night_says_nothing_of_missing_sleep(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000)
    store_days(ana, [days_ago(0)], "readiness", temperature_deviation=-0.2)
    assert "not fetched yet" not in section(page_of(signed_in), "Last night")


def test_usual_that_is_unknown_is_said_once_of_all_types(signed_in, ana):
    store_days(ana, map(days_ago, range(4)), duration=27000, contributors={"timing": 3}, score=80)
    store_days(ana, map(days_ago, range(4)), "readiness", score=80)
    store_days(ana, map(days_ago, range(6)), "activity", score=80, steps=9000)
    page = words(page_of(signed_in))
    assert page.count(" needed for your") == 2
    assert (
        "Sleep, readiness: 3 of the 14 nights needed for your usual range; "
        "activity: 5 of the 14 days needed for your usual range."
    ) in page


def test_score_that_could_not_be_stored_is_said(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000, source={"sleep": []})
    MetricSource.objects.update(warnings={"score": ["wrong"]})
    assert "could not be stored" in tile(page_of(signed_in), "sleep")


def test_value_that_was_never_known_is_left_out(signed_in, ana):
    store_days(ana, [days_ago(0)], duration=27000)
    assert "Efficiency" not in section(page_of(signed_in), "Last night")


def test_unknown_value_stands_beside_what_is_usual(signed_in, ana):
    store_days(ana, map(days_ago, range(1, 30)), duration=27000, average_hrv=40)
    store_days(ana, [days_ago(0)], duration=27000)
    assert figure(page_of(signed_in), "Average HRV") == "– usually 40"


def test_night_without_values_is_said(signed_in, ana):
    store_days(ana, [days_ago(0)], score=70)
    assert "There are no values for this night." in section(page_of(signed_in), "Last night")


def test_stages_are_drawn(signed_in, ana):
    end = datetime.combine(days_ago(0), datetime.min.time(), UTC) + timedelta(hours=7)
    store_nights(
        ana,
        [days_ago(0)],
        sleep_phase_5_min="4" * 12 + "2" * 24 + "1" * 24 + "3" * 36,
        **bedtimes(end),
    )
    page = page_of(signed_in)
    drawn = page.split('<figure class="strip stages">')[1].split("</figure>")[0]
    assert 'viewBox="0 0 28800 100"' in drawn
    bars = re.findall(r'<path class="(\w+)" d="M(\d+) [\d.]+h(\d+)', drawn)
    assert bars == [
        ("awake", "0", "3600"),
        ("rem", "18000", "10800"),
        ("light", "3600", "7200"),
        ("deep", "10800", "7200"),
    ]
    assert words(drawn).endswith("01:00 09:00")
    key = page.split('<ul class="key stages">')[1].split("</ul>")[0]
    assert words(key) == "Awake REM Light Deep"


def test_change_of_the_clock_is_said_below_the_strip(signed_in, ana):
    start = datetime.combine(days_ago(1), datetime.min.time(), UTC) + timedelta(hours=22)
    store_nights(
        ana,
        [days_ago(0)],
        sleep_phase_5_min="2" * 84,
        bedtime_start=f"{start:%Y-%m-%dT%H:%M:%S}+01:00",
        bedtime_end=f"{days_ago(0)}T06:00:00+02:00",
    )
    assert "The clock was changed during this sleep." in section(page_of(signed_in), "Last night")


def test_very_many_stages_make_no_large_page(signed_in, ana):
    end = datetime.combine(days_ago(0), datetime.min.time(), UTC) + timedelta(hours=7)
    start = (end - timedelta(hours=50)).isoformat()
    times = {"bedtime_start": start, "bedtime_end": end.isoformat()}
    store_nights(ana, [days_ago(0)], sleep_phase_30_sec="42" * 3000, **times)
    assert "<figure" in (page := page_of(signed_in))
    assert len(page) < 50_000


def test_night_without_stages_has_no_strip(signed_in, ana):
    store_nights(ana, [days_ago(0)])
    assert "<figure" not in page_of(signed_in)


# Contributors -------------------------------------------------------------------------------------


def test_contributors_are_shown_lowest_first(signed_in, ana):
    values = {"timing": 58, "total_sleep": 52, "efficiency": 90, "latency": None}
    store_days(ana, [days_ago(0)], score=71, contributors=values)
    pulled = section(page_of(signed_in), "What the scores are made of")
    assert "Sleep 71 Total sleep 52 Timing 58 Efficiency 90" in pulled


def store_contributors(user, usual, values, type="sleep", **columns):
    store_days(user, map(days_ago, range(1, 30)), type, score=80, contributors=usual)
    store_days(user, [days_ago(0)], type, contributors=values, **columns)


def contributors(page):
    """Return the words about contributors, and those that are folded."""
    shown = page.split('id="contributing"')[1].split("</section>")[0]
    first, _, folded = shown.partition("<details>")
    return words(first), words(folded)


def test_contributor_below_usual_is_marked_in_words(signed_in, ana):
    usual, values = {"timing": 90, "latency": 80}, {"timing": 60, "latency": 80}
    store_contributors(ana, usual, values, score=71)
    first, folded = contributors(page_of(signed_in))
    assert "Timing below your usual 90 60 Latency your usual 80 80" in first


def test_usual_range_of_a_hundred_is_seen(signed_in, ana):
    store_contributors(ana, {"timing": 100}, {"timing": 100}, score=71)
    assert 'class="usual" x="99%" width="1%"' in page_of(signed_in)


def test_all_contributors_below_usual_are_shown_first(signed_in, ana):
    values = {"timing": 60, "latency": 70, "efficiency": 71, "deep_sleep": 72, "rem_sleep": 50}
    usual = {**dict.fromkeys(values, 90), "rem_sleep": 50}
    store_contributors(ana, usual, values, score=71)
    first, folded = contributors(page_of(signed_in))
    names = re.findall(r"(\w+) below your usual", first)
    assert (names, "REM" in first) == (["Timing", "Latency", "Efficiency", "sleep"], False)
    assert folded.startswith(
        "All contributors to the sleep score REM sleep your usual 50 50 Timing"
    )


def test_few_contributors_below_usual_are_followed_by_lowest(signed_in, ana):
    values = {"timing": 40, "latency": 50, "efficiency": 60, "deep_sleep": 95}
    store_contributors(ana, {**values, "deep_sleep": 99}, values, score=71)
    first, _ = contributors(page_of(signed_in))
    assert ("Timing" in first, "Latency" in first, "Efficiency" in first) == (True, True, False)
    assert "Deep sleep below your usual 99 95" in first


@pytest.mark.parametrize(
    ("score", "heading"),
    [(79, "What pulled the sleep score down"), (80, "What the scores are made of")],
)
def test_contributors_pull_down_what_is_below_usual(signed_in, ana, score, heading):
    store_contributors(ana, {"timing": 60}, {"timing": 60}, score=score)
    assert "Timing your usual 60 60" in section(page_of(signed_in), heading)


def test_heading_names_all_scores_below_usual(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_contributors(ana, {"timing": 60}, {"timing": 60}, type=type_, score=70)
    heading = "What pulled the sleep and readiness scores down"
    assert "Timing" in section(page_of(signed_in), heading)


def test_contributors_of_night_are_first(signed_in, ana):
    store_days(ana, [days_ago(0)], "readiness", score=71, contributors={"hrv_balance": 60})
    store_days(ana, [days_ago(0)], "activity", score=71, contributors={"stay_active": 50})
    pulled = section(page_of(signed_in), "What the scores are made of")
    assert pulled.index("Readiness 71 HRV balance 60") < pulled.index("Activity 71 Stay active")


def test_contributors_of_another_day_name_it(signed_in, ana):
    store_days(ana, [days_ago(0)], score=80)
    day = days_ago(12)
    store_days(ana, [day], "readiness", score=71, contributors={"hrv_balance": 60})
    pulled = section(page_of(signed_in), "What the scores are made of")
    assert f"Readiness 71 · {day:%A}, {long_day(day)} HRV balance" in pulled.replace(
        f" {day.year}", ""
    )


# Weeks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (25920, 27060, "7 h 12 min 19 min less than the 7 days before (7 h 31 min)"),
        (27060, 27060, "7 h 31 min the same as the 7 days before"),
        (27061, 27059, "7 h 31 min the same as the 7 days before"),
    ],
)
def test_week_is_compared_with_the_one_before(signed_in, ana, now, before, text):
    store_days(ana, map(days_ago, range(7)), duration=now)
    store_days(ana, map(days_ago, range(7, 14)), duration=before)
    assert figure(page_of(signed_in), "Sleep per night") == text


def test_difference_of_weeks_is_that_of_shown_values(signed_in, ana):
    store_scores(ana, [*[75] * 6, 76, *[77] * 4, *[76] * 3])
    assert figure(page_of(signed_in), "Sleep score") == "75 2 less than the 7 days before (77)"


@pytest.mark.parametrize(("ago", "is_comparable"), [(13, True), (12, False), (0, False)])
def test_weeks_across_a_mark_are_not_compared(signed_in, ana, ago, is_comparable):
    store_nights(ana, map(days_ago, range(ago + 1, 20)), "v1")
    store_nights(ana, map(days_ago, range(ago + 1)), "v2")
    text = (
        "the same as the 7 days before"
        if is_comparable
        else "not comparable with 80 in the 7 days before (new sleep algorithm)"
    )
    assert figure(page_of(signed_in), "Sleep score") == f"80 {text}"


@pytest.mark.parametrize(("columns", "said"), [({}, "no score yet"), ({"score": 61}, "so far")])
def test_day_under_way_without_values_is_not_full(signed_in, ana, columns, said):
    store_days(ana, map(days_ago, range(1, 9)), "activity", steps=9000)
    store_activity_until(ana, timezone.now(), **columns)
    page = page_of(signed_in)
    assert "Activity: 6 of 7 days count, and 2 of the 7 before." in section(page, "Last 7 days")
    assert said in tile(page, "activity")


def test_week_without_another_before_is_not_compared(signed_in, ana):
    store_days(ana, map(days_ago, range(7)), score=77)
    assert figure(page_of(signed_in), "Sleep score") == "77"


@pytest.mark.parametrize(("days", "is_compared"), [(3, False), (4, True)])
def test_week_is_compared_with_half_a_week(signed_in, ana, days, is_compared):
    store_days(ana, map(days_ago, range(7 + days)), score=77)
    found = figure(page_of(signed_in), "Sleep score")
    assert found == ("77 the same as the 7 days before" if is_compared else "77")


def test_last_seven_days_are_no_calendar_week(signed_in, ana):
    store_days(ana, map(days_ago, range(7)), score=77)
    assert section(page_of(signed_in), "Last 7 days").startswith("Last 7 days Calendar weeks ›")


def test_week_says_how_many_full_days_it_has(signed_in, ana):
    store_days(ana, map(days_ago, range(1, 9)), "activity", steps=9000)
    store_activity_until(ana, timezone.now(), steps=1240)
    weeks = section(page_of(signed_in), "Last 7 days")
    assert "Activity: 6 of 7 days count, and 2 of the 7 before." in weeks
    assert (
        "Averages, except of scores, leave out days in progress, and days with the ring off."
        in weeks
    )


def test_weeks_of_full_days_say_nothing_of_them(signed_in, ana):
    store_days(ana, map(days_ago, range(14)), duration=27000)
    assert "days count" not in section(page_of(signed_in), "Last 7 days")


# What is missing ----------------------------------------------------------------------------------


def test_more_than_three_missing_ranges_are_folded(signed_in, ana):
    for type_ in METRIC_MODELS:
        stored = [day for count in range(30) if (day := days_ago(count)) and count % 6 != 3]
        store_days(ana, stored, type_)
    fetch_completely(ana, days_ago(29), days_ago(0))
    page = page_of(signed_in)
    open_ones, folded = page.split('<h2 id="missing">')[1].split("<summary>")
    assert (open_ones.count("<li>"), folded.split("</details>")[0].count("<li>")) == (3, 2)
    assert folded.startswith("2 more<")


def test_same_gap_of_all_types_is_one_line(signed_in, ana):
    for type_ in METRIC_MODELS:
        store_days(ana, [days_ago(count) for count in range(30) if count != 4], type_)
    fetch_completely(ana, days_ago(29), days_ago(0))
    missing = section(page_of(signed_in), "What is missing")
    assert missing.count(long_day(days_ago(4))) == 1
    assert "(" not in missing


def test_gap_of_some_types_names_them(signed_in, ana):
    store_days(ana, map(days_ago, range(30)))
    store_days(ana, map(days_ago, range(30)), "readiness")
    store_days(ana, [days_ago(count) for count in range(30) if count != 4], "activity")
    fetch_completely(ana, days_ago(29), days_ago(0))
    assert f"{long_day(days_ago(4))} (activity): " in section(page_of(signed_in), "What is missing")


# Other days ---------------------------------------------------------------------------------------


def test_page_leads_to_yesterday_and_any_day(signed_in, ana):
    store_days(ana, [days_ago(0)])
    page = page_of(signed_in)
    assert f'href="/days/{days_ago(1)}/" rel="prev"' in page
    assert '<form class="line" action="/days/">' in page


def test_page_is_shown_for_data_that_ended_long_ago(signed_in, ana):
    store_days(ana, map(days_ago, range(900, 930)), score=80, duration=27000)
    page = page_of(signed_in)
    assert "80" in tile(page, "sleep")
    assert figure(page, "Asleep") == "7 h 30 min your usual 7 h 30 min"


def test_day_that_begins_in_the_east_is_shown(signed_in, ana):
    store_days(ana, [days_ago(-1)], score=80, duration=27000)
    assert "80" in tile(page_of(signed_in), "sleep")


def test_day_that_begins_in_the_east_hides_no_own_day(signed_in, ana):
    store_days(ana, [days_ago(-1)], score=80, duration=27000)
    store_days(ana, [days_ago(0)], score=70, duration=27060)
    page = page_of(signed_in)
    assert "70" in tile(page, "sleep")
    assert f'href="/nights/{days_ago(0)}/"' in page


def test_day_after_tomorrow_is_not_shown(signed_in, ana):
    day = ana.today() + timedelta(days=2)
    store_documents(ana, [document(day, score=80)], now=timezone.now() + timedelta(days=2))
    assert METRIC_MODELS["sleep"].objects.filter(day=day).exists()
    assert "Nothing here yet" in page_of(signed_in)


def test_strange_documents_do_not_break_the_page(signed_in, ana):
    sleep = {"id": "s", "day": str(days_ago(0)), "score": 80, "contributors": {"timing": 12}}
    period = {
        "id": "p",
        "type": "long_sleep",
        "total_sleep_duration": "long",
        "sleep_phase_5_min": 7,
        "bedtime_start": "noon",
        "bedtime_end": [],
        "heart_rate": "none",
    }
    row = SLEEP.map(str(days_ago(0)), {"daily_sleep": [sleep], "sleep": [period]})
    store_documents(ana, [row])
    store_documents(ana, [document(days_ago(0), source="odd")], "activity")
    page = page_of(signed_in)
    assert "80" in tile(page, "sleep")
    assert "Oura sent no usable value for: " in page
