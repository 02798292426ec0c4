"""GET /api/v1/marks, and the marks of the dashboard."""

from datetime import date, timedelta

import pytest
from django.db import connection

from dashboard.marks import CHANGES, changes_parameters
from ingest.models import MetricSource, SleepMetric
from ingest.rederive import rederive
from myhealth.postgresql.prepared import fetch_all
from tests.worlds import days_ago, store_days, store_nights

pytestmark = pytest.mark.django_db
CHANGE = {"mark": "sleep_algorithm", "from": "v1", "to": "v2"}


def test_changed_algorithm_is_mark_on_first_night(ana, api):
    for day, version in (("01", "v1"), ("02", "v1"), ("03", "v2"), ("04", "v2")):
        store_nights(ana, [f"2026-03-{day}"], version)
    assert api.get("marks").json() == [{"day": "2026-03-03", **CHANGE}]


def test_new_ring_is_mark(ana, api):
    store_nights(ana, ["2026-03-01"], ring="silver")
    store_nights(ana, ["2026-03-02"], ring="gold")
    assert api.get("marks").json() == [
        {"day": "2026-03-02", "mark": "ring", "from": "silver", "to": "gold"}
    ]


def test_first_night_with_provenance_is_no_mark(ana, api):
    store_nights(ana, ["2026-03-01"])
    store_nights(ana, ["2026-03-02"], "v1", "silver")
    assert api.get("marks").json() == []


def test_nights_without_provenance_are_skipped(ana, api):
    store_nights(ana, ["2026-03-01"], "v1", "silver")
    store_nights(ana, ["2026-03-02"], ring="silver")
    store_days(ana, ["2026-03-03"])
    store_nights(ana, ["2026-03-04"], "v1", "silver")
    assert api.get("marks").json() == []


def test_change_across_gap_is_mark(ana, api):
    store_nights(ana, ["2026-03-01"], "v1")
    store_nights(ana, ["2026-03-02"], ring="silver")
    store_nights(ana, ["2026-06-01"], "v2")
    assert api.get("marks").json() == [{"day": "2026-06-01", **CHANGE}]


def test_marks_are_newest_first_then_by_kind(ana, api):
    store_nights(ana, ["2026-03-01"], "v1", "silver")
    store_nights(ana, ["2026-03-02"], "v2", "gold")
    store_nights(ana, ["2026-03-03"], "v3", "gold")
    marks = [(each["day"][-2:], each["mark"]) for each in api.get("marks").json()]
    assert marks == [("03", "sleep_algorithm"), ("02", "ring"), ("02", "sleep_algorithm")]


def test_both_ends_of_range_are_included(ana, api):
    for day in range(1, 6):
        store_nights(ana, [f"2026-03-0{day}"], f"v{day}")
    body = api.get("marks", start="2026-03-02", end="2026-03-03").json()
    assert [each["day"] for each in body] == ["2026-03-03", "2026-03-02"]


def test_last_night_before_range_is_compared(ana, api):
    store_nights(ana, ["2026-03-01"], "v0")
    store_nights(ana, ["2026-03-03"], "v1")
    store_nights(ana, ["2026-03-05"], "v2")
    body = api.get("marks", start="2026-03-05").json()
    assert body == [{"day": "2026-03-05", **CHANGE}]


def test_nights_without_provenance_before_range_are_skipped(ana, api):
    store_nights(ana, ["2026-03-01"], "v1")
    store_nights(ana, ["2026-03-03"], ring="silver")
    store_nights(ana, ["2026-03-05"], "v2")
    assert api.get("marks", start="2026-03-05").json() == [{"day": "2026-03-05", **CHANGE}]


def test_other_peoples_nights_before_range_are_ignored(ana, ben, api):
    store_nights(ben, ["2026-03-01"], "v1")
    store_nights(ana, ["2026-03-05"], "v2")
    assert api.get("marks", start="2026-03-05").json() == []


def test_other_peoples_nights_are_ignored(ana, ben, api):
    store_nights(ben, ["2026-03-01"], "v1")
    store_nights(ana, ["2026-03-02"], "v2")
    store_nights(ben, ["2026-03-03"], "v3")
    assert api.get("marks").json() == []


def store_rings(user, rings, first="2026-03-01", **columns):
    """Store nights one after another, each with the ring that a letter stands for."""
    start = date.fromisoformat(first)
    for count, ring in enumerate(rings):
        if ring != ".":
            store_nights(user, [start + timedelta(days=count)], ring=ring, **columns)


def ring_marks(api, **query):
    body = api.get("marks", **query).json()
    return [(each["day"][5:], each["from"], each["to"]) for each in body]


@pytest.mark.parametrize("rings", ["AABABABABAB", "AABBBBBBBAAAAAAABBBBBBB", "AAB.BA.A.B"])
def test_two_rings_worn_in_turn_are_one_mark(ana, api, rings):
    store_rings(ana, rings)
    assert ring_marks(api) == [("03-03", "A", "B")]


def test_two_algorithms_in_turn_are_one_mark(ana, api):
    for day, version in enumerate(("v1", "v2", "v1", "v2", "v1"), 1):
        store_nights(ana, [f"2026-03-0{day}"], version)
    assert api.get("marks").json() == [{"day": "2026-03-02", **CHANGE}]


