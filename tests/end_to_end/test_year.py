"""A year lived in the sandbox: after each day the ledger says what the sandbox knows to be true."""

import gc
from datetime import timedelta
from random import Random

import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from hypothesis import HealthCheck, settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test

from ingest.models import Reading, Revision
from ingest.upsert import forget
from myhealth.metric_types import METRIC_TYPES
from oura.sandbox.faults import requests
from tests.end_to_end.life import Dying, Life

COLLECTIONS = [name for entry in METRIC_TYPES.values() for name in entry.collections]
FAULTS = ["server_error", "malformed", "rate_limit", "unauthorized", "forbidden"]
# As many as bring down every try of one request, and fewer.
TIMES = [1, 3, 5, 12]


@pytest.fixture(scope="module", autouse=True)
def at_once():
    """Answers that don't wait for the client to acknowledge their headers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
        yield


@pytest.fixture
def life(live_server, settings, transactional_db, ana):
    settings.ROOT_URLCONF = "tests.end_to_end.both"
    # The processor collects garbage at each request, and here it would be all of the tests'.
    gc.freeze()
    yield Life(live_server.url, settings, ana)
    gc.unfreeze()


def happen(life, chance):
    """What may befall a day: late syncs, changes of days past, failures."""
    for collection in COLLECTIONS:
        if chance.random() < 0.06:
            life.change("remove", collection, life.today)
        ago = life.today - timedelta(days=chance.randint(1, 25))
        if chance.random() < 0.15:
            life.change("restore", collection, ago)
        if chance.random() < 0.05:
            life.change("recompute", collection, ago, new_id=chance.random() < 0.5)
    recent = life.today - timedelta(days=chance.randint(0, 9))
    if chance.random() < 0.15:
        life.nap(recent, chance.choice(["rest", "sleep", "deleted", "late_nap"]))
    if chance.random() < 0.04:
        life.delete_periods(recent, chance.random() < 0.6)
    if chance.random() < 0.2:
        path = chance.choice([None, *COLLECTIONS])
        life.fault(chance.choice(FAULTS), chance.choice(TIMES), path)
    if chance.random() < 0.02:
        life.lapse()
    if chance.random() < 0.3:
        life.calm()


def live(life, chance, days, *, dying=0.0):
    for _ in range(days):
        life.wake()
        happen(life, chance)
        if chance.random() < 0.9:
            killed = chance.random() < dying
            fate = Dying(chance.randint(1, 14), after=chance.random() < 0.5) if killed else None
            life.collect(fate)
            life.check()


def restore_all(life):
    for collection in COLLECTIONS:
        day = life.born
        while day <= life.today:
            life.change("restore", collection, day)
            day += timedelta(days=1)


def held(life):
    return {type_: set(life.rows(type_)) for type_ in METRIC_TYPES}


def at_oura(life):
    return {
        type_: {
            day for (name, day), history in life.truth.items() if name == type_ and history[-1][1]
        }
        for type_ in METRIC_TYPES
    }


@pytest.mark.parametrize("dying", [0.0, 0.5], ids=["", "with the collector killed now and then"])
def test_after_each_day_of_a_year_the_ledger_is_the_truth(life, dying):
    live(life, Random(7), 365, dying=dying)
    life.calm()
    restore_all(life)
    life.wake()
    life.collect()
    life.collect(repair=True)
    life.check()
    assert held(life) == at_oura(life)
