"""The page of a day."""

import datetime
import re
from html import unescape

import pytest

from ingest.models import MetricSource
from metrics import ACTIVITY, TYPES
from metrics.series import Run, Series
from tests.dashboard.html import text_of
from tests.worlds import (
    days_ago,
    fetch_completely,
    reject_document,
    store_days,
    store_nights,
)

pytestmark = pytest.mark.django_db
DAY = datetime.date(2026, 3, 2)
OVER = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC)


def before(day, count):
    return day - datetime.timedelta(days=count)


def html_of(browser, day=DAY):
    answer = browser.get(f"/days/{day}/")
    assert answer.status_code == 200
    return answer.content.decode()


def card_of(browser, name="sleep", day=DAY):
    return html_of(browser, day).split(f'id="{name}"')[1].split("</section>")[0]


def words_of(browser, name="sleep", day=DAY):
    return text_of(card_of(browser, name, day))


def tile_of(browser, name="sleep", day=DAY):
    html = html_of(browser, day).split(f'<section class="card {name}">')[1]
    return text_of(html.split("</section>")[0])


def store_past(user, count, type="sleep", *, day=DAY, **columns):
    """Store so many days before the day, all over when fetched."""
    days = [before(day, number) for number in range(1, count + 1)]
    store_days(user, days, type, at=OVER, **columns)


def store_activity(user, classes, *, day=DAY, start="04:00:00+02:00", at=OVER, **columns):
    document = {"timestamp": f"{day}T{start}", "class_5_min": classes}
    source = {"daily_activity": document}
    store_days(user, [day], "activity", at=at, source=source, **columns)


# Addresses ----------------------------------------------------------------------------------------


def test_day_requires_login(client):
    assert client.get(f"/days/{DAY}/").headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    "day", ["2009-12-31", "0001-01-01", "9999-12-31", "2026-02-30", "20260302", "today", "2026-3-2"]
)
def test_day_that_no_page_has_is_not_found(signed_in, day):
    assert signed_in.get(f"/days/{day}/").status_code == 404


def test_first_day_has_no_day_before(signed_in):
    page = html_of(signed_in, "2010-01-01")
    assert ('rel="prev"' in page, 'href="/days/2010-01-02/" rel="next"' in page) == (False, True)


def test_arrow_to_tomorrow_needs_something_stored(signed_in, ana):
    today = html_of(signed_in, ana.today())
    assert ('rel="next"' in today, f'max="{ana.today()}"' in today) == (False, True)
    store_days(ana, [days_ago(-1)], "activity", steps=5)
    assert f'href="/days/{days_ago(-1)}/" rel="next"' in html_of(signed_in, ana.today())


def test_tomorrow_has_not_begun(signed_in, ana):
    store_days(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(-1))
    tomorrow = text_of(html_of(signed_in, days_ago(-1)))
    assert "This day hasn't begun yet." in tomorrow
    assert "fetched before it was over" not in tomorrow


def test_tomorrow_has_no_day_after(signed_in):
    page = html_of(signed_in, days_ago(-1))
    assert (f'href="/days/{days_ago(0)}/" rel="prev"' in page, 'rel="next"' in page) == (
        True,
        False,
    )
    assert signed_in.get(f"/days/{days_ago(-2)}/").status_code == 404


def test_form_leads_to_day(signed_in):
    assert signed_in.get("/days/", {"day": str(DAY)}).headers["Location"] == f"/days/{DAY}/"


@pytest.mark.parametrize("day", [None, "", "soon", "1/2", "2026-02-30", "1999-01-01", "9999-12-31"])
def test_form_with_bad_day_leads_to_today(signed_in, day):
    query = {} if day is None else {"day": day}
    assert signed_in.get("/days/", query).headers["Location"] == f"/days/{days_ago(0)}/"


def test_day_of_another_person_is_not_seen(signed_in, ana, ben):
    store_days(ana, [before(DAY, 9)])
    store_days(ben, [DAY], score=12, at=OVER)
    page = text_of(html_of(signed_in))
    assert (" 12 " in page, page.count("Not fetched yet.")) == (False, len(TYPES))


# What there is ------------------------------------------------------------------------------------


def test_day_has_each_column_with_its_unit(signed_in, ana):
    store_days(
        ana,
        [DAY],
        score=71,
        duration=23460,
        lowest_heart_rate=49,
        average_breath=14.26,
        bedtime_start="2026-03-01T23:12:00+02:00",
        main_type="long_sleep",
        at=OVER,
    )
    words = words_of(signed_in)
    for each in (
        "Asleep 6 h 31 min",
        "Lowest heart rate 49 bpm",
        "Breathing rate 14.3 breaths/min",
        "Bedtime 23:12",
        "Kind of sleep Long sleep",
    ):
        assert each in words


