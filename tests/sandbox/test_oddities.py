"""Odd days: what Oura has been seen to answer, on demand."""

import datetime
import json

import orjson
import pytest

from sandbox.store import documents_between
from tests.sandbox.sandboxed import TODAY, Oura, day, documents_on, reset_sandbox

ONE_DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings, days=60)


def a_day(collection):
    """Return a day with one document, as the days around it; for `sleep`, one long night."""
    documents = documents_between("demo", collection, datetime.date(2026, 1, 1), TODAY)
    days = [document["day"] for document in documents]
    nights = {d["day"] for d in documents if d.get("type", "long_sleep") == "long_sleep"}
    around = [day(text) for text in days if days.count(text) == 1 and text in nights]
    return next(on.isoformat() for on in around[9:] if {on - ONE_DAY, on + ONE_DAY} <= set(around))


def shifted(text, by):
    return (day(text) + by * ONE_DAY).isoformat()


def make_odd(collection, on, oddity):
    answer = Oura().control("oddities", name="demo", type=collection, day=on, oddity=oddity)
    assert answer.status_code == 200, answer.content
    return answer.json()


# Corrupt records --------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["sleep", "daily_activity", "daily_sleep", "workout"])
def test_range_with_a_poisoned_day_fails(demo, collection):
    make_odd(collection, "2026-11-10", "poison")
    answer = demo.get(collection, start_date="2026-11-01", end_date="2026-11-15")
    assert (answer.status_code, answer.content) == (500, b"Internal Server Error")


@pytest.mark.parametrize(
    ("collection", "last"), [("sleep", 0), ("daily_activity", 0), ("daily_sleep", -1)]
)
def test_poison_follows_the_end_rule_of_the_collection(demo, collection, last):
    on = a_day(collection)
    make_odd(collection, on, "poison")
    start, end = shifted(on, -5), shifted(on, last)
    assert demo.get(collection, start_date=start, end_date=end).status_code == 200
    assert demo.get(collection, start_date=start, end_date=shifted(end, 1)).status_code == 500


def test_range_after_a_poisoned_day_is_answered(demo):
    make_odd("sleep", "2026-11-10", "poison")
    answer = demo.get("sleep", start_date="2026-11-11", end_date="2026-11-15")
    assert answer.status_code == 200


def test_document_of_a_poisoned_day_fails(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "poison")
    assert demo.get(f"sleep/{documents_on('sleep', on)[0]['id']}").status_code == 500


def test_nan_day_makes_the_body_invalid_json(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "nan")
    answer = demo.get("sleep", start_date=on, end_date=shifted(on, 1))
    assert answer.status_code == 200
    assert b"NaN" in answer.content
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)


def test_document_of_a_nan_day_is_invalid_json(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "nan")
    answer = demo.get(f"sleep/{documents_on('sleep', on)[0]['id']}")
    assert b"NaN" in answer.content
    assert json.loads(answer.content)["day"] == on


def test_poison_spares_other_collections_and_people(demo):
    make_odd("sleep", "2026-11-10", "poison")
    span = {"start_date": "2026-11-01", "end_date": "2026-11-15"}
    assert demo.get("daily_sleep", **span).status_code == 200
    assert Oura("ana").get("sleep", **span).status_code == 200
