"""Months lived in the sandbox: after each day the ledger says what the sandbox knows to be true."""

from datetime import timedelta
from random import Random

from sandbox.oddities import KINDS
from tests.end_to_end.life import COLLECTIONS, FAULTS, RANGES, TIMES, Dying
from tests.scale import scaled

DAYS = scaled(24, 120)
# In fewer days each of them sees more.
DENSITY = scaled(2, 1)


def happen(life, chance):
    """What may befall a day: late syncs, changes of days past, failures."""
    for collection in COLLECTIONS:
        if chance.random() < 0.06 * DENSITY:
            life.change("remove", collection, life.today)
        ago = life.today - timedelta(days=chance.randint(1, 25))
        if chance.random() < 0.15 * DENSITY:
            life.change("restore", collection, ago)
        if chance.random() < 0.05 * DENSITY:
            life.change("recompute", collection, ago, new_id=chance.random() < 0.5)
        if chance.random() < 0.1 * DENSITY:
            odd = life.today - timedelta(days=chance.randint(0, 30))
            life.odd(collection, odd, chance.choice([None, *KINDS]))
    if chance.random() < 0.03 * DENSITY:
        life.limit(chance.choice(RANGES), chance.choice([400, 422, 500]))
    recent = life.today - timedelta(days=chance.randint(0, 9))
    if chance.random() < 0.15 * DENSITY:
        life.nap(recent, chance.choice(["rest", "sleep", "deleted", "late_nap"]))
    if chance.random() < 0.04 * DENSITY:
        life.delete_periods(recent, chance.random() < 0.6)
    if chance.random() < 0.2 * DENSITY:
        path = chance.choice([None, *COLLECTIONS])
        life.fault(chance.choice(FAULTS), chance.choice(TIMES), path)
    if chance.random() < 0.02 * DENSITY:
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


def test_ledger_is_true_after_each_day(life):
    live(life, Random(7), DAYS)
    mend(life)


def mend(life):
    """When all that befalls a life stops, what can be healed is."""
    life.calm()
    life.restore_all()
    life.wake()
    life.collect()
    life.collect(repair=True)
    life.check()
    assert life.held() == life.there()
