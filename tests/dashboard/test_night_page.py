"""The page of a night."""

import re
from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from dashboard.templatetags.figures import night_of
from ingest.models import SleepMetric
from tests.dashboard.html import text_of
from tests.dashboard.test_nights import DAY, END, NAP_END, START, nap, period, store_night
from tests.demo import store_history
from tests.worlds import days_ago, fetch_completely, reject_document, store_days, store_nights

pytestmark = pytest.mark.django_db
SECONDS = 8 * 3600
STAGES = {
    "time_in_bed": SECONDS,
    "efficiency": 83,
    "awake_time": 4860,
    "rem_sleep_duration": 6720,
    "light_sleep_duration": 13_740,
    "deep_sleep_duration": 3480,
}


def sample(*items, start=START, interval=300):
    return {"timestamp": start, "interval": interval, "items": list(items)}


def html_of(browser, day=DAY):
    answer = browser.get(f"/nights/{day}/")
    assert answer.status_code == 200
    return answer.content.decode()


def words_of(browser, day=DAY):
    return text_of(html_of(browser, day).split("<main")[1].split("</main>")[0])


def usual_of(browser, day=DAY):
    return text_of(html_of(browser, day).split('id="usual"')[1].split("</section>")[0])


def panel_of(browser, name, day=DAY):
    return html_of(browser, day).split(f'<div class="panel {name}">')[1].split("</header>", 1)


def paths_of(html, name):
    found = re.search(rf'<path class="{name}" d="([^"]*)"', html)
    return found[1] if found else ""


def rows_of(html, caption):
    """Return the rows of a table as lists of texts."""
    table = html.split(f"<caption>{caption}</caption>")[1].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "day",
    ["2026-02-30", "2009-12-31", "9999-12-31", "0001-01-01", "x", "20260302", "2026-11-29"],
)
def test_address_without_a_day_is_not_found(signed_in, day):
    assert signed_in.get(f"/nights/{day}/").status_code == 404


def test_nights_lead_to_the_newest(signed_in, ana, ben):
    store_days(ana, [days_ago(9), days_ago(4)])
    store_days(ana, [days_ago(1)], "activity")
    store_days(ben, [days_ago(0)])
    assert signed_in.get("/nights/").headers["Location"] == f"/nights/{days_ago(4)}/"


def test_nights_lead_to_today_without_any(signed_in, ana):
    assert signed_in.get("/nights/").headers["Location"] == f"/nights/{ana.today()}/"


def test_arrows_lead_to_nights_with_data(signed_in, ana):
    store_days(ana, ["2026-02-20", "2026-03-09"])
    html = html_of(signed_in)
    assert re.search(r'<a href="/nights/2026-02-20/" rel="prev"', html)
    assert re.search(r'<a href="/nights/2026-03-09/" rel="next"', html)
    assert 'href="/days/2026-03-02/"' in html


def test_other_peoples_nights_are_hidden(signed_in, ben):
    store_night(ben, period(heart_rate=sample(55)))
    assert "<svg" not in html_of(signed_in)


# The heading --------------------------------------------------------------------------------------


def test_heading_has_times_of_the_ring(signed_in, ana):
    ana.time_zone = "Asia/Tokyo"
    ana.save()
    store_night(ana, period(**STAGES))
    words = words_of(signed_in)
    assert "Night of 1–2 March" in words
    assert "23:00 to 07:00 · 8 h 00 min in bed · 83 % asleep" in words


def test_arrows_name_their_nights(signed_in, ana):
    store_days(ana, ["2026-02-20", "2026-04-01"])
    words = words_of(signed_in)
    assert "Previous night, 19–20 February" in words
    assert "Next night, 31 March – 1 April" in words


def test_naps_alone_are_of_their_day(signed_in, ana):
    store_days(ana, [DAY], duration=3000, main_type="sleep", source={"sleep": [nap()]})
    html = html_of(signed_in)
    assert "<title>Sleep on 2 March · myhealth</title>" in html
    assert "<h1>Sleep on 2 March</h1>" in html


def test_night_to_come_is_not_over(signed_in, ana):
    store_nights(ana, [days_ago(0)])
    fetch_completely(ana, days_ago(0), days_ago(-1))
    words = words_of(signed_in, days_ago(-1))
    assert "This night isn't over yet." in words
    assert "No sleep is stored" not in words