def test_score_stands_in_its_tile_alone(signed_in, ana):
    store_days(ana, [DAY], score=71, duration=23460, at=OVER)
    assert tile_of(signed_in).startswith("Sleep score, trend 71 Sleep score, 14 days")
    assert ("71" in words_of(signed_in), "Score" in words_of(signed_in)) == (False, False)


def test_null_is_a_dash(signed_in, ana):
    store_days(ana, [DAY], score=71, duration=26000, at=OVER)
    assert "Average HRV –" in words_of(signed_in)


def test_day_without_score_says_so(signed_in, ana):
    store_days(ana, [DAY], duration=20000, at=OVER)
    assert "Oura has no score for this day." in words_of(signed_in)
    assert tile_of(signed_in) == "Sleep score, trend – no score from Oura"


def test_value_is_compared_with_what_is_usual(signed_in, ana):
    store_past(ana, 20, score=80, duration=26000)
    store_days(ana, [DAY], score=71, duration=26000, at=OVER)
    assert "71 below your usual 80" in tile_of(signed_in)
    assert "Asleep 7 h 13 min your usual 7 h 13" in words_of(signed_in)


def test_unknown_usual_is_said_once_a_page(signed_in, ana):
    values = {"duration": 26000, "contributors": {"timing": 60}}
    store_past(ana, 9, score=80, **values)
    store_days(ana, [DAY], score=71, **values, at=OVER)
    words = text_of(html_of(signed_in))
    assert (
        words.count("9 of the 14 nights needed for your usual range.")
        == words.count(" of the 14")
        == 1
    )


def test_score_that_could_not_be_stored_is_said(signed_in, ana):
    store_days(ana, [DAY], duration=20000, at=OVER, source={"sleep": []})
    MetricSource.objects.update(warnings={"score": ["wrong"]})
    assert "Oura's score for this day could not be stored." in words_of(signed_in)
    assert "Oura has no score" not in words_of(signed_in)
    assert "could not be stored" in tile_of(signed_in)


def test_day_with_score_alone_lists_no_dashes(signed_in, ana):
    store_past(ana, 20, duration=26000, score=80)
    store_days(ana, [DAY], score=71, at=OVER)
    assert "Asleep" not in words_of(signed_in)


def test_dash_has_what_is_usual_beside_it(signed_in, ana):
    store_past(ana, 20, score=80, average_hrv=40)
    store_days(ana, [DAY], score=71, duration=26000, at=OVER)
    assert "Average HRV – usually 40" in words_of(signed_in)


def test_each_measure_leads_to_its_trend(signed_in, ana):
    store_days(ana, [DAY], score=71, duration=1, contributors={"timing": 80}, at=OVER)
    page = unescape(html_of(signed_in))
    for name in ("sleep.score", "sleep.duration", "sleep.contributors.timing"):
        assert f'"/trends/?measure={name}&period=90d&end={DAY}"' in page


def test_sleep_leads_to_its_night(signed_in, ana):
    store_days(ana, [DAY], "readiness", score=71, at=OVER)
    assert f"/nights/{DAY}/" not in html_of(signed_in)
    store_days(ana, [DAY], score=71, at=OVER)
    assert f"/nights/{DAY}/" in html_of(signed_in)


def test_contributors_are_bars_lowest_first(signed_in, ana):
    store_past(ana, 20, contributors={"timing": 60}, score=80)
    store_days(ana, [DAY], score=71, contributors={"latency": 95, "timing": 58}, at=OVER)
    bars = card_of(signed_in).split("Contributors")[1]
    words = text_of(bars)
    assert words.index("Timing below your usual 60 58") < words.index("Latency 0 of the 14")
    assert words.index("Latency") < words.index("Efficiency")
    assert '<rect class="usual" x="60.0%" width="1%"' in bars
    assert '<rect width="58.0%"' in bars


def test_contributor_that_oura_invents_is_shown(signed_in, ana):
    store_days(ana, [DAY], score=71, contributors={"moon_phase": 33}, at=OVER)
    card = card_of(signed_in)
    assert ("Moon phase 33" in text_of(card), "moon_phase" in card) == (True, False)


# Days that are not like others --------------------------------------------------------------------


def test_day_under_way_is_so_far(signed_in, ana):
    store_past(ana, 20, "activity", steps=9000, score=80)
    at = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)
    store_activity(ana, "1" * 96, at=at, steps=1240)
    words = words_of(signed_in, "activity")
    assert "Steps 1,240 so far; a whole day is usually 9,000" in words
    assert "Oura has no score for this day yet." in words