def test_ring_in_turn_that_stays_alone_is_no_mark(ana, api):
    store_rings(ana, "AABAB" + 40 * "B")
    assert ring_marks(api) == [("03-03", "A", "B")]


def test_third_ring_is_mark(ana, api):
    store_rings(ana, "ABABCABC")
    assert ring_marks(api) == [("03-05", "B", "C"), ("03-02", "A", "B")]


@pytest.mark.parametrize(("nights", "marks"), [(30, 1), (31, 2)])
def test_ring_back_after_more_than_month_is_mark(ana, api, nights, marks):
    store_rings(ana, "A" + nights * "B" + "A")
    assert len(ring_marks(api)) == marks


@pytest.mark.parametrize("rings", ["AB" + 60 * "." + "A", "AAB" + 45 * "." + "ABA"])
def test_rings_go_on_in_turn_after_a_gap(ana, api, rings):
    store_rings(ana, rings)
    assert ring_marks(api) == [(f"03-{rings.index('B') + 1:02}", "A", "B")]
    assert ring_marks(api, start="2026-04-15") == []


@pytest.mark.parametrize(("nights", "marks"), [(30, 0), (31, 1)])
def test_nights_before_range_count_without_those_between(ana, api, nights, marks):
    store_rings(ana, "A" + nights * "B." + "A")
    assert len(ring_marks(api, start=date(2026, 3, 2) + timedelta(days=2 * nights))) == marks


def test_ring_in_turn_before_range_is_no_mark(ana, api):
    store_rings(ana, "AABABAB")
    assert ring_marks(api, start="2026-03-05") == []
    assert ring_marks(api, start="2026-03-03", end="2026-03-03") == [("03-03", "A", "B")]


@pytest.mark.parametrize("type_", ["sleep", "late_nap"])
def test_ring_of_fragment_is_no_mark(ana, api, type_):
    store_rings(ana, "AA")
    store_rings(ana, "B", "2026-03-03", type=type_, total_sleep_duration=600)
    store_rings(ana, "AAB", "2026-03-04")
    assert ring_marks(api) == [("03-06", "A", "B")]


def test_mark_of_fragment_goes_with_rederivation(ana, api):
    store_rings(ana, "AA")
    store_rings(ana, "B", "2026-03-03", type="sleep", total_sleep_duration=600)
    nap = MetricSource.objects.filter(day="2026-03-03")
    nap.update(provenance={"ring": "B"})
    assert len(ring_marks(api)) == 1
    rederive(SleepMetric, on_refused=print)
    assert ring_marks(api) == []


def test_weeks_marks_read_few_nights_of_history(ana, api):
    store_rings(ana, 150 * "AB", "2025-01-01")
    store_rings(ana, "ABC", "2026-03-01")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE metric_sources")
    [[explained]] = fetch_all(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {CHANGES}",
        changes_parameters(ana.pk, "sleep", date(2026, 3, 1), date(2026, 3, 3)),
    )
    assert 0 < rows_read(explained[0]["Plan"]) < 120


def rows_read(plan):
    """Return how many rows a plan's scans of tables returned or filtered out."""
    mine = 0
    if plan.get("Relation Name"):
        mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        mine *= plan["Actual Loops"]
    return mine + sum(map(rows_read, plan.get("Plans", [])))


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"start": "2026-02-30"}, "start", "YYYY-MM-DD"),
        ({"end": "x"}, "end", "YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "must not be after end"),
        ({"mark": "ring"}, "mark", "Unknown parameter; expected one of start, end, format."),
    ],
)
def test_invalid_parameter_is_named(api, query, field, expected):
    answer = api.get("marks", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][field][0]


def test_etag_changes_with_new_night(ana, api):
    store_nights(ana, ["2026-03-01"], "v1")
    etag = api.get("marks").headers["ETag"]
    store_nights(ana, ["2026-03-02"], "v2")
    assert api.get("marks", headers={"If-None-Match": etag}).status_code == 200


def test_etag_differs_by_range(api):
    queries = [{}, {"start": "2026-03-01"}, {"end": "2026-03-01"}]
    assert len({api.get("marks", **query).headers["ETag"] for query in queries}) == 3


def test_all_marks_take_one_query(ana, api, django_assert_num_queries):
    for day in range(1, 9):
        store_nights(ana, [f"2026-03-0{day}"], f"v{day}", f"ring {day}")
    # The account, the versions, the marks.
    with django_assert_num_queries(3):
        assert len(api.get("marks").json()) == 14


def test_dashboard_has_marks_of_each_week(ana, api):
    for count, version in ((30, "v0"), (20, "v1"), (9, "v2"), (3, "v3")):
        store_nights(ana, [days_ago(count)], version)
    body = api.get("dashboard", weeks=2).json()
    assert [each["day"] for each in body["marks"]] == [str(days_ago(3)), str(days_ago(9))]
    days = [[each["day"] for each in week["marks"]] for week in body["weekly_summaries"]]
    assert days == [[str(days_ago(3))], [str(days_ago(9))]]
