"""`/trends/`: charts, comparisons in words, gaps, marks, links and tables."""

import re
from datetime import date, timedelta

import pytest

from metrics import SLEEP
from tests.worlds import days_ago, fetch_completely, store_days, store_nights

pytestmark = pytest.mark.django_db
NIGHT = {"main_type": "long_sleep"}
FIRST = date(2026, 1, 1)


def days_from(first, count):
    return [first + timedelta(days=place) for place in range(count)]


def page(browser, measure="sleep.duration", **query):
    answer = browser.get("/trends/", {"measure": measure, **query})
    assert answer.status_code == 200
    return answer.content.decode()


def paths(text, name):
    """Return the parts of a chart's path, one for each `M`."""
    [path] = re.findall(rf'<path class="{name}[^"]*" d="([^"]*)"', text.partition("</figure>")[0])[
        :1
    ]
    return [part for part in path.split("M") if part]


def test_page_requires_login(client):
    assert client.get("/trends/").headers["Location"] == "/accounts/login/?next=/trends/"


def test_first_types_value_and_score_are_shown_first(signed_in):
    text = signed_in.get("/trends/").content.decode()
    assert re.findall(r'<option value="([^"]+)" selected', text) == [
        "sleep.duration",
        "sleep.score",
    ]


def test_each_value_is_a_point_that_links_to_its_day(signed_in, ana):
    store_days(ana, [days_ago(2)], duration=27_060, **NIGHT)
    text = page(signed_in)
    assert len(paths(text, "dots")) == 1
    assert f'<a href="/nights/{days_ago(2)}/" tabindex="-1">' in text


def test_points_of_other_types_link_to_the_day(signed_in, ana):
    store_days(ana, [days_ago(2)], "activity", steps=9000)
    assert f'<a href="/days/{days_ago(2)}/" tabindex="-1">' in page(signed_in, "activity.steps")


def test_no_line_crosses_a_missing_day(signed_in, ana):
    days = days_from(FIRST, 30)
    store_days(ana, [*days[:14], *days[15:]], duration=27_000, **NIGHT)
    assert len(paths(page(signed_in, period="30d", end=str(days[-1])), "median")) == 2


def test_no_line_crosses_a_mark(signed_in, ana):
    days = days_from(FIRST, 30)
    store_nights(ana, days[:15], "v1")
    store_nights(ana, days[15:], "v2")
    text = page(signed_in, period="30d", end=str(days[-1]))
    assert len(paths(text, "median")) == 2
    assert "new sleep algorithm" in text
    assert "On 16 January 2026 Oura&#x27;s sleep algorithm changed" in text


def test_missing_days_have_their_reason(signed_in, ana):
    days = [days_ago(count) for count in (6, 5, 3, 2, 1)]
    store_days(ana, days, duration=27_000, **NIGHT)
    fetch_completely(ana, days_ago(6), days_ago(0))
    gap = days_ago(4)
    text = page(signed_in)
    assert f"<strong>{gap.day} {gap:%B}" in text
    assert 'class="gap"' in text


def test_days_before_the_first_with_the_ring_are_no_gap(signed_in, ana):
    store_days(ana, map(days_ago, range(5)), duration=27_000, **NIGHT)
    assert 'class="gap" d=""' in page(signed_in)


def test_average_is_compared_in_words(signed_in, ana):
    store_days(ana, days_from(FIRST, 30), duration=25_200, **NIGHT)
    store_days(ana, days_from(FIRST + timedelta(days=30), 30), duration=27_000, **NIGHT)
    text = page(signed_in, period="30d", end=str(FIRST + timedelta(days=59)))
    assert "average 7 h 30 min over 30 nights · 30 min more than in the 30 days before" in text


@pytest.mark.parametrize(("days", "is_compared"), [(14, False), (15, True)])
def test_average_is_compared_with_half_a_period(signed_in, ana, days, is_compared):
    store_days(ana, days_from(FIRST + timedelta(days=30 - days), 30 + days), score=80)
    text = page(signed_in, "sleep.score", period="30d", end=str(FIRST + timedelta(days=59)))
    assert ("the same as in the 30 days before" in text) == is_compared