def test_day_with_ring_off_is_not_under_way(signed_in, ana):
    store_past(ana, 20, "activity", steps=9000)
    store_days(ana, [DAY], "activity", at=OVER, steps=10, non_wear_minutes=1300)
    words = words_of(signed_in, "activity")
    assert "Steps 10 usually 9,000" in words
    assert "The ring was off for 21 h 40 min of the day." in words
    assert "so far" not in words


def test_day_with_naps_alone_says_that_it_is_not_counted(signed_in, ana):
    store_days(ana, [DAY], at=OVER, duration=3000, main_type="late_nap")
    assert "Averages, except of scores, leave out days without a night." in words_of(signed_in)


def test_day_with_nothing_says_why_and_nothing_else(signed_in, ana):
    store_past(ana, 2)
    store_days(ana, [DAY + datetime.timedelta(days=2)], at=OVER)
    fetch_completely(ana, before(DAY, 2), DAY, at=OVER)
    page = html_of(signed_in)
    assert words_of(signed_in).endswith(
        "Ring not worn. Oura has no data of any kind, although later days have "
        "arrived: the ring was not worn, or its battery was empty."
    )
    assert ("<dl" in page, "<svg" in page, 'class="tiles"' in page) == (False, False, False)


def test_rejected_day_says_so(signed_in, ana):
    reject_document(ana, DAY)
    assert "Could not be stored. Oura sent data that can't be stored" in words_of(signed_in)


def test_stored_day_has_its_reason(signed_in, ana):
    store_days(ana, [DAY], score=71, at=OVER)
    reject_document(ana, DAY)
    assert "A newer version could not be stored." in words_of(signed_in)


def test_values_that_were_left_out_are_named(signed_in, ana):
    store_days(ana, [DAY], at=OVER, source={"sleep": []})
    warnings = {"average_hrv": ["wrong"], "contributors.timing": ["wrong"], "day": ["Odd."]}
    MetricSource.objects.update(warnings=warnings)
    words = words_of(signed_in)
    assert "Oura sent no usable value for: Average HRV, timing (contributor)." in words
    assert ("Odd." in words, "wrong" in words) == (True, False)


def test_day_with_mark_says_so(signed_in, ana):
    store_nights(ana, [before(DAY, 1)], "v1")
    store_nights(ana, [DAY, DAY + datetime.timedelta(days=1)], "v2")
    mark = "On 2 March 2026 Oura's sleep algorithm changed (from v1 to v2)"
    assert mark in words_of(signed_in)
    assert "algorithm changed" not in words_of(signed_in, day=DAY + datetime.timedelta(days=1))


# What it was before -------------------------------------------------------------------------------


def store_version(user, *, days=0, type="sleep", **columns):
    store_days(user, [DAY], type, at=OVER + datetime.timedelta(days=days), **columns)


def test_earlier_version_is_put_into_words(signed_in, ana):
    ana.time_zone = "Europe/Berlin"
    ana.save()
    period = {"type": "long_sleep", "bedtime_start": "2026-03-01T23:00:00+01:00"}
    edited = {"bedtime_start": "2026-03-01T23:30:00+01:00", "sleep_analysis_reason": "bedtime_edit"}
    source = {"daily_sleep": {}, "sleep": [period]}
    columns = {"average_hrv": 40, "contributors": {"timing": 60}, "main_type": "long_sleep"}
    store_version(ana, score=71, source=source, **columns)
    source = {"daily_sleep": {}, "sleep": [period | edited]}
    columns = {"duration": 26000, "contributors": {"timing": 65}, "main_type": "late_nap"}
    store_version(ana, days=1, score=74, source=source, **columns)
    words = words_of(signed_in).split("Earlier versions ")[1]
    assert words.startswith("Changed at Oura on 5 March at 13:00: score 71 before, 74 now; ")
    assert "; asleep unknown before, 7 h 13 min now; " in words
    assert "; average HRV 40 ms before, unknown now; " in words
    assert "; kind of sleep Long sleep before, Late nap now; " in words
    assert "; timing (contributor) 60 before, 65 now; " in words
    assert words.endswith("; bedtime edited.")


def test_newest_earlier_version_is_first_and_only_it_says_now(signed_in, ana):
    for days, score in enumerate((70, 75, 77)):
        store_version(ana, days=days, score=score)
    words = words_of(signed_in).split("Earlier versions ")[1]
    assert words == (
        "Changed at Oura on 6 March at 12:00: score 75 before, 77 now. "
        "Changed at Oura on 5 March at 12:00: score 70 before, 75 after."
    )


def test_version_that_came_back_says_how_often(signed_in, ana):
    for days, score in enumerate((70, 75, 70, 75)):
        store_version(ana, days=days, score=score)
    assert "score 70 before, 75 now; this version was replaced 2 times." in words_of(signed_in)


