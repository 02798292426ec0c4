"""What the ledger concludes from types is what they declare, so that a new one changes no other."""

import copy
from contextlib import contextmanager

import pytest
from hypothesis import given, settings

from ingest.ledger import Facts, derive, expected_from
from metrics import SLEEP, TYPES
from tests.ingest.test_ledger import DAY, Known, all_facts, day, span_of_days
from tests.invented.types import CAFFEINE, INVENTED, SNORING

OURS = list(TYPES)


@contextmanager
def registered(*types):
    """More types than ours, for a while."""
    TYPES.update({each.name: each for each in types})
    try:
        yield
    finally:
        for each in types:
            del TYPES[each.name]


def declaring(metric_type, **facts):
    """The type, with other facts declared."""
    changed = copy.copy(metric_type)
    for name, value in facts.items():
        assert hasattr(metric_type, name)
        setattr(changed, name, value)
    return changed


def moved(facts, types):
    """What is known of our types, told of others."""
    made = Facts()
    for old, new in zip(OURS, types, strict=False):
        for name in ("held", "complete", "failed", "rejected", "first"):
            if old in getattr(facts, name):
                getattr(made, name)[new] = getattr(facts, name)[old]
    return made


def together(facts, others):
    made = Facts(off=facts.off)
    for name in ("held", "complete", "failed", "rejected", "first"):
        getattr(made, name).update(getattr(facts, name))
        getattr(made, name).update(getattr(others, name))
    return made


@settings(deadline=None)
@given(all_facts(), all_facts(), span_of_days)
def test_new_types_change_no_state_of_ours(facts, others, span):
    with registered(*INVENTED.values()):
        both = together(facts, moved(others, INVENTED))
        states = [derive(both, name, *span) for name in OURS]
    assert states == [derive(facts, name, *span) for name in OURS]


@pytest.fixture
def ring_off():
    """A night is missing, and both its days have the ring off for hours."""
    known = Known().held(0, 9).held(11, 40).held(0, 40, "activity").asked()
    return known.off(_9=200, _10=200)


def test_night_without_ring_was_not_worn(ring_off):
    assert ring_off.state() == "not_worn"


@pytest.mark.parametrize(("shows_wear", "state"), [(True, "none"), (False, "not_worn")])
def test_row_outweighs_ring_off_if_it_shows_wear(ring_off, shows_wear, state):
    with registered(declaring(SNORING, shows_wear=shows_wear)):
        assert ring_off.held(0, 40, "snoring").state() == state


@pytest.mark.parametrize(("of_night", "state"), [(True, "not_worn"), (False, "none")])
def test_only_types_of_the_night_miss_for_ring_off(ring_off, of_night, state):
    ring_off.held(0, 9, "caffeine").held(11, 40, "caffeine").asked(
        ring_off.of().asked_at, 0, 40, "caffeine"
    )
    with registered(declaring(CAFFEINE, of_night=of_night)):
        assert ring_off.state(type="caffeine") == state


@pytest.fixture
def nothing():
    """Oura has nothing of any of our types on a day, though later days came."""
    known = Known()
    for name in OURS:
        known.held(0, 9, name).held(11, 40, name).asked(over, 0, 40, name)
    return known


over = Known().held(0, 9).held(11, 40).asked().of().asked_at


@pytest.mark.parametrize(("counts", "state"), [(True, "none"), (False, ("not_worn", "nothing"))])
def test_only_types_of_every_worn_day_show_no_wear(nothing, counts, state):
    with registered(declaring(CAFFEINE, on_every_worn_day=counts)):
        assert nothing.state(when=DAY) == state


def test_new_type_is_not_judged_by_ours(nothing):
    nothing.held(0, 9, "caffeine").held(11, 40, "caffeine").asked(over, 0, 40, "caffeine")
    with registered(CAFFEINE):
        assert nothing.state(type="caffeine") == "none"


def test_days_are_expected_from_the_first_worn_one():
    with registered(CAFFEINE):
        firsts = {"sleep": day(5), "readiness": day(3), "caffeine": day(1)}
        assert expected_from(SLEEP, firsts) == day(3)
        assert expected_from(CAFFEINE, firsts) == day(1)


def test_nothing_is_expected_of_nobody():
    assert expected_from(SLEEP, {}) is None
