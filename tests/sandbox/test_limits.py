"""Conditions of a person's account: long ranges, pages, `fields`, and whose ring it is."""

import pytest

from sandbox import store
from sandbox.people import named_people
from tests.sandbox.sandboxed import SEED, Oura, reset_sandbox

SPAN = {"start_date": "2026-11-01", "end_date": "2026-11-15"}


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings, days=60)


def limit(**limits):
    answer = Oura().control("limits", name="demo", **limits)
    assert answer.status_code == 200, answer.content
    return answer.json()


def pages(demo, path, **query):
    """Return the documents of each page."""
    pages, token = [], ""
    while token is not None:
        body = demo.get(path, **query, **({"next_token": token} if token else {})).json()
        pages.append(body["data"])
        token = body["next_token"]
    return pages


@pytest.mark.parametrize("collection", ["sleep", "daily_activity", "daily_sleep", "workout"])
def test_longer_range_is_refused(demo, collection):
    limit(max_days=13)
    answer = demo.get(collection, **SPAN)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Time range is too large"})


def test_longest_range_is_answered(demo):
    right = demo.list("sleep", **SPAN)
    limit(max_days=14)
    assert demo.list("sleep", **SPAN) == right != []


def test_longer_range_of_series_is_refused(demo):
    limit(max_days=1)
    span = {"start_datetime": "2026-11-10T00:00:00Z", "end_datetime": "2026-11-12T00:00:00Z"}
    assert demo.get("heartrate", **span).status_code == 400


@pytest.mark.parametrize("status", [400, 413, 422, 500, 504])
def test_longer_range_is_refused_with_the_status(demo, status):
    limit(max_days=13, status=status)
    assert demo.get("sleep", **SPAN).status_code == status


def test_refused_range_of_422_names_the_field(demo):
    limit(max_days=13, status=422)
    assert demo.get("sleep", **SPAN).json()["detail"][0]["loc"] == ["query", "start_date"]


def test_gateway_timeout_is_not_json(demo):
    limit(max_days=13, status=504)
    assert demo.get("sleep", **SPAN)["Content-Type"] == "text/html"


def test_page_has_at_most_the_size(demo):
    right = demo.list("daily_stress", **SPAN)
    limit(page_size=4)
    found = pages(demo, "daily_stress", **SPAN)
    assert sum(found, []) == right
    assert {len(page) for page in found[:-1]} == {4}


def test_page_begins_with_the_end_of_the_last_one(demo):
    right = demo.list("daily_stress", **SPAN)
    limit(page_size=5, page_overlap=2)
    found = pages(demo, "daily_stress", **SPAN)
    assert [page[:2] for page in found[1:]] == [page[-2:] for page in found[:-1]]
    assert found[0] + sum((page[2:] for page in found[1:]), []) == right


def test_null_page_size_gives_everything_in_one_page(demo, settings):
    right = demo.list("daily_stress", **SPAN)
    settings.SANDBOX_PAGE_SIZE = 3
    limit(page_size=None)
    assert pages(demo, "daily_stress", **SPAN) == [right]


def test_ignored_fields_give_whole_documents(demo):
    right = demo.list("sleep", **SPAN)
    limit(fields=False)
    assert demo.list("sleep", fields="day", **SPAN) == right


def test_limits_are_those_of_one_person(demo):
    limit(max_days=1)
    assert Oura("ana").get("sleep", **SPAN).status_code == 200


def test_limits_left_out_are_undone(demo):
    limit(max_days=1)
    limit(fields=False)
    assert demo.get("sleep", **SPAN).status_code == 200


def test_limits_are_listed(demo):
    limits = {"max_days": 30, "status": 413, "page_size": None, "page_overlap": 0, "fields": True}
    assert limit(max_days=30, status=413, page_size=None) == {"name": "demo", **limits}
    assert demo.http.get("/_sandbox/limits").json() == [{"name": "demo", **limits}]


def test_deleted_limits_are_undone(demo):
    limit(max_days=1)
    assert demo.control("limits", method="DELETE").json() == {"cleared": 1}
    assert demo.get("sleep", **SPAN).status_code == 200


def test_limits_of_one_person_can_be_deleted(demo):
    limit(max_days=1)
    Oura().control("limits", name="ana", max_days=1)
    assert demo.http.delete("/_sandbox/limits?name=ana").json() == {"cleared": 1}
    assert [item["name"] for item in demo.http.get("/_sandbox/limits").json()] == ["demo"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "nobody"}, "There is no person 'nobody'."),
        ({"max_days": 0}, "max_days must be an integer from 1"),
        ({"page_size": "5"}, "page_size must be an integer from 1"),
        ({"page_size": 3, "page_overlap": 3}, "page_overlap must be less than the page size, 3."),
        ({"status": 404}, "status must be one of: 400, 413"),
        ({"fields": 1}, "fields must be true or false."),
        ({"pages": 1}, "Unknown fields: pages."),
    ],
)
def test_invalid_limits_are_400_with_reason(demo, body, expected):
    answer = demo.control("limits", **{"name": "demo", **body})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(expected)


def test_ring_can_belong_to_another_owner(demo):
    demo.control("owner", name="demo", user_id="somebody-else")
    assert demo.get("personal_info").json()["id"] == "somebody-else"


def test_owner_of_null_is_the_person_again(demo):
    demo.control("owner", name="demo", user_id="somebody-else")
    demo.control("owner", name="demo", user_id=None)
    assert demo.get("personal_info").json()["id"] == named_people(SEED)["demo"].user_id


def test_reset_undoes_limits_and_owner(demo):
    limit(max_days=1)
    demo.control("owner", name="demo", user_id="somebody-else")
    store.reset()
    assert demo.get("sleep", **SPAN).status_code == 200
    assert demo.get("personal_info").json()["id"] == named_people(SEED)["demo"].user_id
