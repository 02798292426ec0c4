"""Adding a collection takes one registry entry, which every route reads at each request."""

import dataclasses

import pytest

from sandbox import grants
from sandbox.people import named_people
from sandbox.registry import COLLECTIONS, Collection
from tests.sandbox.sandboxed import SEED, reset_sandbox

SPAN = {"start_date": "2026-11-01", "end_date": "2026-11-02"}


def naps(person, day, revision, make_id):
    return [{"id": make_id(number), "day": day.isoformat(), "nap": number} for number in (0, 1)]


@pytest.fixture(autouse=True)
def added(settings, monkeypatch):
    reset_sandbox(settings, days=60)
    grants.state.clear()
    monkeypatch.setitem(COLLECTIONS, "daily_naps", Collection(naps, scope="session", max_per_day=2))


def test_added_collection_is_listed_and_read_by_id(demo):
    results = demo.list("daily_naps", **SPAN)
    assert [(item["day"][8:], item["nap"]) for item in results] == [
        ("01", 0),
        ("01", 1),
        ("02", 0),
        ("02", 1),
    ]
    assert [demo.get(f"daily_naps/{item['id']}").json() for item in results] == results


def test_added_collection_uses_its_end_rule(demo, monkeypatch):
    ends = dataclasses.replace(COLLECTIONS["daily_naps"], end=COLLECTIONS["sleep"].end)
    monkeypatch.setitem(COLLECTIONS, "daily_naps", ends)
    assert set(demo.days("daily_naps", *SPAN.values())) == {"2026-11-01"}


def test_replaced_entry_applies_at_once(demo, monkeypatch):
    assert demo.list("daily_naps", **SPAN)
    none = Collection(lambda person, day, revision, make_id: [])
    monkeypatch.setitem(COLLECTIONS, "daily_naps", none)
    assert demo.list("daily_naps", **SPAN) == []


@pytest.mark.parametrize(("scope", "status"), [("session", 200), ("daily", 401)])
def test_added_collection_requires_its_scope(demo, scope, status):
    application = grants.state.applications["myhealth-sandbox"]
    grant = grants.issue_tokens(grants.Grant(named_people(SEED)["demo"], application, (scope,)))
    headers = {"Authorization": f"Bearer {grant.access_token}"}
    assert demo.get("daily_naps", headers=headers).status_code == status


def test_fault_can_be_limited_to_added_collection(demo):
    assert demo.control("faults", fault="forbidden", path="daily_naps").status_code == 200
    assert demo.get("daily_sleep").status_code == 200
    assert demo.get("daily_naps").status_code == 403


def test_added_collection_can_be_removed_but_not_recomputed(demo):
    body = {"name": "demo", "type": "daily_naps", "day": "2026-11-01"}
    assert demo.control("recompute", **body).status_code == 400
    assert demo.control("remove", **body).json()["removed"]
    assert set(demo.days("daily_naps", *SPAN.values())) == {"2026-11-02"}
