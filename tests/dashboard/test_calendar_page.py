"""`/calendar/`: each day by its value or state, and why days are missing."""

import re
from datetime import date, timedelta

import pytest
from django.utils import timezone

from metrics import SLEEP, TYPES
from oura import connections
from tests.worlds import (
    days_ago,
    failed_fetch,
    fetch_completely,
    reject_document,
    store_days,
    store_nights,
)

pytestmark = pytest.mark.django_db
FIRST = date(2026, 3, 1)
HOUR = timedelta(hours=1)


def days_from(first, count):
    return [first + timedelta(days=place) for place in range(count)]


def page(browser, **query):
    answer = browser.get("/calendar/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def cells(browser, month="2026-03", **query):
    """Return the days of a month as they are read: the text by day; None for a blank day."""
    table = page(browser, month=month, **query).partition("<tbody>")[2].partition("</tbody>")[0]
    found = {}
    for cell in table.replace("<td></td>", "").split("<td>")[1:]:
        day = int(re.search(r"<span>(\d+)</span>", cell)[1])
        text = re.search(r"<small[^>]*>([^<]*)</small>", cell)
        found[day] = text and text[1]
    return found


def signs(browser, **query):
    """Return the kind and the shape of each sign of a month's days, by what is read of them."""
    table = page(browser, month="2026-03", **query).partition("<tbody>")[2].partition("</tbody>")[0]
    pattern = r'<path class="([^"]+)"[^>]* d="([^"]+)"/></svg><small[^>]*>([^<]+)<'
    return {text: (kind, shape) for kind, shape, text in re.findall(pattern, table)}


def key(text):
    """Return what the key says."""
    lists = re.search(r'<ul class="key">(.*?)</ul>', text, re.DOTALL)[1]
    return re.findall(r"</svg>([^<]+)</li>", lists)


def holes(text):
    """Return the missing days that are listed, each with what is said of it."""
    section = text.partition('aria-labelledby="missing"')[2]
    items = re.findall(r"<li>(.*?)</li>", section, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", each).split()) for each in items]


def summary(text):
    return re.search(r'<p class="quiet">(\d+ of [^<]+)</p>', text)[1]


def test_page_requires_login(client):
    assert client.get("/calendar/").headers["Location"] == "/accounts/login/?next=/calendar/"


def test_each_type_is_a_choice(signed_in, ana):
    store_days(ana, [days_ago(1)], score=80)
    choices = page(signed_in).partition('aria-label="Type"')[2].partition("</nav>")[0]
    assert re.findall(r"type=(\w+)", choices) == list(TYPES)
    assert choices.count('aria-current="true"') == 1


@pytest.mark.parametrize("by", ["value", "state"])
def test_each_stored_day_links_to_its_page(signed_in, ana, by):
    days = days_from(FIRST, 5)
    store_days(ana, days, score=80)
    year = page(signed_in, year="2026", by=by)
    month = page(signed_in, month="2026-03", by=by)
    for day in days:
        assert f'<a href="/days/{day}/" tabindex="-1">' in year
        assert f'<td><a href="/days/{day}/">' in month


def test_numbers_of_a_month_are_those_stored(signed_in, ana):
    for place, day in enumerate(days_from(FIRST, 4)):
        store_days(ana, [day], score=70 + place)
    found = cells(signed_in)
    assert [found[day] for day in (1, 2, 3, 4)] == ["70", "71", "72", "73"]


def test_shades_are_quarters_of_the_persons_values(signed_in, ana):
    for place, day in enumerate(days_from(FIRST, 8)):
        store_days(ana, [day], score=10 * place)
    assert key(page(signed_in, year="2026"))[:4] == ["0–10", "20–30", "40–50", "60–70"]
    kinds = {text: kind for text, (kind, _) in signs(signed_in).items()}
    assert [kinds[str(10 * place)] for place in range(8)] == [
        f"quarter{number}" for number in (1, 1, 2, 2, 3, 3, 4, 4)
    ]


def test_shades_are_the_same_in_all_years(signed_in, ana):
    store_days(ana, days_from(date(2025, 3, 1), 10), score=60)
    store_days(ana, days_from(FIRST, 10), score=90)
    assert key(page(signed_in, year="2025"))[:2] == key(page(signed_in, year="2026"))[:2]


def test_equal_values_have_one_shade(signed_in, ana):
    store_days(ana, days_from(FIRST, 10), score=80)
    assert key(page(signed_in, month="2026-03"))[0] == "80"


def test_stored_day_without_a_value_says_so(signed_in, ana):
    store_days(ana, [FIRST], score=80)
    store_days(ana, [FIRST + timedelta(days=1)], duration=25_000)
    assert cells(signed_in)[2] == "no value"
    assert signs(signed_in)["no value"][0] == "without"


@pytest.fixture
def all_states(ana):
    """A March with a day of each state, and what is read of it."""
    store_days(ana, days_from(FIRST, 31), "activity", score=80)
    store_days(ana, [FIRST, FIRST + timedelta(days=30)], score=80)
    store_nights(ana, [date(2026, 3, 2)], mapping=without_summary)
    reject_document(ana, date(2026, 3, 3))
    fetched_at = timezone.now()
    fetch_completely(ana, "2026-03-04", "2026-03-05", at=fetched_at)
    failed_fetch(ana, "2026-03-06", "2026-03-06", kind="forbidden")
    failed_fetch(ana, "2026-03-07", "2026-03-07")
    fetch_completely(ana, "2026-03-08", "2026-03-08", ["sleep"], at=fetched_at - 2 * HOUR)
    for type_ in ("activity", "readiness"):
        ana_rows = {"activity": ana.activitymetrics, "readiness": ana.readinessmetrics}[type_]
        ana_rows.filter(day="2026-03-05").delete()
    return {
        1: "stored",
        2: "partly stored",
        3: "could not be stored",
        4: "no data at Oura",
        5: "ring not worn",
        6: "access denied by Oura",
        7: "could not be fetched",
        8: "not synced yet",
        9: "not fetched yet",
    }


def without_summary(day, documents):
    return SLEEP.map(day, {"sleep": documents["sleep"]})


def test_states_differ_in_shape(signed_in, all_states):
    found = cells(signed_in, by="state")
    assert {day: found[day] for day in all_states} == all_states
    shapes = [shape for _, shape in signs(signed_in, by="state").values()]
    assert len(set(shapes)) == len(shapes) == len(all_states)


def test_missing_days_have_the_same_signs_by_value(signed_in, all_states):
    by_state, by_value = signs(signed_in, by="state"), signs(signed_in)
    missing = [text for day, text in all_states.items() if day > 2]
    assert [by_value[text] for text in missing] == [by_state[text] for text in missing]


def test_key_counts_the_days_of_each_state(signed_in, all_states):
    entries = dict(
        each.rsplit(": ", 1) for each in key(page(signed_in, month="2026-03", by="state"))
    )
    assert set(entries) == set(all_states.values())
    assert entries["stored"] == "2"
    assert sum(map(int, entries.values())) == 31


def test_each_hole_has_its_reason_and_what_can_be_done(signed_in, all_states):
    texts = holes(page(signed_in, month="2026-03"))
    assert len(texts) == 8
    by_state = {text.split(": ")[1].split(".")[0]: text for text in texts}
    for label, part in (
        ("partly stored", "server to fetch it again (collect_oura --repair)."),
        ("could not be stored", "administrators can see why. Ask the person who runs this server."),
        ("no data at Oura", "server to fetch it again (collect_oura --repair)."),
        ("ring not worn", "the ring was not worn, or its battery was empty. It can&#x27;t"),
        ("access denied by Oura", "Connect Oura again in your account."),
        ("could not be fetched", "It will be tried again automatically."),
        ("not synced yet", "Oura will be asked again, because a later day has arrived."),
        ("not fetched yet", "It will be fetched while your account is connected to Oura."),
    ):
        assert part in by_state[label], label


@pytest.mark.parametrize(
    ("ago", "connected", "advice"),
    [
        (13, True, "; then use Collect now on your account page."),
        (13, False, ": recent days are fetched again with every collection."),
        (14, True, "(collect_oura --repair)."),
    ],
)
def test_recent_partial_day_is_collected_now(signed_in, ana, at_oura, ago, connected, advice):
    store_nights(ana, [days_ago(ago)], mapping=without_periods)
    if connected:
        connection = connections.connect(ana, at_oura.code(), "v" * 50).connection
        connection.asked_at = connection.finished_at = timezone.now()
        connection.wanted_at = None
        connection.save()
    [hole] = [each for each in holes(page(signed_in)) if "partly stored" in each]
    assert hole.endswith(advice)
    assert ('<a href="/account/">Open the Oura app' in page(signed_in)) == advice.startswith(";")


def without_periods(day, documents):
    return SLEEP.map(day, {"daily_sleep": documents["daily_sleep"]})


def test_partly_stored_day_is_stored_and_not_missing(signed_in, ana):
    store_nights(ana, days_from(FIRST, 29))
    store_nights(ana, [FIRST + timedelta(days=30)], mapping=without_periods)
    fetch_completely(ana, FIRST, "2026-03-31", types=["activity", "readiness"])
    text = page(signed_in, month="2026-03")
    assert (
        summary(text) == "30 of 31 nights stored, 1 of them partly; 1 missing (not fetched yet: 1)"
    )
    assert "<small>1 missing, 1 partly stored</small>" in page(signed_in, year="2026")


@pytest.mark.parametrize(("scores", "are_quarters"), [([80], False), ([60, 70, 80, 90], True)])
def test_key_speaks_of_quarters_if_there_are_four(signed_in, ana, scores, are_quarters):
    for place, score in enumerate(scores):
        store_days(ana, days_from(FIRST + timedelta(days=5 * place), 5), score=score)
    assert ("about a quarter" in page(signed_in, year="2026")) == are_quarters


def test_hole_that_the_connection_causes_leads_to_the_account(signed_in, all_states):
    text = page(signed_in, month="2026-03")
    assert '<a href="/account/">Connect Oura again in your account.</a>' in text


def test_holes_are_newest_first_and_link_to_their_day(signed_in, ana):
    days = days_from(FIRST, 30)
    store_days(ana, [day for day in days if day.day not in (5, 10, 11)], score=80)
    fetch_completely(ana, days[0], days[-1])
    text = page(signed_in, month="2026-03")
    assert [each.split(":")[0] for each in holes(text)] == [
        "31 March",
        "10 March to 11 March",
        "5 March",
    ]
    assert '<strong><a href="/days/2026-03-10/">10 March to 11 March</a></strong>' in text


def test_older_holes_are_folded(signed_in, ana):
    days = days_from(FIRST, 61)
    store_days(ana, days[::2], score=80)
    text = page(signed_in, year="2026")
    assert len(holes(text)) == 31
    assert len(holes(text.partition("21 earlier ones")[0])) == 10


def test_days_are_counted(signed_in, ana):
    store_days(ana, [day for day in days_from(FIRST, 31) if day.day not in (5, 10)], score=80)
    fetch_completely(ana, FIRST, "2026-03-31")
    text = page(signed_in, month="2026-03")
    assert summary(text) == "29 of 31 nights stored; 2 missing (ring not worn: 2)"


def test_nothing_missing_is_said(signed_in, ana):
    store_days(ana, days_from(FIRST, 31), score=80)
    text = page(signed_in, month="2026-03")
    assert summary(text) == "31 of 31 nights stored"
    assert "Nothing is missing in March 2026." in text


def test_days_before_the_first_are_blank(signed_in, ana):
    store_days(ana, days_from(date(2026, 3, 10), 22), score=80)
    found = cells(signed_in)
    assert [found[day] for day in (1, 9, 10)] == [None, None, "80"]
    assert summary(page(signed_in, month="2026-03")) == "22 of 22 nights stored"


def test_days_after_today_are_blank(signed_in, ana):
    today = days_ago(0)
    store_days(ana, [days_ago(1), today], score=80)
    found = cells(signed_in, f"{today:%Y-%m}")
    assert found[today.day] == "80"
    assert {text for day, text in found.items() if day > today.day} <= {None}
    assert f"/days/{days_ago(-1)}/" not in page(signed_in)


def test_today_is_marked(signed_in, ana):
    today = days_ago(0)
    store_days(ana, [today], score=80)
    assert page(signed_in).count('class="today"') == 1
    assert f'<a href="/days/{today}/" aria-current="date">' in page(
        signed_in, month=f"{today:%Y-%m}"
    )
    assert page(signed_in, month=f"{today:%Y-%m}").count('aria-current="date"') == 1


@pytest.mark.parametrize(("first", "order", "blank"), [(1, "Mo", 6), (6, "Sa", 1), (7, "Su", 0)])
def test_weeks_begin_as_the_person_likes(signed_in, ana, first, order, blank):
    ana.first_weekday = first
    ana.save()
    store_days(ana, [FIRST], score=80)
    text = page(signed_in, month="2026-03")
    assert re.findall(r"<abbr [^>]*>(\w+)<", text)[0] == order
    # The first of March is a Sunday.
    week = text.partition("<tbody>")[2].partition("</tr>")[0]
    assert week.count("<td></td>") == blank
    assert f'd="M{10 * blank} 0h9v9h-9z"' in page(signed_in, year="2026")


def test_table_of_a_year_has_the_same_facts(signed_in, ana):
    store_days(ana, [day for day in days_from(FIRST, 31) if day.day != 5], score=80)
    store_days(ana, days_from(date(2026, 4, 1), 30), score=70)
    fetch_completely(ana, FIRST, "2026-04-30")
    table = page(signed_in, year="2026").partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.sub(r"<[^>]+>", "|", each) for each in table.split("<tr>")[1:]]
    cells = [[part for part in row.split("|") if part.strip()] for row in rows]
    assert cells[-2:] == [
        ["April", "30 of 30", "–", "70"],
        ["March", "30 of 31", "ring not worn: 1", "80"],
    ]


def test_year_leads_to_its_months(signed_in, ana):
    store_days(ana, days_from(FIRST, 3), score=80)
    text = page(signed_in, year="2026")
    assert '<li><a href="?type=sleep&amp;by=value&amp;month=2026-03">March</a>' in text
    assert '<span class="quiet">February</span>' in text


def test_each_year_shows_how_many_days_are_missing(signed_in, ana):
    store_days(ana, [date(2025, 12, 30), *days_from(FIRST, 3)], score=80)
    text = page(signed_in).partition('aria-label="Years"')[2].partition("</nav>")[0]
    years = re.findall(r"<b>(\d+)</b> <small>([^<]+)</small>", text)
    assert years[-2:] == [("2026", "327 missing"), ("2025", "1 missing")]


@pytest.mark.parametrize("later", [[], [date(2026, 2, 1)]])
def test_years_before_the_first_day_of_a_type_are_shown(signed_in, ana, later):
    store_days(ana, [date(2024, 12, 30), date(2026, 1, 2)], "activity")
    store_days(ana, later)
    fetch_completely(ana, "2025-01-01", "2025-12-30", ["sleep"])
    text = page(signed_in, year="2026", by="state")
    years = re.findall(r"<b>(\d+)</b> <small>([^<]+)</small>", text)
    # What was asked for before is what Oura doesn't have.
    missing = "1 missing" if later else "365 missing"
    assert years[-2:] == [("2025", missing), ("2024", "2 missing")]
    assert dict(years) == {
        year: re.search(r"(\d+ missing)", summary(page(signed_in, year=year, by="state")))[1]
        for year, _ in years
    }


def test_steps_lead_to_the_years_with_days(signed_in, ana):
    store_days(ana, [date(2024, 5, 1)], score=80)
    first, between = page(signed_in, year="2024"), page(signed_in, year="2025")
    assert 'rel="prev"' not in first
    assert "year=2025" in first.partition('rel="next"')[0].rpartition("<a")[2]
    assert "year=2024" in between.partition('rel="prev"')[0].rpartition("<a")[2]
    assert 'rel="next"' not in page(signed_in)


def test_type_with_no_day_yet_shows_why(signed_in, ana):
    store_days(ana, [days_ago(2)], "activity", score=80)
    failed_fetch(ana, days_ago(20), days_ago(-1), kind="forbidden")
    text = page(signed_in)
    assert "Nothing here yet" not in text
    assert "access denied by Oura" in holes(text)[0]


def test_marks_of_the_days_are_named(signed_in, ana):
    store_nights(ana, days_from(FIRST, 10), "v1")
    store_nights(ana, days_from(FIRST + timedelta(days=10), 10), "v2")
    said = "On 11 March 2026 Oura&#x27;s sleep algorithm changed"
    assert said in page(signed_in, month="2026-03")
    assert said not in page(signed_in, month="2026-04")


def test_others_days_are_not_shown(signed_in, ana, ben):
    store_days(ana, [FIRST], score=80)
    store_days(ben, [FIRST + timedelta(days=1)], score=33)
    assert cells(signed_in)[2] == "not fetched yet"


@pytest.mark.parametrize(
    "query",
    [
        {"type": "luck"},
        {"type": "<script>"},
        {"by": "mood"},
        {"year": "next"},
        {"year": "10000"},
        {"year": ""},
        {"month": "2026-13"},
        {"month": "2026"},
        {"month": "\0"},
    ],
)
def test_address_that_names_nothing_leads_to_the_page(signed_in, query):
    answer = signed_in.get("/calendar/", query)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/calendar/")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"year": "0001"}, "Calendar 2025"),
        ({"month": "0001-01"}, "May <a"),
        ({"year": "9999"}, "Calendar 2026"),
        ({"month": "9999-12"}, "November <a"),
    ],
)
def test_other_days_lead_to_the_nearest_with_data(signed_in, ana, query, shown):
    store_days(ana, [date(2025, 5, 2)], score=80)
    assert f"<h1>{shown}" in page(signed_in, **query)


def test_without_anything_any_address_works(signed_in):
    for query in ({"year": "2012"}, {"month": "2031-01"}, {"type": "activity", "by": "state"}):
        assert "Nothing here yet" in page(signed_in, **query)
