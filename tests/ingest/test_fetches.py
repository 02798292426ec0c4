"""Fetches: which ranges of days are kept of them, with how many attempts."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from ingest import fetches as stored
from ingest.fetches import FetchedDays, count_missed, join_neighbours, merge_fetch, record
from ingest.models import Fetch
from myhealth.days import over_at
from myhealth.postgresql.prepared import Transaction
from myhealth.states import State
from oura.plan import CollectOptions, LedgerRange, make_plan, windows
from tests.scale import scaled

FIRST = date(2026, 3, 1)
YEARS = scaled(3, 10)
LATER = over_at(FIRST + timedelta(days=30))
HOUR = timedelta(hours=1)


def day(number):
    return FIRST + timedelta(days=number)


def complete(start, end, asked_at=LATER, **columns):
    return FetchedDays(
        day(start), day(end), asked_at=asked_at, **{"complete": True, "run": "a run", **columns}
    )


def failed(start, end, asked_at=LATER, *, kind="unavailable", **columns):
    return complete(start, end, asked_at, complete=False, kind=kind, **columns)


def combine(*fetches):
    """Return the ranges that are kept after these fetches, recorded one after another."""
    kept = []
    for fetch in fetches:
        kept = join_neighbours(merge_fetch(kept, fetch))
    return kept


def times_by_day(fetches, *, complete):
    """Return when each day was fetched; a day in two ranges is an error."""
    times = {}
    for fetch in fetches:
        if fetch.complete == complete:
            for one in fetch:
                assert one not in times
                times[one] = fetch.asked_at
    return times


def spans(fetches):
    return [((each.start - FIRST).days, (each.end - FIRST).days) for each in fetches]


# The newest fetch of each day ---------------------------------------------------------------------

any_fetch = st.builds(
    lambda start, length, is_complete, hour: complete(
        start,
        start + length,
        LATER + hour * HOUR,
        complete=is_complete,
        run=str(hour),
        documents=length,
        pages=1,
    ),
    st.integers(0, 20),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 200),
)
in_any_order = st.lists(any_fetch, max_size=12, unique_by=lambda each: each.asked_at)


@given(in_any_order)
def test_newest_complete_fetch_of_each_day_is_kept(fetches):
    newest = {}
    for fetch in sorted(fetches, key=lambda each: each.asked_at):
        if fetch.complete:
            newest |= dict.fromkeys(fetch, fetch.asked_at)
    assert times_by_day(combine(*fetches), complete=True) == newest


@given(in_any_order)
def test_failure_is_kept_until_newer_complete_fetch(fetches):
    failures = {}
    for fetch in sorted(fetches, key=lambda each: each.asked_at):
        failures |= dict.fromkeys(fetch, None if fetch.complete else fetch.asked_at)
    expected = {one: moment for one, moment in failures.items() if moment}
    assert times_by_day(combine(*fetches), complete=False) == expected


def test_same_fetch_recorded_twice_changes_nothing():
    once, twice = (combine(*[complete(0, 9) for _ in range(times)]) for times in (1, 2))
    assert spans(once) == spans(twice) == [(0, 9)]
    assert times_by_day(once, complete=True) == times_by_day(twice, complete=True)


def test_unaffected_fetch_stays_same_object():
    other = complete(0, 3)
    assert merge_fetch([other], complete(5, 9, LATER + HOUR))[0] is other


def test_remaining_part_of_fetch_keeps_its_numbers():
    kept = combine(complete(0, 9, documents=10, pages=2), complete(3, 9, LATER + HOUR, documents=7))
    assert [(each.documents, each.pages, each.run) for each in kept] == [
        (10, 2, "a run"),
        (7, None, "a run"),
    ]


def test_failure_within_complete_fetch_does_not_split_it():
    kept = combine(complete(0, 9), failed(4, 5, LATER + HOUR))
    assert [(each.complete, *span) for each, span in zip(kept, spans(kept), strict=True)] == [
        (False, 4, 5),
        (True, 0, 9),
    ]


# Attempts -----------------------------------------------------------------------------------------


def attempts(*fetches):
    return [each.attempts for each in combine(*fetches)]


def test_consecutive_failures_are_counted():
    assert attempts(*[failed(0, 9, LATER + n * HOUR) for n in range(3)]) == [3]


def test_complete_fetch_resets_count_of_failures():
    failures = [failed(0, 9, LATER + n * HOUR) for n in (0, 1, 3)]
    kept = combine(*failures[:2], complete(0, 9, LATER + 2 * HOUR), failures[2])
    assert [each.attempts for each in kept if not each.complete] == [1]


def test_wider_failure_continues_count_of_each_day():
    failures = [failed(4, 5, LATER + n * HOUR) for n in (0, 1)]
    kept = combine(*failures, failed(7, 8), failed(0, 9, LATER + 2 * HOUR))
    assert [(*span, each.attempts) for each, span in zip(kept, spans(kept), strict=True)] == [
        (0, 3, 1),
        (4, 5, 3),
        (6, 6, 1),
        (7, 8, 2),
        (9, 9, 1),
    ]


@pytest.mark.parametrize("kind", ["unavailable", "bad_answer"])
def test_day_beside_one_that_always_fails_failed_once(kind):
    failures = [failed(0, 0, LATER + n * HOUR) for n in range(12)]
    kept = combine(*failures, failed(0, 2, LATER + 12 * HOUR, kind=kind))
    assert [(*span, each.attempts) for each, span in zip(kept, spans(kept), strict=True)] == [
        (0, 0, 13),
        (1, 2, 1),
    ]


def test_failures_of_other_days_are_not_counted():
    assert attempts(failed(0, 3), failed(5, 9, LATER + HOUR)) == [1, 1]


def alike(*fetches):
    """Return for each range of failures how many were alike, and for how many hours."""
    kept = combine(*fetches)
    return [
        (*span, each.alike, (each.asked_at - each.since) // HOUR)
        for each, span in zip(kept, spans(kept), strict=True)
    ]


def test_failures_for_same_reason_are_counted_from_first():
    failures = [failed(0, 9, LATER + n * HOUR, status=500) for n in (0, 1, 5)]
    assert alike(*failures) == [(0, 9, 3, 5)]


@pytest.mark.parametrize(
    "other", [{"kind": "bad_answer"}, {"status": 502}, {"collection": "sleep"}]
)
def test_failure_for_other_reason_is_first_again(other):
    assert alike(failed(0, 9), failed(0, 9, LATER + HOUR, **other)) == [(0, 9, 1, 0)]


def test_failure_on_other_page_is_alike():
    assert alike(failed(0, 9, page=1), failed(0, 9, LATER + HOUR, page=2)) == [(0, 9, 2, 1)]


def test_failures_alike_are_counted_for_each_day():
    assert alike(failed(4, 5), failed(0, 9, LATER + HOUR)) == [
        (0, 3, 1, 0),
        (4, 5, 2, 1),
        (6, 9, 1, 0),
    ]


def test_same_failure_recorded_twice_is_one_alike():
    assert alike(failed(0, 9), failed(0, 9)) == [(0, 9, 1, 0)]


def test_complete_fetch_ends_failures_alike():
    failures = [failed(0, 9, LATER + n * HOUR) for n in (0, 2)]
    kept = combine(failures[0], complete(0, 9, LATER + HOUR), failures[1])
    assert [(each.alike, each.since) for each in kept if not each.complete] == [
        (1, LATER + 2 * HOUR)
    ]


def test_failure_of_older_version_counts_as_first_alike():
    old = failed(0, 9, attempts=7, alike=0, since=None)
    [kept] = merge_fetch([old], failed(0, 9, LATER + HOUR))
    assert (kept.attempts, kept.alike, kept.since) == (8, 2, LATER)


def test_first_complete_fetch_is_one_attempt():
    assert attempts(complete(0, 9)) == [1]


@pytest.mark.parametrize("times", [2, 3])
def test_repeated_complete_fetches_are_two_attempts(times):
    assert attempts(*[complete(0, 9, LATER + n * HOUR) for n in range(times)]) == [2]


def test_failures_do_not_reset_count_of_complete_fetches():
    kept = combine(complete(0, 9), failed(0, 9, LATER + HOUR), complete(0, 9, LATER + 2 * HOUR))
    assert [each.attempts for each in kept] == [2]


def test_fetch_is_split_by_attempts_of_its_days():
    kept = combine(complete(3, 5), complete(0, 9, LATER + HOUR))
    assert [(*span, each.attempts) for each, span in zip(kept, spans(kept), strict=True)] == [
        (0, 2, 1),
        (3, 5, 2),
        (6, 9, 1),
    ]


def test_refetched_gap_keeps_its_count():
    kept = combine(complete(0, 9), complete(5, 5, LATER + HOUR))
    assert [each.attempts for each in kept] == [1, 2, 1]


@given(in_any_order)
def test_each_day_has_one_or_two_complete_fetches(fetches):
    fetches = sorted(fetches, key=lambda each: each.asked_at)
    counts = Counter(one for each in fetches if each.complete for one in each)
    kept = [each for each in combine(*fetches) if each.complete]
    attempts_by_day = {one: each.attempts for each in kept for one in each}
    assert attempts_by_day == {one: min(count, 2) for one, count in counts.items()}


# Few ranges ---------------------------------------------------------------------------------------


def test_equal_neighbours_are_joined():
    assert spans(combine(complete(0, 4), complete(5, 9))) == [(0, 9)]


def test_equal_fetches_with_gap_are_not_joined():
    assert spans(combine(complete(0, 4), complete(6, 9))) == [(0, 4), (6, 9)]


def test_equal_failures_are_joined():
    assert spans(combine(failed(0, 4), failed(5, 9))) == [(0, 9)]


@pytest.mark.parametrize(
    "other",
    [
        {"run": "2"},
        {"asked_at": LATER + HOUR},
        {"pages": 2},
        {"documents": 2},
    ],
)
def test_different_neighbours_are_not_joined(other):
    assert spans(combine(complete(0, 4), complete(5, 9, **other))) == [(0, 4), (5, 9)]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "forbidden"},
        {"status": 500},
        {"collection": "sleep"},
        {"page": 2},
        {"run": "2"},
        {"asked_at": LATER + HOUR},
    ],
)
def test_different_failures_are_not_joined(other):
    assert len(combine(failed(0, 4), failed(5, 9, **other))) == 2


def test_failure_and_complete_fetch_are_not_joined():
    assert len(combine(complete(0, 4), failed(5, 9))) == 2


def test_fetch_of_all_days_replaces_those_of_single_days():
    one_by_one = [complete(n, n, LATER + n * HOUR, run=str(n)) for n in range(60)]
    assert len(combine(*one_by_one)) == 60
    assert spans(combine(*one_by_one, complete(0, 59, LATER + 99 * HOUR, run="99"))) == [(0, 59)]


def test_years_of_daily_runs_need_few_ranges():
    kept, most = [], 0
    for number in range(YEARS * 365):
        asked_at = datetime.combine(day(number), time(9), UTC)
        ledger = [LedgerRange(each.start, each.end, State.HELD, "", each.asked_at) for each in kept]
        for window in windows(make_plan(ledger, CollectOptions(), asked_at).always):
            first = max((window.start - FIRST).days, 0)
            fetch = complete(first, (window.end - FIRST).days, asked_at, run=str(number))
            kept = join_neighbours(merge_fetch(kept, fetch))
        most = max(most, len(kept))
    assert most < 100
    assert len(times_by_day(kept, complete=True)) == YEARS * 365 + 1


# The table ----------------------------------------------------------------------------------------


def store(user, *fetches, type="sleep"):
    """Record fetches one after another."""
    for fetch in fetches:
        with Transaction() as transaction:
            [rows] = transaction.execute(stored.select(user.pk, type))
            before = stored.from_rows(rows)
            after = record(before, fetch)
            transaction.execute(*stored.replacing(user.pk, type, before, after), commit=True)


@pytest.mark.django_db
def test_only_overlapped_fetches_are_replaced_in_table(ana):
    store(ana, complete(0, 3), complete(5, 9))
    first = Fetch.objects.get(start=FIRST).pk
    store(ana, complete(5, 7, LATER + HOUR, run="2"))
    fetches = Fetch.objects.order_by("start")
    assert spans(fetches) == [(0, 3), (5, 7), (8, 9)]
    assert fetches[0].pk == first


@pytest.mark.django_db
def test_fetches_of_other_people_and_types_are_unaffected(ana, ben):
    store(ben, complete(0, 9))
    store(ana, complete(0, 9), type="activity")
    store(ana, complete(0, 9, LATER + HOUR))
    assert Fetch.objects.count() == 3


@pytest.mark.parametrize(
    ("fetch", "count"),
    [
        (complete(0, 9, over_at(FIRST)), 1),
        (complete(0, 9, over_at(FIRST) - HOUR), 0),
        (failed(0, 9, over_at(FIRST) - HOUR), 1),
        (complete(1, 9), 0),
    ],
    ids=["after it was over", "before it was over", "failed", "other days"],
)
def test_day_fetched_when_over_or_without_success_was_missed(fetch, count):
    assert count_missed(combine(fetch), [FIRST]) == count


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("is_complete", "kind"), [(True, "error"), (False, ""), (False, "server_error")]
)
def test_table_refuses_fetch_without_valid_kind(ana, is_complete, kind):
    with pytest.raises(IntegrityError, match="fetch_complete_or_kind"):
        store(ana, complete(0, 3, complete=is_complete, kind=kind))
