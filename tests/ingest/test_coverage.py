"""Ranges merged and counted, as page, API, admin and programs show them."""

from datetime import UTC, datetime

import pytest

from ingest.coverage import count_missing, merge_alike, missing_ranges
from ingest.ledger import Range
from myhealth.states import Cause, State, Verdict
from tests.ingest.ledger.facts import day

AT = datetime(2026, 3, 14, 6, 30, tzinfo=UTC)
NONE, HELD = Verdict(State.NONE), Verdict(State.HELD)
BEFORE_FIRST = Verdict(State.NONE, Cause.BEFORE_FIRST)


def ranges(*parts):
    """Ranges one after another: (number of days, verdict)."""
    start, placed = 0, []
    for days, verdict in parts:
        placed.append(Range(day(start), day(start + days - 1), "sleep", verdict))
        start += days
    return placed


def test_ranges_that_differ_in_fetch_time_are_merged():
    [merged] = merge_alike(ranges((3, HELD), (4, HELD._replace(asked_at=AT))))
    assert (merged.start, merged.end, merged.state) == (day(0), day(6), "held")


@pytest.mark.parametrize("other", [HELD, BEFORE_FIRST, NONE._replace(rejected=7)])
def test_ranges_with_other_state_reason_or_document_stay(other):
    given = ranges((3, NONE), (4, other))
    assert merge_alike(given) == given


def test_equal_ranges_apart_stay():
    given = ranges((3, HELD), (1, NONE), (3, HELD))
    assert merge_alike(given) == given


def test_no_ranges_merge_to_none():
    assert merge_alike([]) == []


SEVERAL = ranges(
    (9, BEFORE_FIRST),
    (5, HELD),
    (2, NONE),
    (3, Verdict(State.PARTIAL, missing_collection="sleep")),
    (1, Verdict(State.HELD, Cause.NEWER_REJECTED)),
    (4, NONE),
)


def test_missing_days_are_counted_by_state():
    assert count_missing(SEVERAL) == {"none": 6, "partial": 3}


def test_missing_ranges_come_newest_first():
    assert missing_ranges(SEVERAL) == [SEVERAL[5], SEVERAL[3], SEVERAL[2]]