def test_lengths_of_stages_are_rounded_as_figures_are(signed_in, ana):
    lengths = {name: 4950 if name == "deep_sleep_duration" else STAGES[name] for name in STAGES}
    night = period(**lengths, sleep_phase_5_min="2" * 96)
    store_nights(ana, [DAY], **{key: night[key] for key in night if key != "id"})
    _, panel = panel_of(signed_in, "stages")
    assert "Deep 1 h 23" in text_of(panel.split('<ul class="key">')[1])
    assert "Deep sleep 1 h 23 min" in usual_of(signed_in)


def test_mark_says_what_changed(signed_in, ana):
    store_nights(ana, ["2026-03-01"], "v1")
    store_nights(ana, [DAY], "v2")
    assert "Oura's sleep algorithm changed (from v1 to v2)" in words_of(signed_in)
    assert "algorithm" not in words_of(signed_in, "2026-03-01")


# Nights with less ---------------------------------------------------------------------------------


def test_night_without_data_says_why(signed_in, ana):
    store_days(ana, ["2026-03-01", "2026-03-03"])
    fetch_completely(ana, "2026-03-01", "2026-03-03")
    words = words_of(signed_in)
    assert "No sleep is stored for this night: ring not worn." in words
    assert "Oura has no data of any kind" in words


def test_rejected_night_says_so(signed_in, ana):
    reject_document(ana, DAY)
    assert "No sleep is stored for this night: could not be stored." in words_of(signed_in)


def test_night_that_was_never_fetched_says_so(signed_in, ana):
    store_days(ana, [DAY])
    assert "No sleep is stored for this night: not fetched yet." in words_of(signed_in, ana.today())


def test_row_without_periods_says_so(signed_in, ana):
    store_days(ana, [DAY], duration=27_060)
    words = words_of(signed_in)
    assert "No period of sleep is stored for this day" in words
    assert "Asleep 7 h 31 min" in words


def test_period_without_curves_says_so(signed_in, ana):
    store_night(ana, period())
    assert "nothing to draw: no stages, heart rate, HRV or movement" in words_of(signed_in)


def test_each_missing_curve_is_named(signed_in, ana):
    store_night(ana, period(sleep_phase_5_min="2" * 96))
    words = words_of(signed_in)
    for name in ("heart rate", "HRV", "movement"):
        assert f"Oura has no {name} for this period." in words


def test_partial_night_has_the_reason(signed_in, ana):
    store_days(ana, [DAY], score=80, source={"daily_sleep": {"score": 80}, "sleep": []})
    words = words_of(signed_in)
    assert "Partly stored. Oura has not sent the details of the night." in words


def test_nap_alone_is_not_counted_in_averages(signed_in, ana):
    store_days(ana, [DAY], duration=3000, main_type="sleep", source={"sleep": [nap()]})
    assert "Averages, except of scores, leave out days without a night." in words_of(signed_in)


def test_period_without_a_type_is_called_sleep(signed_in, ana):
    store_night(ana, period(), nap(type=None))
    assert "Sleep at 14:00 counted" in words_of(signed_in)


def test_very_many_periods_are_counted_but_not_drawn(signed_in, ana):
    noon = datetime.fromisoformat("2026-03-02T12:00:00+01:00")
    starts = [noon + timedelta(minutes=minute) for minute in range(600)]
    naps = [
        period(f"{at}", "sleep", at.isoformat(), (at + timedelta(seconds=30)).isoformat())
        for at in starts
    ]
    store_night(ana, period(**{**STAGES, "total_sleep_duration": 26_000}), *naps, duration=26_000)
    html = html_of(signed_in)
    assert html.count('id="other') == 23
    assert "This day has 577 more periods, which are not shown." in text_of(html)
    assert "for the whole day: 601 periods." in text_of(html)


# The panels ---------------------------------------------------------------------------------------


def test_stages_have_levels_lengths_and_shares(signed_in, ana):
    store_night(ana, period(**STAGES, sleep_phase_5_min="4" + "2" * 47 + "1" * 24 + "3" * 24))
    _, panel = panel_of(signed_in, "stages")
    assert paths_of(panel, "awake") == "M0 6h300v13h-300z"
    assert paths_of(panel, "light") == "M300 56h14100v13h-14100z"
    assert paths_of(panel, "deep") == "M14400 81h7200v13h-7200z"
    assert paths_of(panel, "rem") == "M21600 31h7200v13h-7200z"
    assert paths_of(panel, "connections") == "M300 12.5V62.5M14400 62.5V87.5M21600 87.5V37.5"
    key = text_of(panel.split('<ul class="key">')[1].split("</ul>")[0])
    assert key == "Awake 1 h 21 17 % REM 1 h 52 23 % Light 3 h 49 48 % Deep 58 min 12 %"


