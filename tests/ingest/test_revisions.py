"""Revisions: earlier versions of days that changed or were removed at Oura."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.models import Fetch, MetricSource, Revision, Run, SleepMetric
from ingest.revisions import column_changes
from ingest.upsert import delete_metrics
from metrics import SLEEP
from myhealth.days import ONE_DAY, over_at
from tests.ingest.conftest import CONTROL
from tests.worlds import store_days, store_documents, store_nights

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 1)
HOUR = timedelta(hours=1)
OVER = over_at(DAY)


def at(number):
    """Return the time this number of days after the day was over."""
    return OVER + timedelta(days=number)


def store_day(user, fetched_at, type="sleep", *, day=DAY, **columns):
    return store_days(user, [day], type, at=fetched_at, **columns)


def remove_day(user, fetched_at, *, now=None):
    """Store a complete fetch of the day without any document."""
    return store_documents(user, [], at=fetched_at, now=now, fetched=(DAY, DAY))


# Days with a revision -----------------------------------------------------------------------------


def test_changed_day_has_revision_with_earlier_values(ana):
    store_day(ana, at(0), score=71, duration=27_000)
    store_day(ana, at(1), score=78, duration=27_000)
    revision = Revision.objects.get()
    assert (revision.user, revision.type, revision.day, revision.kind) == (
        ana,
        "sleep",
        DAY,
        "changed",
    )
    assert (revision.values["score"], revision.values["duration"]) == (71, 27_000)
    assert revision.values["oura_id"] == f"ana sleep {DAY}"
    assert (revision.fetched_at, revision.replaced_at) == (at(0), at(1))


def test_changed_columns_are_kept_with_both_values(ana):
    store_day(ana, at(0), score=71, duration=27_000, latency=300)
    store_day(ana, at(1), score=78, duration=27_000, efficiency=90)
    assert Revision.objects.get().changes == {
        "score": [71, 78],
        "latency": [300, None],
        "efficiency": [None, 90],
    }


def test_changed_contributors_are_kept_separately(ana):
    store_day(ana, at(0), contributors={"timing": 80, "latency": 70, "rem_sleep": None})
    store_day(ana, at(1), contributors={"timing": 90, "latency": 70, "efficiency": 60})
    assert Revision.objects.get().changes == {
        "contributors.timing": [80, 90],
        "contributors.efficiency": [None, 60],
    }


def test_new_id_of_day_is_change(ana):
    store_day(ana, at(0), id="a", score=71)
    store_day(ana, at(1), id="b", score=71)
    assert Revision.objects.get().changes == {"oura_id": ["a", "b"]}


def test_earlier_documents_are_kept(ana):
    store_day(ana, at(0), source={"a": 1})
    store_day(ana, at(1), source={"a": 2})
    revision = Revision.objects.get()
    assert (revision.documents, revision.changes) == ({"a": 1}, {})


def test_damaged_documents_are_no_obstacle_to_change(ana):
    store_day(ana, at(0), score=71, source={"a": 1})
    MetricSource.objects.update(content=b"garbage")
    assert store_day(ana, at(1), score=78, source={"a": 1}).revised == 1
    revision = Revision.objects.get()
    assert (revision.documents, revision.changes) == (None, {"score": [71, 78]})
    assert MetricSource.objects.get().documents == {"a": 1}


def test_revision_of_day_without_documents_has_none(ana):
    store_day(ana, at(0), score=71)
    store_day(ana, at(1), score=78)
    assert Revision.objects.get().documents is None


def test_removed_day_has_revision(ana):
    store_day(ana, at(0), score=71, source={"a": 1})
    assert remove_day(ana, at(1)).revised == 1
    revision = Revision.objects.get()
    assert (revision.kind, revision.values["score"], revision.documents) == (
        "removed",
        71,
        {"a": 1},
    )
    assert (revision.changes, revision.notes) == ({}, [])


def test_day_whose_id_moved_has_revision_as_removed(ana):
    store_day(ana, at(3), id="a", day=DAY)
    store_day(ana, at(4), id="a", day=DAY + ONE_DAY)
    assert [(each.day, each.kind) for each in Revision.objects.all()] == [(DAY, "removed")]


def test_changed_activity_has_revision(ana):
    store_day(ana, at(0), "activity", steps=1000)
    store_day(ana, at(1), "activity", steps=1200)
    assert Revision.objects.get().changes == {"steps": [1000, 1200]}


def test_change_counts_as_one_revised_day(ana):
    store_day(ana, at(0), score=71)
    assert store_day(ana, at(1), score=78).revised == 1


def test_row_that_only_mapping_changed_was_not_revised(ana):
    def older(day, documents):
        return SLEEP.map(day, documents) | {"efficiency": None}

    store_nights(ana, [DAY], at=at(2), mapping=older, efficiency=90)
    assert store_nights(ana, [DAY], at=at(3), efficiency=90).revised == 0
    revision = Revision.objects.get()
    assert (revision.kind, revision.content) == ("remapped", None)
    assert revision.changes == {"efficiency": [None, 90]}


# Days without a revision --------------------------------------------------------------------------


def test_same_content_makes_no_revision(ana):
    store_day(ana, at(0), score=71, source={"a": 1})
    assert store_day(ana, at(1), score=71, source={"a": 1}).revised == 0
    assert not Revision.objects.exists()


@pytest.mark.parametrize("columns", [{}, {"source": {"a": 1}}])
def test_other_hash_alone_makes_no_revision(ana, columns):
    store_day(ana, at(0), score=71, **columns)
    SleepMetric.objects.update(content_hash=b"of another time.")
    assert store_day(ana, at(1), score=71, **columns).revised == 0
    assert not Revision.objects.exists()


def test_older_fetch_makes_no_revision(ana):
    store_day(ana, at(1), score=78)
    store_day(ana, at(0), score=71)
    assert not Revision.objects.exists()


def test_new_day_makes_no_revision(ana):
    store_day(ana, at(0), score=71)
    assert not Revision.objects.exists()


@pytest.mark.parametrize(("fetched_at", "count"), [(OVER - timedelta(seconds=1), 0), (OVER, 1)])
def test_version_fetched_before_day_was_over_makes_no_revision(ana, fetched_at, count):
    store_day(ana, fetched_at, score=71)
    assert store_day(ana, at(1), score=78).revised == count
    assert Revision.objects.count() == count


def test_day_is_over_at_16_utc_of_next_day():
    assert over_at(DAY).isoformat() == "2026-03-02T16:00:00+00:00"


def test_same_content_fetched_when_over_makes_revision_later(ana):
    store_day(ana, OVER - HOUR, score=71)
    store_day(ana, OVER, score=71)
    store_day(ana, at(1), score=78)
    assert Revision.objects.get().values["score"] == 71


@pytest.mark.parametrize(("now", "count"), [(OVER - HOUR, 0), (OVER, 1)])
def test_day_removed_before_it_is_over_makes_no_revision(ana, now, count):
    store_day(ana, OVER - 3 * HOUR, score=71)
    assert remove_day(ana, OVER - HOUR, now=now).revised == count
    assert (Revision.objects.count(), SleepMetric.objects.count()) == (count, 0)


def test_days_of_other_people_make_no_revision(ana, ben):
    store_day(ben, at(0), score=50)
    store_day(ana, at(0), score=71)
    store_day(ana, at(1), score=78)
    assert [each.user for each in Revision.objects.all()] == [ana]


# Versions that return -----------------------------------------------------------------------------


def test_alternating_content_is_kept_once_with_its_count(ana):
    for number in range(6):
        store_day(ana, at(number), score=71 if number % 2 == 0 else 78)
    times = {each.values["score"]: each.times for each in Revision.objects.all()}
    assert times == {71: 3, 78: 2}


def test_revision_of_returning_content_is_of_last_time(ana):
    for number, score in enumerate([71, 78, 71, 80]):
        store_day(ana, at(number), score=score)
    revision = Revision.objects.get(changes__score=[71, 80])
    assert (revision.values["score"], revision.fetched_at, revision.replaced_at) == (
        71,
        at(2),
        at(3),
    )


def test_content_changed_and_later_removed_is_removed(ana):
    for number, score in enumerate([71, 78, 71]):
        store_day(ana, at(number), score=score)
    remove_day(ana, at(9))
    assert {each.values["score"]: (each.kind, each.times) for each in Revision.objects.all()} == {
        71: ("removed", 2),
        78: ("changed", 1),
    }


def test_same_content_of_two_days_is_kept_twice(ana):
    for number, score in ((3, 71), (4, 78)):
        store_days(ana, [DAY, DAY + ONE_DAY], at=at(number), score=score)
    assert Revision.objects.count() == 2


@pytest.mark.parametrize("count", [2, 60])
def test_number_of_queries_does_not_grow_with_days(ana, count, django_assert_max_num_queries):
    days = [DAY + n * ONE_DAY for n in range(count)]
    for number, score in enumerate([71, 78, 71]):
        store_days(ana, days, at=at(100 + number), score=score)
    # 71 has a revision: savepoint, lock, existing; the rows, their documents, their revisions, the
    # count; upsert, documents, version, warnings of the days around, rejections (2), release
    with django_assert_max_num_queries(14):
        store_days(ana, days, at=at(200), score=80)
    assert Revision.objects.filter(times=2).count() == count


# Notes --------------------------------------------------------------------------------------------


def test_changes_of_night_are_noted(ana):
    night = {"id": "l", "day": str(DAY), "type": "long_sleep", "total_sleep_duration": 25_000}
    versions = [
        {"daily_sleep": [], "sleep": [night | {"sleep_algorithm_version": "v1"}]},
        {
            "daily_sleep": [{"id": "s", "score": 80}],
            "sleep": [
                night | {"sleep_algorithm_version": "v2"},
                night | {"id": "n", "type": "late_nap", "total_sleep_duration": 1_800},
            ],
        },
    ]
    for number, version in enumerate(versions):
        store_documents(ana, [SLEEP.map(str(DAY), version)], at=at(number))
    assert Revision.objects.get().notes == [
        "summary added",
        "period added",
        "algorithm changed from v1 to v2",
    ]


def test_day_without_documents_has_no_notes(ana):
    store_day(ana, at(0), score=71)
    store_nights(ana, [DAY], at=at(1))
    assert Revision.objects.get().notes == []


def test_activity_has_no_notes(ana):
    store_day(ana, at(0), "activity", source={"daily_activity": {"a": 1}})
    store_day(ana, at(1), "activity", source={"daily_activity": {"a": 2}})
    assert Revision.objects.get().notes == []


# Deletion -----------------------------------------------------------------------------------------


def store_history(user):
    store_day(user, at(0), score=71)
    store_day(user, at(1), score=78)
    remove_day(user, at(2))
    Run.objects.create(user=user, request_id="another run")


def has_history(user):
    return [model.objects.filter(user=user).exists() for model in (Fetch, Run, Revision)]


def test_route_deletes_fetches_runs_and_revisions_of_person(processor, ana):
    store_history(ana)
    assert has_history(ana) == [True] * 3
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": f"Bearer {CONTROL}"}
    )
    assert answer.status_code == 204
    assert has_history(ana) == [False] * 3


def test_deletion_spares_other_people(ana, ben):
    store_history(ana)
    store_history(ben)
    delete_metrics(ana.pk)
    assert (has_history(ana), has_history(ben)) == ([False] * 3, [True] * 3)


def test_fetches_runs_and_revisions_are_deleted_with_account(ana):
    store_history(ana)
    ana.delete()
    assert not any(model.objects.exists() for model in (Fetch, Run, Revision))


# Changes of columns -------------------------------------------------------------------------------

columns = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2))
rows = st.builds(
    lambda row, inner: row | inner,
    columns,
    st.just({}) | st.builds(lambda inner: {"contributors": inner}, st.none() | columns),
)


def apply(row, changed):
    """Return the row with all changes made, without the columns that are None."""
    columns = {name: value for name, value in row.items() if name != "contributors"}
    inner = row.get("contributors") or {}
    columns |= {f"contributors.{name}": value for name, value in inner.items()}
    columns |= {name: after for name, (_, after) in changed.items()}
    return {name: value for name, value in columns.items() if value is not None}


@given(rows, rows)
def test_changes_turn_one_row_into_the_other(before, after):
    assert apply(before, column_changes(before, after)) == apply(after, {})


@given(rows, rows)
def test_values_of_each_change_differ(before, after):
    assert all(old != new for old, new in column_changes(before, after).values())
