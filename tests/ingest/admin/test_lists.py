"""What the lists and the overview show, and how."""

import re
from datetime import UTC, datetime

import pytest
from django.utils.html import strip_tags

from tests.ingest.admin.pages import fetched, page_of, ran, text_of
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db
THEN = datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC)
OTHER_FORMATS = re.compile(r"\b[apm]\.m\.|\b[A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}|\b[A-Z][a-z]+ 20\d\d")


def cells(client, path):
    """Return the texts of a list's first row, by the names of its columns."""
    page = text_of(client.get(path))
    row = page.split("<tbody>")[1].split("</tr>")[0]
    found = re.findall(r'class="field-(\w+).*?">(.*?)</t[dh]>', row)
    return {name: strip_tags(text) for name, text in found}


def headings(client, path):
    head = text_of(client.get(path)).split("<thead>")[1].split("</thead>")[0]
    return [text for text in map(str.strip, strip_tags(head).splitlines()) if text]


def test_overview_names_plainly_what_there_is(admin):
    page = strip_tags(text_of(admin.get("/admin/")))
    names = ["Overview", "Data", "Origins of data", "Days of sleep", "Days of activity"]
    assert [name for name in names if name not in page] == []


@pytest.mark.parametrize(
    ("type_", "values", "shown"),
    [
        (
            "sleep",
            {"duration": 27060, "lowest_heart_rate": 48, "average_hrv": 61},
            {"duration": "7 h 31 min", "lowest_heart_rate": "48 bpm", "average_hrv": "61 ms"},
        ),
        (
            "activity",
            {"steps": 10234, "active_calories": 400, "equivalent_walking_distance": 7100},
            {
                "steps": "10,234",
                "active_calories": "400 kcal",
                "equivalent_walking_distance": "7,100 m",
            },
        ),
        (
            "readiness",
            {"temperature_deviation": -0.254, "temperature_trend_deviation": 0.1},
            {
                "temperature_deviation": "-0.25 °C",
                "temperature_trend_deviation": "+0.10 °C",
            },
        ),
    ],
)
def test_list_shows_the_main_columns_of_its_type(admin, ana, type_, values, shown):
    store_days(ana, ["2026-03-01"], type_, at=THEN, score=83, **values)
    row = cells(admin, f"/admin/ingest/{type_}metric/")
    always = {"day": "2026-03-01", "user": "ana", "score": "83", "fetched_at": "2026-03-02 15:04"}
    assert row == {**always, **shown}


def test_list_shows_a_dash_where_nothing_is_stored(admin, ana):
    store_days(ana, ["2026-03-01"], score=83)
    assert cells(admin, "/admin/ingest/sleepmetric/")["duration"] == "-"


def test_list_names_columns_as_people_do(admin, ana):
    store_days(ana, ["2026-03-01"], "activity", steps=5)
    names = headings(admin, "/admin/ingest/activitymetric/")
    assert {"Steps", "Active calories", "Walking equivalent"} <= set(names)


def test_list_is_sorted_by_a_main_column(admin, ana):
    store_days(ana, ["2026-03-01"], "activity", steps=5)
    store_days(ana, ["2026-03-02"], "activity", steps=9)
    path = "/admin/ingest/activitymetric/"
    by_steps = headings(admin, path).index("Steps")
    assert cells(admin, f"{path}?o={by_steps}")["steps"] == "5"


def test_dates_are_written_one_way(admin, ana):
    store_days(ana, [days_ago(1)], score=80)
    sign_out = {"action": "sign_out_everywhere", "_selected_action": [ana.pk]}
    admin.post("/admin/accounts/user/", sign_out)
    rows = [ran(ana, missing={}), fetched(ana)]
    paths = [
        "/admin/ingest/sleepmetric/",
        "/admin/ingest/run/",
        "/admin/ingest/fetch/",
        "/admin/coverage/",
        f"/admin/accounts/user/{ana.pk}/change/",
        f"/admin/accounts/user/{ana.pk}/history/",
        *map(page_of, rows),
    ]
    for path in paths:
        text = strip_tags(text_of(admin.get(path)))
        assert OTHER_FORMATS.findall(text) == [], path
        assert re.search(r"20\d\d-\d\d", text), path