@pytest.mark.parametrize(
    ("nights", "naps", "words"),
    [
        (30, 0, "average 7 h 30 min over 30 nights"),
        (28, 0, "average 7 h 30 min over 28 of 30 nights"),
        (29, 1, "average 7 h 30 min over 29 of 30 nights"),
        (
            27,
            2,
            "average 7 h 30 min over 27 of the 29 nights with data; 30 nights in this period",
        ),
        (0, 2, "2 of 30 nights with data, none of them counted"),
        (0, 0, "There are no values"),
    ],
)
def test_average_says_of_how_many_nights_it_is(signed_in, ana, nights, naps, words):
    days = days_from(FIRST, 30)
    store_days(ana, [FIRST - timedelta(days=1)], "activity", steps=1)
    store_days(ana, days[:nights], duration=27_000, **NIGHT)
    store_days(ana, days[nights : nights + naps], duration=600, main_type="late_nap")
    text = page(signed_in, period="30d", end=str(days[-1]))
    assert re.search(rf"<p(?: class=\"quiet\")?>{words}( on these days\.)?</p>", text)


def test_night_before_the_first_one_is_not_counted(signed_in, ana):
    store_days(ana, [days_ago(4)], "activity", steps=9000)
    store_days(ana, map(days_ago, range(4)), duration=27_000, **NIGHT)
    fetch_completely(ana, days_ago(4), days_ago(0))
    assert "average 7 h 30 min over 4 nights" in page(signed_in)


def test_scale_without_counted_days_is_that_of_the_others(signed_in, ana):
    store_days(ana, [days_ago(1)], duration=2400, main_type="late_nap")
    assert ">40 min</text>" in page(signed_in)


def test_difference_of_percentages_is_in_points(signed_in, ana):
    store_days(ana, days_from(FIRST, 30), efficiency=84, **NIGHT)
    store_days(ana, days_from(FIRST + timedelta(days=30), 30), efficiency=85, **NIGHT)
    end = str(FIRST + timedelta(days=59))
    text = page(signed_in, "sleep.efficiency", period="30d", end=end)
    assert "1 point more than in the 30 days before" in text


def test_scale_has_zero_without_a_sign(signed_in, ana):
    for place, day in enumerate(days_from(FIRST, 9)):
        store_days(ana, [day], "readiness", temperature_deviation=(place - 4) / 10)
    text = page(signed_in, "readiness.temperature_deviation", period="30d", end="2026-01-30")
    assert ">0.00</text>" in text
    assert "+0.00" not in text


def test_averages_on_both_sides_of_a_mark_are_not_compared(signed_in, ana):
    days = days_from(FIRST, 60)
    store_nights(ana, days[:30], "v1", total_sleep_duration=25_200)
    store_nights(ana, days[30:], "v2", total_sleep_duration=27_000)
    text = page(signed_in, period="30d", end=str(days[-1]))
    assert "not comparable with 7 h 00 min in the 30 days before" in text


def test_day_that_does_not_count_is_drawn_apart(signed_in, ana):
    store_days(ana, [days_ago(2)], duration=27_000, **NIGHT)
    store_days(ana, [days_ago(1)], duration=600, main_type="late_nap")
    text = page(signed_in)
    assert len(paths(text, "dots left-out")) == 1
    assert "not counted: days without a night" in text


def test_table_has_the_same_numbers(signed_in, ana):
    store_days(ana, [days_ago(2)], duration=27_060, **NIGHT)
    store_days(ana, [days_ago(1)], duration=25_200, **NIGHT)
    table = re.findall(r"<td>([^<]*)</td>", page(signed_in).partition("<tbody>")[2])
    assert table[::2][:2] == ["7 h 00 min", "7 h 31 min"]


def test_table_of_all_days_is_by_month(signed_in, ana):
    store_days(ana, [date(2024, 3, 1), date(2024, 3, 2)], duration=27_000, **NIGHT)
    text = page(signed_in, period="all", end="2026-03-31")
    assert "Month, with its last 30 days</th>" in text
    assert ">March 2024</a></th><td>7 h 30 min</td><td>2</td>" in text
    assert ">April 2024</a></th><td>–</td><td>0</td>" in text


def test_two_measures_are_above_one_another(signed_in, ana):
    store_days(ana, [days_ago(1)], score=80, duration=27_000, **NIGHT)
    text = page(signed_in, ["sleep.score", "sleep.duration"])
    assert re.findall(r'<h2 id="trend\d">([^<]*)', text) == ["Sleep score", "Asleep"]


def test_period_before_and_after_are_links(signed_in):
    text = page(signed_in, period="30d", end=str(days_ago(40)))
    assert f"end={days_ago(70)}" in text
    assert f"end={days_ago(10)}" in text


@pytest.mark.parametrize("query", [{"period": "all"}, {"period": "365d", "end": "2010-02-01"}])
def test_steps_lead_to_other_periods_only(signed_in, query):
    assert 'rel="prev"' not in page(signed_in, **query)


