"""A year lived in the sandbox: after each day the ledger says what the sandbox knows to be true."""

from datetime import timedelta
from random import Random

import pytest

from ingest.models import Reading
from oura.sandbox.faults import requests
from tests.end_to_end.life import COLLECTIONS, FAULTS, TIMES, Dying


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
            life.collect(Dying(chance.randint(1, 14), chance.random() < 0.5) if killed else None)
            life.check()


@pytest.mark.parametrize(
    ("days", "dying"), [(365, 0.0), (183, 0.5)], ids=["", "the collector killed every other day"]
)
def test_after_each_day_of_a_year_the_ledger_is_the_truth(life, days, dying):
    live(life, Random(7), days, dying=dying)
    life.calm()
    life.restore_all()
    life.wake()
    life.collect()
    life.collect(repair=True)
    life.check()
    assert life.held() == life.there()


def test_two_runs_heal_what_failed_without_being_told_to(life):
    chance = Random(11)
    for _ in range(40):
        life.wake()
        if chance.random() < 0.6:
            life.fault(chance.choice(FAULTS), 30, chance.choice(COLLECTIONS))
        life.collect()
        life.calm()
    life.collect()
    life.collect()
    life.check()
    assert life.held() == life.there()


def test_a_year_of_daily_runs_asks_little_more_than_a_request_a_day_and_collection(life):
    for _ in range(365):
        life.wake()
        life.collect()
    fewest = len(COLLECTIONS) * 365
    assert requests.listed()["total"] <= 1.2 * fewest


def test_a_year_of_daily_runs_is_kept_in_few_readings(life):
    for _ in range(120):
        life.wake()
        life.collect()
    assert Reading.objects.count() <= 3 * 60
