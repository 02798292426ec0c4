"""GET /api/v1/marks: days from which on figures don't compare, and where else they are told."""

import pytest

from tests.dashboard.conftest import days_ago, hold, night

pytestmark = pytest.mark.django_db
CHANGE = {"mark": "sleep_algorithm", "from": "v1", "to": "v2"}


def test_a_change_of_the_algorithm_is_a_mark_on_its_first_night(ana, api):
    for day, version in (("01", "v1"), ("02", "v1"), ("03", "v2"), ("04", "v2")):
        night(ana, f"2026-03-{day}", version)
    assert api.get("marks").json() == [{"day": "2026-03-03", **CHANGE}]


def test_a_new_ring_is_a_mark(ana, api):
    night(ana, "2026-03-01", ring="silver")
    night(ana, "2026-03-02", ring="gold")
    assert api.get("marks").json() == [
        {"day": "2026-03-02", "mark": "ring", "from": "silver", "to": "gold"}
    ]


def test_the_first_night_that_tells_is_no_mark(ana, api):
    night(ana, "2026-03-01")
    night(ana, "2026-03-02", "v1", "silver")
    assert api.get("marks").json() == []


def test_nights_that_do_not_tell_are_skipped(ana, api):
    night(ana, "2026-03-01", "v1", "silver")
    night(ana, "2026-03-02", ring="silver")
    hold(ana, bare=("2026-03-03", {}))
    night(ana, "2026-03-04", "v1", "silver")
    assert api.get("marks").json() == []


def test_a_change_over_a_gap_is_told(ana, api):
    night(ana, "2026-03-01", "v1")
    night(ana, "2026-03-02", ring="silver")
    night(ana, "2026-06-01", "v2")
    assert api.get("marks").json() == [{"day": "2026-06-01", **CHANGE}]


def test_marks_come_newest_first_and_both_of_a_day(ana, api):
    night(ana, "2026-03-01", "v1", "silver")
    night(ana, "2026-03-02", "v2", "gold")
    night(ana, "2026-03-03", "v1", "gold")
    found = [(each["day"][-2:], each["mark"]) for each in api.get("marks").json()]
    assert found == [("03", "sleep_algorithm"), ("02", "ring"), ("02", "sleep_algorithm")]


def test_both_ends_of_a_range_are_included(ana, api):
    for day in range(1, 6):
        night(ana, f"2026-03-0{day}", f"v{day}")
    body = api.get("marks", start="2026-03-02", end="2026-03-03").json()
    assert [each["day"] for each in body] == ["2026-03-03", "2026-03-02"]


def test_the_last_night_before_the_range_counts(ana, api):
    night(ana, "2026-03-01", "v2")
    night(ana, "2026-03-03", "v1")
    night(ana, "2026-03-05", "v2")
    body = api.get("marks", start="2026-03-05").json()
    assert body == [{"day": "2026-03-05", **CHANGE}]


def test_nights_before_the_range_that_do_not_tell_are_skipped(ana, api):
    night(ana, "2026-03-01", "v1")
    night(ana, "2026-03-03", ring="silver")
    night(ana, "2026-03-05", "v2")
    assert api.get("marks", start="2026-03-05").json() == [{"day": "2026-03-05", **CHANGE}]


def test_anothers_night_before_the_range_does_not_count(ana, ben, api):
    night(ben, "2026-03-01", "v1")
    night(ana, "2026-03-05", "v2")
    assert api.get("marks", start="2026-03-05").json() == []


def test_anothers_nights_are_no_marks(ana, ben, api):
    night(ben, "2026-03-01", "v1")
    night(ana, "2026-03-02", "v2")
    night(ben, "2026-03-03", "v3")
    assert api.get("marks").json() == []


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"start": "2026-02-30"}, "start", "YYYY-MM-DD"),
        ({"end": "x"}, "end", "YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "after the end"),
        ({"mark": "ring"}, "mark", "expected start, end"),
    ],
)
def test_a_query_that_is_wrong_names_the_parameter(api, query, field, expected):
    answer = api.get("marks", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


def test_an_etag_ends_with_another_night(ana, api):
    night(ana, "2026-03-01", "v1")
    etag = api.get("marks").headers["ETag"]
    night(ana, "2026-03-02", "v2")
    assert api.get("marks", headers={"If-None-Match": etag}).status_code == 200


def test_etags_differ_by_range(api):
    queries = [{}, {"start": "2026-03-01"}, {"end": "2026-03-01"}]
    assert len({api.get("marks", **query).headers["ETag"] for query in queries}) == 3


def test_one_query_finds_all_marks(ana, api, django_assert_num_queries):
    for day in range(1, 9):
        night(ana, f"2026-03-0{day}", f"v{day}", f"ring {day}")
    # The account, the versions, the marks.
    with django_assert_num_queries(3):
        assert len(api.get("marks").json()) == 14


def test_the_dashboard_tells_the_marks_of_its_weeks(ana, api):
    for count, version in ((30, "v0"), (20, "v1"), (9, "v2"), (3, "v3")):
        night(ana, days_ago(count), version)
    body = api.get("dashboard", weeks=2).json()
    assert [each["day"] for each in body["marks"]] == [days_ago(3), days_ago(9)]
    of_weeks = [[each["day"] for each in week["marks"]] for week in body["weekly_summaries"]]
    assert of_weeks == [[days_ago(3)], [days_ago(9)]]
