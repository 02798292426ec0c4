"""The processor's routes that read and delete rows."""

import pytest

from tests.ingest.conftest import CONTROL, TOKEN
from tests.worlds import store_days

pytestmark = pytest.mark.django_db


def test_rows_are_newest_first(processor, ana):
    store_days(ana, ["2026-03-01", "2026-03-02"])
    assert list(processor.rows()) == ["2026-03-02", "2026-03-01"]


def test_both_ends_of_range_are_included(processor, ana):
    store_days(ana, [f"2026-03-0{n}" for n in range(1, 6)])
    answer = processor.get(
        "/api/v1/metrics/sleep", user="ana", start="2026-03-02", end="2026-03-04"
    )
    assert [row["day"][-1] for row in answer.json()] == ["4", "3", "2"]


def test_rows_of_other_people_are_hidden(processor, ana, ben):
    store_days(ben, ["2026-03-01"])
    assert processor.rows(user="ana") == {}


@pytest.mark.parametrize(
    "query",
    [
        {"start": "soon"},
        {"end": "2026-13-01"},
        {"start": "2026-02-02", "end": "2026-02-01"},
        {"x": 1},
    ],
)
def test_invalid_query_is_400(processor, ana, query):
    assert processor.get("/api/v1/metrics/sleep", user="ana", **query).status_code == 400


def test_unknown_type_is_404(processor, ana):
    assert processor.get("/api/v1/metrics/mood", user="ana").status_code == 404


def test_coverage_has_number_of_rows_and_gaps(processor, ana):
    store_days(ana, [f"2026-03-0{n}" for n in (1, 2, 5, 9)])
    assert processor.get("/api/v1/metrics/coverage", user="ana").json()["sleep"] == {
        "first": "2026-03-01",
        "last": "2026-03-09",
        "days": 4,
        "missing": [["2026-03-03", "2026-03-04"], ["2026-03-06", "2026-03-08"]],
    }


def test_coverage_without_rows_is_null_and_empty(processor, ana):
    assert processor.get("/api/v1/metrics/coverage", user="ana").json()["activity"] == {
        "first": None,
        "last": None,
        "days": 0,
        "missing": [],
    }


def test_persons_data_are_deleted_with_control_token(processor, ana, ben):
    for user in (ana, ben):
        store_days(user, ["2026-03-01"])
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": f"Bearer {CONTROL}"}
    )
    assert answer.status_code == 204
    assert (processor.rows(user="ana"), list(processor.rows(user="ben"))) == ({}, ["2026-03-01"])


def test_ingest_token_deletes_no_data(processor, ana):
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/auth/login", "/api/v1/sleep", "/admin/", "/v2/usercollection/sleep"]
)
def test_routes_of_other_services_are_404(processor, path):
    answer = processor.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