def test_shares_of_stages_add_up_to_100(signed_in, ana):
    lengths = {"awake_time": 1770, "rem_sleep_duration": 2170}
    lengths |= {"light_sleep_duration": 4200, "deep_sleep_duration": 1860}
    store_night(ana, period(**lengths, sleep_phase_5_min="2" * 96))
    _, panel = panel_of(signed_in, "stages")
    assert re.findall(r"(\d+) %", panel.split('class="key"')[1]) == ["18", "22", "42", "18"]


def test_unknown_stage_is_a_gap(signed_in, ana):
    store_night(ana, period(sleep_phase_5_min="22??" + "2" * 92))
    html = html_of(signed_in)
    assert paths_of(html, "light") == "M0 56h600v13h-600zM1200 56h27600v13h-27600z"
    assert rows_of(html, "Stages") == [
        ["23:00", "23:10", "Light", "10 min"],
        ["23:20", "07:00", "Light", "460 min"],
    ]


def test_table_has_half_minutes(signed_in, ana):
    store_night(ana, period(sleep_phase_30_sec="443" + "2" * 957))
    assert [row[2:] for row in rows_of(html_of(signed_in), "Stages")] == [
        ["Awake", "1 min"],
        ["REM", "0 min 30 s"],
        ["Light", "478 min 30 s"],
    ]


def test_length_of_stage_that_oura_lacks_is_a_dash(signed_in, ana):
    store_night(ana, period(**STAGES | {"awake_time": None}, sleep_phase_5_min="2" * 96))
    _, panel = panel_of(signed_in, "stages")
    key = text_of(panel.split('<ul class="key">')[1].split("</ul>")[0])
    assert key == "Awake – REM 1 h 52 Light 3 h 49 Deep 58 min"


def test_gap_in_heart_rate_is_a_gap(signed_in, ana):
    store_night(ana, period(heart_rate=sample(50, 60, None, 55, None, 54, 56)))
    html = html_of(signed_in)
    line = paths_of(html.split('class="panel pulse"')[1], "median")
    assert re.findall(r"M(\d+) [\d.]+L(\d+) [\d.]+", line) == [("0", "300"), ("1500", "1800")]
    assert re.match(r"M900 [\d.]+h0$", paths_of(html, "points"))
    assert [row[:2] for row in rows_of(html, "Heart rate and HRV")] == [
        ["23:00", "50"],
        ["23:05", "60"],
        ["23:15", "55"],
        ["23:25", "54"],
        ["23:30", "56"],
    ]


def test_single_heart_rate_is_one_value(signed_in, ana):
    store_night(ana, period(heart_rate=sample(52)))
    assert "1 value from 52 to 52 bpm." in html_of(signed_in)


def test_lowest_heart_rate_has_its_time(signed_in, ana):
    store_night(ana, period(heart_rate=sample(50, 49, 49), lowest_heart_rate=49))
    assert "lowest 49 bpm at 23:05" in text_of(panel_of(signed_in, "pulse")[0])


def test_lowest_heart_rate_of_no_sample_has_no_time(signed_in, ana):
    store_night(ana, period(heart_rate=sample(50, 52), lowest_heart_rate=48))
    assert text_of(panel_of(signed_in, "pulse")[0]) == "Heart rate lowest 48 bpm"


def test_hrv_has_ouras_average(signed_in, ana):
    store_night(ana, period(hrv=sample(30, 50), average_hrv=41))
    assert text_of(panel_of(signed_in, "hrv")[0]) == "HRV average 41 ms"


def test_movement_is_higher_the_more_there_is(signed_in, ana):
    store_night(ana, period(movement_30_sec="1124?3"))
    title, panel = panel_of(signed_in, "movement")
    assert text_of(title) == "Movement still for 1 min"
    assert paths_of(panel, "moves") == (
        "M0 100v-4h60v4zM60 100v-33h30v33zM90 100v-100h30v100zM150 100v-67h30v67z"
    )
    assert "no motion 1 min, restless 30 s, tossing and turning 30 s, active 30 s." in panel


