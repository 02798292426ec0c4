import pytest

from tests.ingest.conftest import CONTROL, night

pytestmark = pytest.mark.django_db


def test_rows_come_newest_first(processor, ana):
    processor.send(night(day="2026-03-01", id="a"), night(day="2026-03-02", id="b"))
    assert list(processor.rows()) == ["2026-03-02", "2026-03-01"]


def test_both_ends_of_a_range_are_included(processor, ana):
    processor.send(*[night(day=f"2026-03-0{n}", id=str(n)) for n in range(1, 6)])
    answer = processor.get(
        "/api/v1/metrics/sleep", user="ana", start="2026-03-02", end="2026-03-04"
    )
    assert [row["day"][-1] for row in answer.json()] == ["4", "3", "2"]


def test_nobody_elses_rows_are_told(processor, ana, ben):
    processor.send(night(), user="ben")
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
def test_a_bad_query_is_400(processor, ana, query):
    assert processor.get("/api/v1/metrics/sleep", user="ana", **query).status_code == 400


def test_an_unknown_type_is_404(processor, ana):
    assert processor.get("/api/v1/metrics/mood", user="ana").status_code == 404


def test_coverage_tells_the_days_held_and_the_gaps_between(processor, ana):
    for n in (1, 2, 5, 9):
        processor.send(night(day=f"2026-03-0{n}", id=str(n)))
    assert processor.get("/api/v1/metrics/coverage", user="ana").json()["sleep"] == {
        "first": "2026-03-01",
        "last": "2026-03-09",
        "days": 4,
        "missing": [["2026-03-03", "2026-03-04"], ["2026-03-06", "2026-03-08"]],
    }


def test_coverage_of_nothing_is_null_and_empty(processor, ana):
    assert processor.get("/api/v1/metrics/coverage", user="ana").json()["activity"] == {
        "first": None,
        "last": None,
        "days": 0,
        "missing": [],
    }


def test_a_person_is_forgotten_on_request_of_the_control_token(processor, ana, ben):
    processor.send(night(), user="ana")
    processor.send(night(id="b"), user="ben")
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": f"Bearer {CONTROL}"}
    )
    assert answer.status_code == 204
    assert (processor.rows(user="ana"), list(processor.rows(user="ben"))) == ({}, ["2026-03-01"])


def test_the_ingest_token_forgets_nobody(processor, ana):
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": "Bearer ingest-token-for-tests"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/auth/login", "/api/v1/sleep", "/admin/", "/v2/usercollection/sleep"]
)
def test_routes_of_other_services_are_404(processor, path):
    answer = processor.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
