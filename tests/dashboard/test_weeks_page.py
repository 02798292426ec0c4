"""`/weeks/`: figures of weeks or months, differences in words, marks, and what is missing."""

import re
from datetime import date, timedelta

import pytest

from metrics import SLEEP
from tests.dashboard.html import text_of
from tests.worlds import days_ago, fetch_completely, store_days, store_nights

pytestmark = pytest.mark.django_db
NIGHT = {"main_type": "long_sleep"}
# A Monday.
FIRST = date(2026, 1, 5)


def days_from(first, count):
    return [first + timedelta(days=place) for place in range(count)]


def page(browser, **query):
    answer = browser.get("/weeks/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def columns(text):
    """Return what the periods are called, oldest first."""
    heads = text.partition("</thead>")[0]
    return [text_of(each) for each in re.findall(r'<th role="columnheader".*?</th>', heads)]


def cells(text, title):
    """Return the values of a row with what stands below them, oldest first."""
    for row in re.findall(r'<tr role="row".*?</tr>', text, re.DOTALL):
        head, _, rest = row.partition("</th>")
        if f"<span>{title}" in head:
            return [text_of(each) for each in re.findall(r"<td.*?</td>", rest)]
    return []


def newest(text):
    """Return the words of the card about the newest period."""
    return text_of(text.partition('aria-labelledby="newest"')[2].partition("</section>")[0])


def test_page_requires_login(client):
    assert client.get("/weeks/").headers["Location"] == "/accounts/login/?next=/weeks/"


def test_weeks_stand_beside_one_another(signed_in, ana):
    store_days(ana, days_from(FIRST, 7), duration=25_200, score=80, **NIGHT)
    store_days(ana, days_from(FIRST + timedelta(days=7), 7), duration=27_000, score=80, **NIGHT)
    text = page(signed_in, end="2026-01-18")
    assert columns(text) == ["5–11 Jan", "12–18 Jan"]
    assert cells(text, "Sleep per night") == ["7 h 00", "7 h 30 30 min more"]
    assert cells(text, "Sleep score") == ["80", "80 the same"]


def test_newest_week_is_compared_in_words(signed_in, ana):
    store_days(ana, days_from(FIRST, 7), duration=25_200, **NIGHT)
    store_days(ana, days_from(FIRST + timedelta(days=7), 7), duration=27_000, **NIGHT)
    words = newest(page(signed_in, end="2026-01-18"))
    assert "12 to 18 January" in words
    assert "7 h 30 min 30 min more than the week before (7 h 00 min)" in words


def test_months_stand_beside_one_another(signed_in, ana):
    store_days(ana, days_from(date(2025, 12, 1), 31), "activity", steps=9_000)
    store_days(ana, days_from(date(2026, 1, 1), 31), "activity", steps=10_000)
    text = page(signed_in, by="month", end="2026-01-31")
    assert columns(text) == ["Dec 2025", "Jan"]
    assert cells(text, "Steps per day") == ["9,000", "10,000 1,000 more"]
    assert "1,000 more than the month before (9,000)" in newest(text)


def test_nothing_is_compared_across_a_mark(signed_in, ana):
    store_nights(ana, days_from(FIRST, 9), "v1", "a ring", total_sleep_duration=25_200)
    store_nights(
        ana, days_from(FIRST + timedelta(days=9), 5), "v1", "b", total_sleep_duration=27_000
    )
    text = page(signed_in, end="2026-01-18")
    assert cells(text, "Sleep per night")[1].endswith("not comparable")
    assert "not comparable: new ring on 14 January" in newest(text)
    assert "On 14 January 2026 the ring changed" in text


def test_no_line_crosses_a_mark(signed_in, ana):
    weeks = [days_from(FIRST + timedelta(days=7 * place), 7) for place in range(4)]
    store_nights(ana, [*weeks[0], *weeks[1]], "v1")
    store_nights(ana, [*weeks[2], *weeks[3]], "v2")
    [path] = re.findall(
        r"about-avg_sleep_duration.*?class=\"median\" d=\"([^\"]*)",
        page(signed_in, end="2026-02-01"),
    )
    assert path.count("M") == 2


def test_weeks_on_one_side_of_a_mark_are_compared(signed_in, ana):
    weeks = [days_from(FIRST + timedelta(days=7 * place), 7) for place in range(3)]
    store_nights(ana, weeks[0], "v1")
    store_nights(ana, [*weeks[1], *weeks[2]], "v2")
    assert [
        each.split(maxsplit=3)[-1]
        for each in cells(page(signed_in, end="2026-01-25"), "Sleep per night")[1:]
    ] == ["not comparable", "the same"]


def test_other_types_are_compared_across_a_mark(signed_in, ana):
    store_nights(ana, days_from(FIRST, 7), "v1")
    store_nights(ana, days_from(FIRST + timedelta(days=7), 7), "v2")
    store_days(ana, days_from(FIRST, 14), "activity", score=80)
    assert cells(page(signed_in, end="2026-01-18"), "Activity score") == ["80", "80 the same"]


def test_sum_so_far_is_not_compared(signed_in, ana):
    ana.first_weekday = days_ago(1).isoweekday()
    ana.save()
    store_days(ana, [days_ago(n) for n in range(16)], "activity", steps=9_000)
    text = page(signed_in)
    assert cells(text, "Steps, total")[-2:] == ["63,000 the same", "18,000 so far"]
    assert "This week so far" in newest(text)
    assert columns(text)[-1].endswith("so far")


def test_average_so_far_is_compared(signed_in, ana):
    ana.first_weekday = days_ago(1).isoweekday()
    ana.save()
    store_days(ana, [days_ago(n) for n in range(2, 9)], "activity", score=80)
    store_days(ana, [days_ago(0), days_ago(1)], "activity", score=90)
    assert cells(page(signed_in), "Activity score")[-1] == "90 10 more"


def test_sums_of_unequal_days_are_not_compared(signed_in, ana):
    store_days(ana, days_from(FIRST, 13), "activity", steps=9_000)
    text = page(signed_in, end="2026-01-18")
    assert cells(text, "Steps, total") == ["63,000", "54,000"]
    assert "same number of days" in text


def test_sums_of_unequal_values_are_not_compared(signed_in, ana):
    store_days(ana, days_from(FIRST, 13), "activity", steps=10_000, active_calories=500)
    store_days(ana, [FIRST + timedelta(days=13)], "activity", active_calories=500)
    text = page(signed_in, end="2026-01-18")
    assert cells(text, "Steps, total") == ["70,000", "60,000 of 6 days"]
    assert cells(text, "Active calories, total") == ["3,500", "3,500 the same"]


@pytest.mark.parametrize(("days", "note"), [(3, ""), (4, " the same")])
def test_week_before_has_data_of_half_of_it(signed_in, ana, days, note):
    store_days(ana, days_from(FIRST + timedelta(days=7 - days), 7 + days), score=80)
    assert cells(page(signed_in, end="2026-01-18"), "Sleep score") == ["80", f"80{note}"]


def test_page_marks_trends_where_it_has_no_entry(signed_in):
    assert '<a href="/trends/" class="near">Trends' in page(signed_in)
    assert "near" not in signed_in.get("/trends/").content.decode().split("</nav>")[0]


def test_days_that_count_are_shown(signed_in, ana):
    store_days(ana, days_from(FIRST, 5), duration=27_000, **NIGHT)
    store_days(ana, [FIRST + timedelta(days=5)], duration=600, main_type="late_nap")
    fetch_completely(ana, FIRST, FIRST + timedelta(days=6))
    text = page(signed_in, end="2026-01-11")
    assert cells(text, "Nights that count") == ["5 of 7 1 missing"]
    assert "leave out days without a night" in text


def test_nights_before_the_first_one_are_not_counted(signed_in, ana):
    store_days(ana, [FIRST], "activity", steps=9000)
    store_days(ana, days_from(FIRST, 7)[1:], duration=27_000, **NIGHT)
    fetch_completely(ana, FIRST, FIRST + timedelta(days=6))
    assert cells(page(signed_in, end="2026-01-11"), "Nights that count") == ["6 of 6"]


def test_partly_stored_night_is_not_called_missing(signed_in, ana):
    store_nights(ana, days_from(FIRST, 6))
    night = FIRST + timedelta(days=6)
    store_nights(ana, [night], mapping=without_periods)
    assert cells(page(signed_in, end="2026-01-11"), "Nights that count") == [
        "7 of 7 1 partly stored"
    ]


def without_periods(day, documents):
    return SLEEP.map(day, {"daily_sleep": documents["daily_sleep"]})


def test_first_day_of_all_is_a_week(signed_in, ana):
    store_days(ana, [days_ago(0)], score=80)
    text = page(signed_in)
    assert len(columns(text)) == 1
    assert cells(text, "Sleep score") == ["80"]


def test_figures_without_a_new_value_are_not_compared(signed_in, ana):
    store_days(ana, days_from(FIRST, 7), score=80)
    store_days(ana, [FIRST + timedelta(days=7)], "activity", score=70)
    words = newest(page(signed_in, end="2026-01-18"))
    assert "Activity score 70" in words
    assert "Sleep score" not in words


def test_missing_days_lead_to_the_calendar(signed_in, ana):
    store_days(ana, [*days_from(FIRST, 3), *days_from(FIRST + timedelta(days=5), 9)])
    text = page(signed_in, end="2026-01-18")
    [(link, words)] = re.findall(r'<a href="(/calendar/\?type=sleep[^"]*)">([^<]*)', text)
    assert words.replace("&nbsp;", " ") == (
        "2 nights missing from 5 January to 11 January: see the calendar ›"
    )
    assert "8 January to 9 January" in text_of(
        signed_in.get(link.replace("&amp;", "&")).content.decode()
    )


def test_value_says_of_how_few_days_it_is(signed_in, ana):
    for day, score in zip(days_from(FIRST, 7), [80, None, None, 84, None, None, None], strict=True):
        store_days(ana, [day], duration=25_200, score=score, **NIGHT)
    store_days(ana, days_from(FIRST, 7), "activity", steps=9000)
    text = page(signed_in, end="2026-01-11")
    assert cells(text, "Sleep score") == ["82 of 2 nights"]
    assert cells(text, "Sleep per night") == ["7 h 00"]
    assert cells(text, "Nights that count") == ["7 of 7"]
    assert cells(text, "Steps") == ["63,000"]


@pytest.mark.parametrize(("missing", "year"), [("2025-12-30", 2025), ("2026-01-02", 2026)])
def test_missing_day_leads_to_its_own_year(signed_in, ana, missing, year):
    week = days_from(date(2025, 12, 29), 14)
    store_days(ana, [day for day in week if str(day) != missing])
    text = page(signed_in, end="2026-01-11")
    assert re.findall(r"/calendar/\?type=sleep[^\"]*year=(\d+)", text) == [str(year)]


def test_weeks_begin_on_persons_first_weekday(signed_in, ana):
    ana.first_weekday = 7
    ana.save()
    store_days(ana, days_from(FIRST, 14))
    assert columns(page(signed_in, end="2026-01-18"))[-1] == "18–24 Jan"


def test_week_without_data_has_no_value(signed_in, ana):
    store_days(ana, [FIRST, FIRST + timedelta(days=14)], score=80)
    assert cells(page(signed_in, end="2026-01-25"), "Sleep score") == ["80", "–", "80"]


def test_earlier_and_later_weeks_are_links(signed_in, ana):
    store_days(ana, days_from(FIRST, 120))
    text = page(signed_in, end="2026-04-19")
    assert '<a href="?by=week&amp;end=2026-03-29" rel="prev">' in text
    assert '<a href="?by=week&amp;end=2026-05-10" rel="next">' in text


def test_newest_week_has_none_after_it(signed_in, ana):
    store_days(ana, [days_ago(1)])
    assert 'rel="next"' not in page(signed_in)


def test_first_weeks_have_none_before_them(signed_in, ana):
    store_days(ana, days_from(FIRST, 14))
    assert 'rel="prev"' not in page(signed_in, end="2026-01-18")


def test_weeks_without_data_say_so(signed_in, ana):
    store_days(ana, [days_ago(1)])
    assert "There are no data of these weeks." in page(signed_in, end="2020-01-01")


def test_csv_link_leads_to_the_same_weeks(signed_in, ana):
    store_days(ana, days_from(FIRST, 14), score=80)
    [link] = re.findall(r'href="(/api/v1/summaries[^"]*)"', page(signed_in, end="2026-01-18"))
    lines = signed_in.get(link.replace("&amp;", "&")).content.decode().splitlines()
    assert [line[:10] for line in lines[1:]] == ["2026-01-12", "2026-01-05"]


@pytest.mark.parametrize("query", [{"by": "year"}, {"end": "yesterday"}, {"by": "<script>"}])
def test_address_that_names_nothing_leads_to_the_page(signed_in, query):
    answer = signed_in.get("/weeks/", query)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/weeks/")


@pytest.mark.parametrize("end", ["0001-01-01", "2009-12-31", "9999-12-31"])
@pytest.mark.parametrize("by", ["week", "month"])
def test_any_real_date_is_shown(signed_in, ana, by, end):
    store_days(ana, [days_ago(1)], score=80)
    page(signed_in, by=by, end=end)


def test_others_days_are_not_shown(signed_in, ana, ben):
    store_days(ana, [days_ago(1)], "activity", score=70)
    store_days(ben, [days_ago(1)], score=80)
    text = page(signed_in)
    assert cells(text, "Sleep score") == []
    assert cells(text, "Activity score")[-1] == "70"


def test_numbers_are_those_of_the_api(signed_in, ana, api):
    store_days(ana, days_from(FIRST, 28), score=80, average_hrv=41, **NIGHT)
    weeks = api.get("summaries", start=FIRST, end="2026-02-01").json()[::-1]
    shown = [cell.split()[0] for cell in cells(page(signed_in, end="2026-02-01"), "HRV")]
    assert shown == [f"{week['avg_hrv']:.0f}" for week in weeks]


def test_today_leads_to_calendar_weeks(signed_in, ana):
    store_days(ana, [days_ago(0)], score=80)
    assert '<a href="/weeks/">Calendar weeks' in signed_in.get("/").content.decode()


def test_values_are_in_persons_unit(signed_in, ana):
    ana.temperature_unit = "°F"
    ana.save()
    store_days(ana, days_from(FIRST, 7), "readiness", temperature_deviation=0.5)
    store_days(
        ana, days_from(FIRST + timedelta(days=7), 7), "readiness", temperature_deviation=-0.5
    )
    text = page(signed_in, end="2026-01-18")
    assert cells(text, "Temperature <small>°F") == ["+0.90", "−0.90 1.80 less"]