def test_hours_are_those_of_the_ring(signed_in, ana):
    start, end = "2026-03-01T23:20:00+05:30", "2026-03-02T03:10:00+05:30"
    store_night(ana, period(start=start, end=end, movement_30_sec="1" * 460))
    _, panel = panel_of(signed_in, "movement")
    labels = re.findall(r'<text[^>]*x="([\d.]+)%"[^>]*>(\d\d:\d\d)</text>', panel)
    assert labels == [
        ("17.39", "00:00"),
        ("43.48", "01:00"),
        ("69.57", "02:00"),
        ("95.65", "03:00"),
    ]


# Naps and rests -----------------------------------------------------------------------------------


def test_naps_and_rests_say_whether_they_count(signed_in, ana):
    store_night(
        ana,
        period(),
        nap(sleep_phase_5_min="2" * 12, time_in_bed=3600),
        nap("rest", "rest"),
        period("twin", total_sleep_duration=20_000),
        nap("deleted", "deleted"),
    )
    html = html_of(signed_in).split('<div class="cards">')[1]
    cards = [text_of(f"<{each.split('</section>')[0]}") for each in html.split("<section")[1:5]]
    assert [card.partition("unted")[0] + card.partition("unted")[1] for card in cards] == [
        "Long sleep at 23:00 not counted",
        "Deleted at 14:00 not counted",
        "Sleep at 14:00 counted",
        "Rest at 14:00 not counted",
    ]
    assert "not counted: resting, not asleep" in cards[3]
    assert "14:00 to 15:00 · 1 h 00 min in bed" in cards[2]
    assert paths_of(html, "light") == "M0 56h3600v13h-3600z"


# Against the usual --------------------------------------------------------------------------------


def store_past(user, count, type="sleep", **columns):
    days = [date.fromisoformat(DAY) - timedelta(days=number) for number in range(1, count + 1)]
    store_days(user, days, type, **columns)


def test_figures_stand_beside_the_usual(signed_in, ana):
    night = {"main_type": "long_sleep", "deep_sleep_duration": 3480}
    store_past(ana, 20, duration=27_000, **night)
    store_days(ana, [DAY], duration=23_460, **night)
    html, words = html_of(signed_in), usual_of(signed_in)
    assert "Asleep 6 h 31 min below your usual 7 h 30" in words
    assert "Deep sleep 58 min your usual" in words
    assert f"/trends/?measure=sleep.duration&amp;period=90d&amp;end={DAY}" in html
    assert "Score" not in words
    assert "restfulness" not in html


def test_figures_of_other_types_of_the_night_are_there(signed_in, ana):
    store_days(ana, [DAY], "readiness", score=80, temperature_deviation=-0.14)
    words = words_of(signed_in)
    assert "Temperature −0.14 °C" in words
    assert "Asleep" not in words


def test_young_history_says_how_many_nights_are_known(signed_in, ana):
    store_past(ana, 9, duration=27_000, main_type="long_sleep")
    store_days(ana, [DAY], duration=27_000, main_type="long_sleep")
    words = usual_of(signed_in)
    assert words.count("9 of the 14 nights needed for your usual range") == 1


def test_night_with_score_alone_lists_no_dashes(signed_in, ana):
    store_past(ana, 20, duration=27_000, main_type="long_sleep")
    store_days(ana, [DAY], score=71)
    assert 'id="usual"' not in html_of(signed_in)


def test_page_has_the_times_of_bedtimes_that_clocks_showed(signed_in, ana):
    past = "2026-02-01T22:59:59+01:00"
    store_past(ana, 20, main_type="long_sleep", duration=27_000, bedtime_end=past)
    start = "2026-03-01T23:26:40+01:00"
    night = period(start=start, heart_rate=sample(55, start=start))
    store_days(ana, [DAY], bedtime_start=start, bedtime_end=END, source={"sleep": [night]})
    assert "23:26 to 07:00" in words_of(signed_in)
    assert "Bedtime 23:26" in usual_of(signed_in)


# The whole page -----------------------------------------------------------------------------------


def test_numbers_are_those_of_the_database(signed_in, ana):
    days = store_history(ana, 20)
    row = SleepMetric.objects.filter(main_type="long_sleep", day__gt=days.start).latest("day")
    detail = signed_in.get(
        f"/api/v1/nights/{row.day}", headers={"Accept": "application/json"}
    ).json()
    html, words = html_of(signed_in, row.day), usual_of(signed_in, row.day)
    assert f"Lowest heart rate {row.lowest_heart_rate} bpm" in words
    assert f"Efficiency {row.efficiency} %" in words
    assert f"Average HRV {row.average_hrv} ms" in words
    main = detail["periods"][0]
    for place, name in ((1, "heart_rate"), (2, "hrv")):
        values = [[clock(moment), f"{value:g}"] for moment, value in main[name]]
        table = rows_of(html, "Heart rate and HRV")
        assert [[each[0], each[place]] for each in table if each[place] != "–"] == values
    stages = [each[2].lower() for each in rows_of(html, "Stages")]
    assert stages == [stage for _, stage in main["stages"] if stage]