def test_change_that_rounds_to_nothing_has_no_values(signed_in, ana):
    store_version(ana, average_breath=14.21)
    store_version(ana, days=1, average_breath=14.22)
    words = words_of(signed_in).split("Earlier versions ")[1]
    assert words == "Changed at Oura on 5 March at 12:00: only details that are not shown here."


def test_removed_day_says_what_it_had(signed_in, ana):
    store_version(ana, score=70)
    store_days(ana, [before(DAY, -3)], id=f"ana sleep {DAY}", at=OVER)
    assert "Removed at Oura on" in words_of(signed_in)
    assert "score 70 before" in words_of(signed_in)


def test_other_types_and_people_have_their_own_past(signed_in, ana, ben):
    for days, score in enumerate((70, 75)):
        store_version(ana, days=days, score=score)
        store_version(ben, days=days, score=score + 5, type="readiness")
    assert html_of(signed_in).count("Earlier versions") == 1


# Hours --------------------------------------------------------------------------------------------


def rows_of(card):
    return [text_of(row).split() for row in card.split("<tbody>")[1].split("</tr>")[:-1]]


def test_activity_is_shown_by_hour_of_wearers_clock(signed_in, ana):
    # An hour at rest, then half an hour of each.
    store_activity(ana, "1" * 12 + "2" * 6 + "3" * 3 + "5" * 3, start="04:00:00+09:00", score=80)
    card = card_of(signed_in, "activity")
    assert [text_of(each) for each in re.findall(r"<th scope=\"col\">.*?</th>", card)] == [
        "From",
        *("High activity", "Medium activity", "Low activity", "Inactive", "Rest", "Ring off"),
    ]
    assert rows_of(card) == [
        ["04:00", "0", "0", "0", "0", "60", "0"],
        ["05:00", "15", "0", "15", "30", "0", "0"],
    ]
    assert "05:00: high activity 15 min, low activity 15 min, inactive 30 min" in card


def test_hours_with_ring_off_are_seen(signed_in, ana):
    store_activity(ana, "0" * 12, score=80)
    card = card_of(signed_in, "activity")
    assert "04:00: ring off 60 min" in card
    assert 'height="160.0" fill="url(#activity-activity_class-first)"' in card


def test_hours_end_when_they_were_fetched(signed_in, ana):
    at = datetime.datetime(2026, 3, 2, 4, 30, tzinfo=datetime.UTC)
    store_activity(ana, "1" * 12 * 24, at=at, score=80)
    assert rows_of(card_of(signed_in, "activity"))[-1][0] == "06:00"


def test_day_of_travel_has_all_its_hours(signed_in, ana):
    store_activity(ana, "1" * 12 * 30, score=80)
    assert len(rows_of(card_of(signed_in, "activity"))) == 30


@pytest.mark.parametrize("classes", [None, "", 7, [1], {}, "xyz", "1" * 100_000])
def test_strange_classes_cost_only_their_chart(signed_in, ana, classes):
    store_activity(ana, classes, steps=80)
    card = card_of(signed_in, "activity")
    assert ("by hour" in card, "Steps 80" in text_of(card)) == (False, True)


@pytest.mark.parametrize("start", ["", "x", "25:00:00+01:00", "04:00:00"])
def test_strange_start_costs_only_the_chart(signed_in, ana, start):
    store_activity(ana, "1" * 12, start=start, score=80)
    assert "by hour" not in card_of(signed_in, "activity")


def test_strange_source_costs_only_the_chart(signed_in, ana):
    store_days(ana, [DAY], "activity", steps=80, source={"daily_activity": [1]}, at=OVER)
    assert "Steps 80" in words_of(signed_in, "activity")


def test_chart_comes_from_the_declaration(signed_in, ana, monkeypatch):
    store_activity(ana, "1" * 12, score=80)
    monkeypatch.setattr(ACTIVITY, "series", ())
    assert "by hour" not in card_of(signed_in, "activity")


def test_other_type_with_categories_gets_a_chart(signed_in, ana, monkeypatch):
    store_days(
        ana, [DAY], "activity", score=80, source={"daily_activity": {"mood": "ab?"}}, at=OVER
    )
    start = datetime.datetime(2026, 3, 2, 4, 30, tzinfo=datetime.UTC)

    def read(source):
        yield Run(start, 1200, list(source["daily_activity"]["mood"]))

    mood = Series("mood", "Mood", "", "How it was", read, names={"a": "calm", "b": "lively"})
    monkeypatch.setattr(ACTIVITY, "series", (mood,))
    card = card_of(signed_in, "activity")
    assert "Mood by hour" in card
    assert rows_of(card) == [["04:00", "20", "20"]]
