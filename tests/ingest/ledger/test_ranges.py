"""The ledger as ranges: each day exactly once, in as few ranges as possible."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ingest.ledger import derive
from metrics import TYPES
from myhealth.days import Days, over_at
from tests.ingest.ledger.facts import FIRST, FactsBuilder, any_days, any_facts, day, days_of

any_type = st.sampled_from(list(TYPES))


@given(any_facts(), any_type, any_days)
def test_each_day_is_in_one_range(facts, type_, days):
    assert days_of(derive(facts, type_, days)) == list(days)


@given(any_facts(), any_type, any_days)
def test_day_has_same_verdict_alone_and_in_range(facts, type_, days):
    for each in derive(facts, type_, days):
        for one in each:
            assert derive(facts, type_, Days(one, one)) == [replace(each, start=one, end=one)]


@given(any_facts(), any_type, any_days)
def test_neighbours_have_different_verdicts(facts, type_, days):
    verdicts = [each.verdict for each in derive(facts, type_, days)]
    assert all(one != other for one, other in zip(verdicts, verdicts[1:], strict=False))


@given(any_facts(), any_days)
def test_days_with_row_are_exactly_held_or_partial(facts, days):
    derived = derive(facts, "sleep", days)
    with_row = days_of(each for each in derived if each.state.has_row)
    assert set(with_row) == set(days_of(facts.stored["sleep"])) & set(days)


def test_one_fetch_splits_days_by_how_long_they_were_over():
    facts = FactsBuilder().fetched(over_at(day(20))).facts
    derived = derive(facts, "sleep", Days(FIRST, day(40)))
    assert [(each.end, each.state, each.verdict.cause) for each in derived] == [
        (day(6), "none", None),
        (day(20), "not_synced", "waiting"),
        (day(40), "not_synced", "early"),
    ]