def clock(moment):
    return f"{datetime.fromisoformat(moment):%H:%M}"


ODD_PERIODS = [
    {"bedtime_start": 5, "bedtime_end": [], "sleep_phase_30_sec": "1234"},
    {"bedtime_start": END, "bedtime_end": START, "sleep_phase_30_sec": "1234" * 20},
    {"bedtime_end": START.replace("00+", "00.4+"), "sleep_phase_5_min": "1"},
    {"bedtime_start": START, "bedtime_end": START, "movement_30_sec": "1"},
    {"bedtime_start": START, "bedtime_end": None, "movement_30_sec": "14"},
    {"bedtime_start": START, "bedtime_end": "2031-03-02T07:00:00+01:00", "hrv": sample(40)},
    {"bedtime_start": "0001-01-01T00:00:00Z", "bedtime_end": "9999-12-31T23:59:59Z"},
    {"heart_rate": sample(55, start="2026-03-04T12:00:00-12:00"), "hrv": sample(44, interval=1)},
    {"heart_rate": sample(55.5, True, "x", {}, 1e300), "hrv": sample(0, 255, interval=1e9)},
    {"heart_rate": sample(*[60] * 90, interval=1.5), "movement_30_sec": "9" * 50},
    {"type": 5, "average_hrv": "x", "efficiency": -1, "lowest_heart_rate": 255},
    {"type": "<b>\u202e", "id": {}, "sleep_phase_5_min": "1\x00💤4"},
    dict.fromkeys(STAGES, 0) | {"sleep_phase_5_min": "4" * 96},
    dict.fromkeys(STAGES, "many") | {"sleep_phase_5_min": "4" * 96},
]


@pytest.mark.parametrize("fields", ODD_PERIODS)
@pytest.mark.parametrize("kind", ["long_sleep", "rest"])
def test_strange_documents_do_no_harm(signed_in, ana, fields, kind):
    store_night(ana, {**period(type=kind), **fields})
    # The key of a form below it is random.
    html = html_of(signed_in).split("</main>")[0]
    assert "NaN" not in html
    assert "<b>\u202e" not in html


@pytest.mark.parametrize("source", [None, {}, {"sleep": {}}, {"sleep": [None, 5, "x", []]}])
def test_row_with_odd_documents_has_no_charts(signed_in, ana, source):
    store_days(ana, [DAY], source=source)
    assert "<svg" not in html_of(signed_in)


def test_night_of_today_may_be_the_first(signed_in, ana):
    today = ana.today()
    store_nights(ana, [today], at=timezone.now())
    words = words_of(signed_in, today)
    assert f"Night of {night_of(today, today)}" in words
    assert "Asleep 6 h 57 min" in words


@pytest.mark.parametrize("year", [1900, 2200, 9998])
def test_bedtimes_of_another_year_stretch_no_axis(signed_in, ana, year):
    bedtimes = {
        "bedtime_start": f"{year}-12-30T22:00:00+01:00",
        "bedtime_end": f"{year}-12-31T06:00:00+01:00",
    }
    store_night(ana, period(**bedtimes, heart_rate=sample(*[50] * 80)))
    assert paths_of(html_of(signed_in), "hour-lines").count("M") < 20


def test_change_of_the_clock_is_said(signed_in, ana):
    store_night(
        ana,
        period(
            bedtime_start="2026-03-01T22:00:00+02:00",
            bedtime_end="2026-03-02T01:00:00+01:00",
            heart_rate=sample(50, 51, 52, start="2026-03-01T22:00:00+02:00"),
        ),
    )
    assert "The clock was changed during this sleep." in words_of(signed_in)


def test_change_of_the_clock_is_said_of_other_periods(signed_in, ana):
    end = NAP_END.replace("+01:00", "+00:00")
    flight = nap(bedtime_end=end, sleep_phase_5_min="2" * 12)
    store_night(ana, period(), flight)
    assert "The clock was changed during this sleep." in words_of(signed_in)
