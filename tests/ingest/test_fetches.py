"""Ranges that were read, or could not be: what is known of them, and what becomes of the rows."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.fetches import count_missed, join_neighbours, merge_fetch, record
from ingest.models import (
    ActivityMetric,
    Fetch,
    MetricSource,
    RejectedDocument,
    Revision,
    SleepMetric,
    Stream,
)
from myhealth.days import over_at
from myhealth.states import State
from oura.plan import CollectOptions, LedgerRange, make_plan, windows
from tests.ingest.conftest import night

FIRST = date(2026, 3, 1)
LATER = over_at(FIRST + timedelta(days=30))
HOUR = timedelta(hours=1)


def day(number):
    return FIRST + timedelta(days=number)


def reading(start, end, asked_at=LATER, *, complete=True, run="a run", **more):
    return Fetch(
        user_id=more.pop("user_id", 1),
        type="sleep",
        start=day(start),
        end=day(end),
        complete=complete,
        asked_at=asked_at,
        run=run,
        **more,
    )


def failure(start, end, asked_at=LATER, *, kind="unavailable", **more):
    return reading(start, end, asked_at, complete=False, kind=kind, **more)


def whole(*reports):
    """The readings after these reports, one after another."""
    held = []
    for report in reports:
        held = join_neighbours(merge_fetch(held, report))
    return held


def days_of(found):
    return list(found.days)


def by_day(readings, *, complete):
    """When each day was asked; a day in two readings is an error."""
    found = {}
    for each in readings:
        if each.complete == complete:
            for one in days_of(each):
                assert one not in found
                found[one] = each.asked_at
    return found


def spans(readings):
    return [((each.start - FIRST).days, (each.end - FIRST).days) for each in readings]


# The newest word on each day ----------------------------------------------------------------------

reports = st.builds(
    lambda start, length, complete, hour: reading(
        start,
        start + length,
        LATER + hour * HOUR,
        complete=complete,
        run=str(hour),
        documents=length,
        pages=1,
    ),
    st.integers(0, 20),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 200),
)
in_any_order = st.lists(reports, max_size=12, unique_by=lambda each: each.asked_at)


@settings(deadline=None)
@given(in_any_order)
def test_in_whatever_order_they_come_the_newest_complete_reading_of_each_day_is_known(given_):
    newest = {}
    for each in sorted(given_, key=lambda each: each.asked_at):
        if each.complete:
            newest |= dict.fromkeys(days_of(each), each.asked_at)
    assert by_day(whole(*given_), complete=True) == newest


@settings(deadline=None)
@given(in_any_order)
def test_in_whatever_order_they_come_a_failure_stands_until_a_newer_complete_reading(given_):
    standing = {}
    for each in sorted(given_, key=lambda each: each.asked_at):
        for one in days_of(each):
            standing[one] = None if each.complete else each.asked_at
    expected = {one: moment for one, moment in standing.items() if moment}
    assert by_day(whole(*given_), complete=False) == expected


def test_the_same_report_again_changes_nothing_that_is_known():
    once, twice = (whole(*[reading(0, 9) for _ in range(times)]) for times in (1, 2))
    assert spans(once) == spans(twice) == [(0, 9)]
    assert by_day(once, complete=True) == by_day(twice, complete=True)


def test_what_a_report_leaves_alone_is_the_same_object():
    apart = reading(0, 3)
    assert merge_fetch([apart], reading(5, 9, LATER + HOUR))[0] is apart


def test_what_is_left_of_a_reading_goes_on_telling_of_the_whole_that_was_read():
    held = whole(reading(0, 9, documents=10, pages=2), reading(3, 9, LATER + HOUR, documents=7))
    assert [(each.documents, each.pages, each.run) for each in held] == [
        (10, 2, "a run"),
        (7, None, "a run"),
    ]


def test_a_failure_in_the_middle_leaves_the_complete_reading_whole():
    held = whole(reading(0, 9), failure(4, 5, LATER + HOUR))
    assert [(each.complete, *span) for each, span in zip(held, spans(held), strict=True)] == [
        (False, 4, 5),
        (True, 0, 9),
    ]


# How often in a row -------------------------------------------------------------------------------


def attempts(*reports):
    return [each.attempts for each in whole(*reports)]


def test_each_failure_in_a_row_counts():
    assert attempts(*[failure(0, 9, LATER + n * HOUR) for n in range(3)]) == [3]


def test_a_complete_reading_begins_the_count_of_failures_anew():
    failed = [failure(0, 9, LATER + n * HOUR) for n in (0, 1, 3)]
    held = whole(failed[0], failed[1], reading(0, 9, LATER + 2 * HOUR), failed[2])
    assert [each.attempts for each in held if not each.complete] == [1]


def test_a_wider_failure_counts_on_from_the_worst_within_it():
    often = [failure(4, 5, LATER + n * HOUR) for n in (0, 1)]
    assert attempts(*often, failure(7, 8), failure(0, 9, LATER + 2 * HOUR)) == [3]


def test_failures_of_other_days_do_not_count():
    assert attempts(failure(0, 3), failure(5, 9, LATER + HOUR)) == [1, 1]


def test_a_day_read_whole_counts_as_asked_once():
    assert attempts(reading(0, 9)) == [1]


@pytest.mark.parametrize("times", [2, 3])
def test_a_day_read_whole_again_counts_as_asked_more_than_once(times):
    assert attempts(*[reading(0, 9, LATER + n * HOUR) for n in range(times)]) == [2]


def test_failures_between_leave_the_count_of_complete_readings():
    held = whole(reading(0, 9), failure(0, 9, LATER + HOUR), reading(0, 9, LATER + 2 * HOUR))
    assert [each.attempts for each in held] == [2]


def test_days_asked_for_the_first_time_are_told_from_the_others_of_the_same_reading():
    held = whole(reading(3, 5), reading(0, 9, LATER + HOUR))
    assert [(*span, each.attempts) for each, span in zip(held, spans(held), strict=True)] == [
        (0, 2, 1),
        (3, 5, 2),
        (6, 9, 1),
    ]


def test_a_gap_asked_for_again_keeps_its_count_beside_neighbours_of_the_same_run():
    held = whole(reading(0, 9), reading(5, 5, LATER + HOUR))
    assert [each.attempts for each in held] == [1, 2, 1]


@settings(deadline=None)
@given(in_any_order)
def test_each_day_counts_as_asked_once_or_more_often(given_):
    given_ = sorted(given_, key=lambda each: each.asked_at)
    times = Counter(one for each in given_ if each.complete for one in days_of(each))
    told = {one: each.attempts for each in whole(*given_) if each.complete for one in days_of(each)}
    assert told == {one: min(count, 2) for one, count in times.items()}


# Few ranges ---------------------------------------------------------------------------------------


def test_neighbours_that_tell_the_same_become_one_range():
    assert spans(whole(reading(0, 4), reading(5, 9))) == [(0, 9)]


def test_days_with_others_between_stay_apart():
    assert spans(whole(reading(0, 4), reading(6, 9))) == [(0, 4), (6, 9)]


def test_failures_that_tell_the_same_become_one_range():
    assert spans(whole(failure(0, 4), failure(5, 9))) == [(0, 9)]


@pytest.mark.parametrize(
    "other",
    [
        {"run": "2"},
        {"asked_at": LATER + HOUR},
        {"pages": 2},
        {"documents": 2},
    ],
)
def test_neighbours_that_differ_stay_apart(other):
    assert spans(whole(reading(0, 4), reading(5, 9, **other))) == [(0, 4), (5, 9)]


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
def test_failures_that_differ_stay_apart(other):
    assert len(whole(failure(0, 4), failure(5, 9, **other))) == 2


def test_a_failure_and_a_complete_reading_stay_apart():
    assert len(whole(reading(0, 4), failure(5, 9))) == 2


def test_days_that_were_asked_for_one_by_one_and_then_together_become_one_range():
    one_by_one = [reading(n, n, LATER + n * HOUR, run=str(n)) for n in range(60)]
    assert len(whole(*one_by_one)) == 60
    assert spans(whole(*one_by_one, reading(0, 59, LATER + 99 * HOUR, run="99"))) == [(0, 59)]


def test_ten_years_of_daily_runs_are_kept_in_fewer_than_a_hundred_ranges():
    held, most = [], 0
    for number in range(3650):
        asked_at = datetime.combine(day(number), time(9), UTC)
        ledger = [LedgerRange(each.start, each.end, State.HELD, "", each.asked_at) for each in held]
        for window in windows(make_plan(ledger, CollectOptions(), asked_at).always):
            first = max((window.start - FIRST).days, 0)
            report = reading(first, (window.end - FIRST).days, asked_at, run=str(number))
            held = join_neighbours(merge_fetch(held, report))
        most = max(most, len(held))
    assert most < 100
    assert len(by_day(held, complete=True)) == 3651


# In the database ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_report_replaces_what_it_cuts_and_keeps_the_rows_of_the_others(ana):
    for start, end in ((0, 3), (5, 9)):
        record(reading(start, end, user_id=ana.pk))
    kept = Fetch.objects.get(start=FIRST).pk
    record(reading(5, 7, LATER + HOUR, user_id=ana.pk, run="2"))
    found = Fetch.objects.order_by("start")
    assert spans(found) == [(0, 3), (5, 7), (8, 9)]
    assert found[0].pk == kept


@pytest.mark.django_db
def test_a_report_leaves_another_persons_readings_and_other_types_alone(ana, ben):
    for user_id, type_ in ((ben.pk, "sleep"), (ana.pk, "activity")):
        other = reading(0, 9, user_id=user_id)
        other.type = type_
        record(other)
    record(reading(0, 9, LATER + HOUR, user_id=ana.pk))
    assert Fetch.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("report", "count"),
    [
        (reading(0, 9, over_at(FIRST)), 1),
        (reading(0, 9, over_at(FIRST) - HOUR), 0),
        (failure(0, 9, over_at(FIRST) - HOUR), 1),
        (reading(1, 9), 0),
    ],
    ids=["after it was over", "before it was over", "in vain", "other days"],
)
def test_a_day_was_missed_if_it_was_asked_for_after_it_was_over_or_in_vain(ana, report, count):
    report.pk, report.user_id = None, ana.pk
    record(report)
    assert count_missed(ana.pk, "sleep", [FIRST]) == count


@pytest.mark.django_db
def test_another_persons_readings_make_no_day_missed(ana, ben):
    record(reading(0, 9, user_id=ben.pk))
    assert count_missed(ana.pk, "sleep", [FIRST]) == 0


# A range read whole -------------------------------------------------------------------------------

MARCH = {"start": "2026-03-01", "end": "2026-03-31"}
OLDER, NEWER = "2026-04-02T06:00:00+00:00", "2026-04-03T06:00:00+00:00"


def nights(*numbers, user="ana", **columns):
    return [night(f"2026-03-{n:02}", f"{user} {n}", **columns) for n in numbers]


def read(processor, *documents, fetched_at=NEWER, read=MARCH, **more):
    answer = processor.send(*documents, fetched_at=fetched_at, read=read, **more)
    assert answer.status_code in (201, 400)
    return answer.json()


def days_held(user, model=SleepMetric):
    return [row.day.day for row in model.objects.filter(user=user).order_by("day")]


@pytest.mark.django_db
def test_a_held_day_that_oura_no_longer_has_goes(processor, ana):
    read(processor, *nights(1, 2, 3), fetched_at=OLDER)
    read(processor, *nights(1, 3))
    assert days_held(ana) == [1, 3]


@pytest.mark.django_db
def test_a_day_that_goes_takes_its_documents_along(processor, ana):
    read(processor, *nights(1, 2, source={"a": 1}), fetched_at=OLDER)
    read(processor, *nights(1, source={"a": 1}))
    assert [each.day.day for each in MetricSource.objects.all()] == [1]


@pytest.mark.django_db
def test_a_day_that_goes_is_kept_as_removed(processor, ana):
    read(processor, *nights(2, score=71, source={"a": 1}), fetched_at=OLDER)
    read(processor)
    kept = Revision.objects.get()
    assert (kept.kind, kept.day, kept.values["score"]) == ("removed", day(1), 71)
    assert (kept.documents, kept.changes) == ({"a": 1}, {})


@pytest.mark.django_db
def test_readers_learn_of_a_day_that_goes(processor, ana):
    read(processor, *nights(2), fetched_at=OLDER)
    before = Stream.objects.get().version
    read(processor)
    assert Stream.objects.get().version > before


@pytest.mark.django_db
def test_days_outside_of_the_range_stay(processor, ana):
    read(processor, *nights(9, 10, 20, 21), fetched_at=OLDER)
    read(processor, read={"start": "2026-03-10", "end": "2026-03-20"})
    assert days_held(ana) == [9, 21]


@pytest.mark.django_db
def test_without_a_range_no_day_goes(processor, ana):
    read(processor, *nights(1, 2), fetched_at=OLDER)
    read(processor, *nights(1), read=None)
    assert (days_held(ana), Fetch.objects.count()) == ([1, 2], 1)


@pytest.mark.django_db
def test_a_rejected_document_of_a_day_protects_its_row(processor, ana):
    read(processor, *nights(1, 2, score=80), fetched_at=OLDER)
    read(processor, *nights(2, score=101))
    assert days_held(ana) == [2]


@pytest.mark.django_db
@pytest.mark.parametrize("document", [5, {"id": "x"}, night("2026-02-30"), night("a long time")])
def test_a_rejected_document_without_a_day_protects_all(processor, ana, document):
    read(processor, *nights(1, 2), fetched_at=OLDER)
    read(processor, document)
    assert days_held(ana) == [1, 2]


@pytest.mark.django_db
def test_an_older_reading_removes_nothing_that_was_read_later(processor, ana):
    read(processor, *nights(1, 2), fetched_at=NEWER)
    read(processor, *nights(1), fetched_at=OLDER)
    assert days_held(ana) == [1, 2]


@pytest.mark.django_db
def test_another_persons_rows_stay(processor, ana, ben):
    read(processor, *nights(1, user="ben"), user="ben", fetched_at=OLDER)
    read(processor)
    assert days_held(ben) == [1]


@pytest.mark.django_db
def test_rows_of_other_types_stay(processor, ana):
    read(processor, *nights(1), type="activity", fetched_at=OLDER)
    read(processor)
    assert days_held(ana, ActivityMetric) == [1]


def rejected():
    return sorted(RejectedDocument.objects.values_list("day", flat=True))


@pytest.mark.django_db
def test_rejected_documents_that_the_range_has_no_more_go(processor, ana):
    read(processor, *nights(1, 2, score=101), fetched_at=OLDER)
    read(processor, *nights(2, score=101))
    assert rejected() == ["2026-03-02"]


@pytest.mark.django_db
def test_rejected_documents_outside_of_the_range_stay(processor, ana):
    read(processor, *nights(1, score=101), fetched_at=OLDER)
    read(processor, read={"start": "2026-03-02", "end": "2026-03-31"})
    assert rejected() == ["2026-03-01"]


@pytest.mark.django_db
def test_rejected_documents_that_came_later_stay(processor, ana):
    read(processor, *nights(1, score=101), fetched_at=NEWER)
    read(processor, fetched_at=OLDER)
    assert rejected() == ["2026-03-01"]


@pytest.mark.django_db
def test_rejected_documents_of_other_people_and_types_stay(processor, ana, ben):
    read(processor, *nights(1, score=101), user="ben", fetched_at=OLDER)
    read(processor, *nights(1, score=101), type="activity", fetched_at=OLDER)
    read(processor)
    assert rejected() == ["2026-03-01"] * 2


@pytest.mark.django_db
def test_a_range_read_whole_is_remembered_with_its_run_and_counts(processor, ana):
    body = {"type": "sleep", "user": "ana", "data": nights(1), "fetched_at": NEWER}
    counted = MARCH | {"pages": 2, "documents": 3}
    processor.post(body | {"read": counted}, **{"X-Request-ID": "run-1"})
    found = Fetch.objects.get()
    assert (found.user_id, found.type, found.complete) == (ana.pk, "sleep", True)
    assert spans([found]) == [(0, 30)]
    assert found.asked_at == datetime.fromisoformat(NEWER)
    assert (found.run, found.pages, found.documents) == ("run-1", 2, 3)


@pytest.mark.django_db
def test_a_day_whose_document_was_rejected_was_not_read(processor, ana):
    read(processor, *nights(1, score=101))
    told = {(each.complete, each.start) for each in Fetch.objects.all()}
    assert (False, date(2026, 3, 1)) in told
    assert (True, date(2026, 3, 1)) not in told


@pytest.mark.django_db
def test_the_ledgers_readers_learn_of_a_reading_that_changed_no_row(processor, ana):
    read(processor, *nights(1), fetched_at=OLDER)
    before = Stream.objects.get()
    read(processor, *nights(1))
    after = Stream.objects.get()
    assert after.version == before.version
    assert after.ledger_version > before.ledger_version


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"start": "2026-03-01"}, "read"),
        ([], "read"),
        (MARCH | {"more": 1}, "read"),
        (MARCH | {"end": "soon"}, "read.end"),
        (MARCH | {"start": 20260301}, "read.start"),
        (MARCH | {"pages": -1}, "read.pages"),
        (MARCH | {"documents": True}, "read.documents"),
        (MARCH | {"pages": 1.5}, "read.pages"),
        (MARCH | {"documents": 2**31}, "read.documents"),
    ],
)
def test_a_bad_range_is_named_and_nothing_is_stored(processor, ana, told, field):
    answer = processor.send(*nights(1), read=told)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert days_held(ana) == []
