"""What the ledger concludes from types is what they declare, so that a new one changes no other."""

import copy
import itertools
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.facts import Facts
from ingest.ledger import derive, expected_from
from metrics import SLEEP, TYPES
from myhealth.days import over_at
from tests.ingest.ledger.facts import (
    DAY,
    SETTLED,
    FactsBuilder,
    any_days,
    any_facts,
    day,
    nights_off,
)
from tests.invented.types import CAFFEINE, INVENTED, SNORING
from tests.scale import scaled

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


def together(facts, others):
    made = Facts(nights_off=facts.nights_off)
    for name in ("stored", "complete", "failed", "rejected", "first"):
        getattr(made, name).update(getattr(facts, name))
        getattr(made, name).update(getattr(others, name))
    return made


often = st.integers(0, 4).map(bool)
some_days = st.sets(st.integers(1, 39), min_size=1, max_size=4)


@st.composite
def lives(draw, types, gaps):
    """Days held but for some gaps, which types often share; asked for when all was over."""
    builder = FactsBuilder()
    for name in types:
        own = gaps if draw(often) else draw(some_days)
        for before, after in itertools.pairwise([-1, *sorted(own), 41]):
            if before + 1 < after:
                builder.stored(before + 1, after - 1, name)
        if draw(often):
            builder.fetched(over_at(day(60)), 0, 40, name)
        if draw(st.booleans()):
            builder.rejected(draw(st.integers(0, 40)), name)
    return builder.facts


@st.composite
def both_lives(draw):
    """What is known of our types, and of the invented ones; the ring is off around some gaps."""
    gaps = draw(some_days)
    ours = draw(st.one_of(lives(OURS, gaps), any_facts()))
    ours.nights_off |= nights_off(
        {day(n - back): 200 for n in gaps if draw(st.booleans()) for back in (0, 1)}
    )
    return ours, draw(st.one_of(lives(list(INVENTED), gaps), st.just(Facts())))


@settings(max_examples=scaled(60, 400))
@given(both_lives(), any_days)
def test_new_types_change_no_state_of_ours(facts, span):
    ours, others = facts
    with registered(*INVENTED.values()):
        states = [derive(together(ours, others), name, span) for name in OURS]
    assert states == [derive(ours, name, span) for name in OURS]


@pytest.fixture
def ring_off():
    """A night is missing, and both its days have the ring off for hours."""
    builder = FactsBuilder().stored(0, 9).stored(11, 40).stored(0, 40, "activity").fetched()
    return builder.ring_off({9: 200, 10: 200})


def test_night_without_ring_was_not_worn(ring_off):
    assert ring_off.state() == "not_worn"


@pytest.mark.parametrize(("shows_wear", "state"), [(True, "none"), (False, "not_worn")])
def test_row_outweighs_ring_off_if_it_shows_wear(ring_off, shows_wear, state):
    with registered(declaring(SNORING, shows_wear=shows_wear)):
        assert ring_off.stored(0, 40, "snoring").state() == state


@pytest.mark.parametrize(("of_night", "state"), [(True, "not_worn"), (False, "none")])
def test_only_types_of_the_night_miss_for_ring_off(ring_off, of_night, state):
    ring_off.stored(0, 9, "caffeine").stored(11, 40, "caffeine").fetched(SETTLED, 0, 40, "caffeine")
    with registered(declaring(CAFFEINE, of_night=of_night)):
        assert ring_off.state(type="caffeine") == state


@pytest.fixture
def nothing():
    """Oura has nothing of any of our types on a day, though later days came."""
    builder = FactsBuilder()
    for name in OURS:
        builder.stored(0, 9, name).stored(11, 40, name).fetched(SETTLED, 0, 40, name)
    return builder


@pytest.mark.parametrize(("counts", "state"), [(True, "none"), (False, ("not_worn", "nothing"))])
def test_only_types_of_every_worn_day_show_no_wear(nothing, counts, state):
    with registered(declaring(CAFFEINE, on_every_worn_day=counts)):
        assert nothing.state(when=DAY) == state


def test_ring_that_was_off_explains_every_type(nothing):
    nothing.stored(0, 9, "caffeine").stored(11, 40, "caffeine").fetched(SETTLED, 0, 40, "caffeine")
    with registered(CAFFEINE):
        assert nothing.state(type="caffeine") == ("not_worn", "nothing")


def test_ring_that_was_on_explains_no_type(nothing):
    nothing.stored(0, 9, "caffeine").stored(11, 40, "caffeine").fetched(SETTLED, 0, 40, "caffeine")
    nothing.rejected(10, "sleep")
    with registered(CAFFEINE):
        assert nothing.state(type="caffeine") == "none"


def test_days_are_expected_from_the_first_worn_one():
    with registered(CAFFEINE):
        firsts = {"sleep": day(5), "readiness": day(3), "caffeine": day(1)}
        assert expected_from(SLEEP, firsts) == day(3)
        assert expected_from(CAFFEINE, firsts) == day(1)


def test_nothing_is_expected_of_nobody():
    assert expected_from(SLEEP, {}) is None