def test_newest_period_has_none_after_it(signed_in):
    assert 'rel="next"' not in page(signed_in)


def test_csv_link_leads_to_the_same_days(signed_in, ana):
    store_days(ana, [days_ago(1)], duration=27_060, **NIGHT)
    [link] = re.findall(r'href="(/api/v1/trends[^"]*)"', page(signed_in))
    answer = signed_in.get(link.replace("&amp;", "&"))
    assert answer.status_code == 200
    assert f"{days_ago(1)},27060" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"measure": "sleep.luck"},
        {"measure": "<script>"},
        {"end": "yesterday"},
        {"measure": ["sleep.score", "x"]},
    ],
)
def test_address_that_names_nothing_leads_to_the_page(signed_in, query):
    answer = signed_in.get("/trends/", query)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/trends/")


@pytest.mark.parametrize("end", ["0001-01-01", "2009-12-31", "9999-12-31"])
def test_any_real_date_is_shown(signed_in, ana, end):
    store_days(ana, [days_ago(1)], duration=27_060, **NIGHT)
    for period in ("30d", "365d", "all", "x"):
        assert signed_in.get("/trends/", {"period": period, "end": end}).status_code == 200


def test_others_days_are_not_shown(signed_in, ana, ben):
    store_days(ana, [days_ago(1)], "activity", steps=9000)
    store_days(ben, [days_ago(1)], duration=27_060, **NIGHT)
    assert "There are no values on these days." in page(signed_in)


def test_stored_day_without_a_value_is_a_gap(signed_in, ana):
    store_days(ana, [days_ago(3), days_ago(1)], duration=27_060, **NIGHT)
    store_days(ana, [days_ago(2)], score=80, time_in_bed=30_000)
    gap = days_ago(2)
    assert f"<strong>{gap.day} {gap:%B}" in page(signed_in)
    assert "no value. There is no usable value from Oura." in page(signed_in)


def test_stored_day_without_a_value_has_its_own_reason(signed_in, ana):
    store_days(ana, [days_ago(2), days_ago(0)], "activity", steps=9000)
    store_days(ana, [days_ago(1)], "activity", non_wear_minutes=1440)
    reason = "The ring was off for 24 h 00 min of the day."
    assert f"no value. {reason}" in page(signed_in, "activity.steps")


def test_partly_stored_day_with_a_value_is_no_gap(signed_in, ana):
    days = days_from(FIRST, 30)
    store_nights(ana, days, mapping=without_summary)
    assert 'class="gap" d=""' in page(signed_in, period="30d", end=str(days[-1]))


def without_summary(day, documents):
    return SLEEP.map(day, {"sleep": documents["sleep"]})


def weekday_lines(text):
    table = text.partition('<table class="weekdays">')[2].partition("</table>")[0]
    lines = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table, re.DOTALL)
    parts = [re.sub(r"<[^>]+>", "|", line).split("|") for line in lines]
    return [[part for part in line if part] for line in parts]


def test_weekdays_are_compared_from_the_first_one(signed_in, ana):
    monday = date(2026, 3, 2)
    store_days(ana, days_from(monday, 28), duration=27_000, **NIGHT)
    store_days(ana, [monday + timedelta(days=7 * week) for week in range(4)], duration=28_800)
    ana.first_weekday = 7
    ana.save()
    text = page(signed_in, period="30d", end=str(monday + timedelta(days=27)))
    lines = weekday_lines(text)
    assert lines[:2] == [
        ["Sun", "7 h 30 min", "7 h 30 min"],
        ["Mon", "8 h 00 min", "8 h 00 min"],
    ]


def test_weekdays_of_few_days_are_not_shown(signed_in, ana):
    store_days(ana, days_from(FIRST, 21), duration=27_000, **NIGHT)
    assert "By weekday" not in page(signed_in, period="30d", end=str(FIRST + timedelta(days=20)))


def test_weekdays_name_a_change_only_in_their_period(signed_in, ana):
    days = days_from(FIRST, 90)
    store_nights(ana, days[:45], "v1")
    store_nights(ana, days[45:], "v2")
    sentence = "Only values since the last change count."
    shown = [
        sentence in page(signed_in, period=period, end=str(days[last]))
        for period, last in (("30d", 43), ("30d", 89), ("90d", 89))
    ]
    assert shown == [False, False, True]


def test_form_keeps_the_last_day(signed_in):
    assert 'type="date" name="end" value="2026-03-01"' in page(signed_in, end="2026-03-01")
