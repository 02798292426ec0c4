"""Months in which the collector is killed every other day, and some in which nothing goes wrong."""

from random import Random

from ingest.models import Fetch
from metrics import TYPES
from sandbox.faults import request_counts
from tests.end_to_end.life import COLLECTIONS, FAULTS
from tests.end_to_end.test_year import live, mend
from tests.scale import full_only, scaled

DAYS = 90
PATHS = [f"/v2/usercollection/{name}" for name in COLLECTIONS]


def test_ledger_is_true_though_collector_is_often_killed(life):
    live(life, Random(8), scaled(18, 60), dying=0.5)
    mend(life)


def test_two_runs_heal_what_failed_without_being_told_to(life):
    chance = Random(11)
    for _ in range(scaled(8, 40)):
        life.wake()
        if chance.random() < 0.6:
            life.fault(chance.choice(FAULTS), 30, chance.choice(COLLECTIONS))
        life.collect()
        life.calm()
    life.collect()
    life.collect()
    life.check()
    assert life.held() == life.there()


def test_daily_runs_take_one_request_per_collection_or_two(life):
    asked = []
    for _ in range(scaled(16, 45)):
        life.wake()
        request_counts.clear()
        life.collect()
        asked.append(sum(request_counts.to_dict()["paths"].get(path, 0) for path in PATHS))
    # The first run asks for all years.
    assert max(asked[1:]) <= 2 * len(COLLECTIONS)
    assert sum(asked[1:]) <= 1.5 * len(COLLECTIONS) * len(asked[1:])


@full_only
def test_daily_runs_are_kept_as_few_fetches(life):
    for _ in range(DAYS):
        life.wake()
        life.collect()
    assert Fetch.objects.count() <= len(TYPES) * DAYS / 2
