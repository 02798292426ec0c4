"""What days were before they changed or went."""

from datetime import date, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.models import METRIC_MODELS, Fetch, Revision, Run, SleepMetric
from ingest.revisions import column_changes
from ingest.upsert import Whole, forget, store
from metrics import SLEEP
from myhealth.days import ONE_DAY, over_at
from tests.ingest.conftest import CONTROL, night

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 1)
HOUR = timedelta(hours=1)
OVER = over_at(DAY)


def at(number):
    """So many days after the day was over."""
    return OVER + timedelta(days=number)


def write(user, read_at, type="sleep", *, now=None, day=DAY, id="a", **columns):
    """One document as it was read at that time."""
    raw = orjson.dumps(night(day.isoformat(), f"{user.username} {id}", **columns))
    return store(METRIC_MODELS[type], user.pk, [raw], fetched_at=read_at, now=now or read_at)


def read_whole(user, read_at, *, now=None):
    """The day is read, and Oura has nothing of it."""
    whole = Whole(DAY, DAY, "a run")
    return store(
        METRIC_MODELS["sleep"], user.pk, [], fetched_at=read_at, now=now or read_at, whole=whole
    )


# What is kept -------------------------------------------------------------------------------------


def test_a_day_that_changed_is_kept_as_it_was(ana):
    write(ana, at(0), score=71, duration=27_000)
    write(ana, at(1), score=78, duration=27_000)
    kept = Revision.objects.get()
    assert (kept.user, kept.type, kept.day, kept.kind) == (ana, "sleep", DAY, "changed")
    assert (kept.values["score"], kept.values["duration"]) == (71, 27_000)
    assert kept.values["oura_id"] == "ana a"
    assert (kept.fetched_at, kept.replaced_at) == (at(0), at(1))


def test_the_columns_that_changed_are_kept_with_both_values(ana):
    write(ana, at(0), score=71, duration=27_000, latency=300)
    write(ana, at(1), score=78, duration=27_000, efficiency=90)
    assert Revision.objects.get().changes == {
        "score": [71, 78],
        "latency": [300, None],
        "efficiency": [None, 90],
    }


def test_the_contributors_that_changed_are_kept_one_by_one(ana):
    write(ana, at(0), contributors={"timing": 80, "latency": 70, "rem_sleep": None})
    write(ana, at(1), contributors={"timing": 90, "latency": 70, "efficiency": 60})
    assert Revision.objects.get().changes == {
        "contributors.timing": [80, 90],
        "contributors.efficiency": [None, 60],
    }


def test_a_new_id_of_the_same_day_is_a_change(ana):
    write(ana, at(0), id="a", score=71)
    write(ana, at(1), id="b", score=71)
    assert Revision.objects.get().changes == {"oura_id": ["ana a", "ana b"]}


def test_the_documents_that_it_was_made_from_are_kept(ana):
    write(ana, at(0), source={"a": 1})
    write(ana, at(1), source={"a": 2})
    kept = Revision.objects.get()
    assert (kept.documents, kept.changes) == ({"a": 1}, {})


def test_a_day_without_documents_is_kept_without(ana):
    write(ana, at(0), score=71)
    write(ana, at(1), score=78)
    assert Revision.objects.get().documents is None


def test_a_day_that_went_is_kept_as_removed(ana):
    write(ana, at(0), score=71, source={"a": 1})
    assert read_whole(ana, at(1)).revised == 1
    kept = Revision.objects.get()
    assert (kept.kind, kept.values["score"], kept.documents) == ("removed", 71, {"a": 1})
    assert (kept.changes, kept.notes) == ({}, [])


def test_a_day_whose_id_moved_to_another_is_kept_as_removed(ana):
    write(ana, at(3), day=DAY)
    write(ana, at(4), day=DAY + ONE_DAY)
    assert [(each.day, each.kind) for each in Revision.objects.all()] == [(DAY, "removed")]


def test_a_day_of_activity_that_changed_is_kept_too(ana):
    write(ana, at(0), "activity", steps=1000)
    write(ana, at(1), "activity", steps=1200)
    assert Revision.objects.get().changes == {"steps": [1000, 1200]}


def test_a_change_is_counted_as_one_revised_day(ana):
    write(ana, at(0), score=71)
    assert write(ana, at(1), score=78).revised == 1


# What is not --------------------------------------------------------------------------------------


def test_the_same_content_again_makes_no_revision(ana):
    write(ana, at(0), score=71, source={"a": 1})
    assert write(ana, at(1), score=71, source={"a": 1}).revised == 0
    assert not Revision.objects.exists()


def test_an_older_reading_makes_no_revision(ana):
    write(ana, at(1), score=78)
    write(ana, at(0), score=71)
    assert not Revision.objects.exists()


def test_a_day_that_came_makes_no_revision(ana):
    write(ana, at(0), score=71)
    assert not Revision.objects.exists()


@pytest.mark.parametrize(("read_at", "kept"), [(OVER - timedelta(seconds=1), 0), (OVER, 1)])
def test_a_day_that_was_last_read_before_it_was_over_makes_no_revision(ana, read_at, kept):
    write(ana, read_at, score=71)
    assert write(ana, at(1), score=78).revised == kept
    assert Revision.objects.count() == kept


def test_a_day_is_over_at_four_in_the_afternoon_utc_of_the_next():
    assert over_at(DAY).isoformat() == "2026-03-02T16:00:00+00:00"


def test_the_same_content_read_when_it_was_over_makes_it_a_revision(ana):
    write(ana, OVER - HOUR, score=71)
    write(ana, OVER, score=71)
    write(ana, at(1), score=78)
    assert Revision.objects.get().values["score"] == 71


@pytest.mark.parametrize(("now", "kept"), [(OVER - HOUR, 0), (OVER, 1)])
def test_a_day_that_goes_before_it_is_over_makes_no_revision(ana, now, kept):
    write(ana, OVER - 3 * HOUR, score=71)
    assert read_whole(ana, OVER - HOUR, now=now).revised == kept
    assert (Revision.objects.count(), SleepMetric.objects.count()) == (kept, 0)


def test_nobody_elses_days_are_kept(ana, ben):
    write(ben, at(0), score=50)
    write(ana, at(0), score=71)
    write(ana, at(1), score=78)
    assert [each.user for each in Revision.objects.all()] == [ana]


# Back and forth -----------------------------------------------------------------------------------


def test_the_same_content_is_kept_once_however_often_it_flips(ana):
    for number in range(6):
        write(ana, at(number), score=71 if number % 2 == 0 else 78)
    kept = {each.values["score"]: each.times for each in Revision.objects.all()}
    assert kept == {71: 3, 78: 2}


def test_content_that_stopped_being_held_again_tells_of_the_last_time(ana):
    for number, score in enumerate([71, 78, 71, 80]):
        write(ana, at(number), score=score)
    kept = Revision.objects.get(changes__score=[71, 80])
    assert (kept.values["score"], kept.fetched_at, kept.replaced_at) == (71, at(2), at(3))


def test_content_that_changed_and_later_went_is_kept_as_removed(ana):
    for number, score in enumerate([71, 78, 71]):
        write(ana, at(number), score=score)
    read_whole(ana, at(9))
    assert {each.values["score"]: (each.kind, each.times) for each in Revision.objects.all()} == {
        71: ("removed", 2),
        78: ("changed", 1),
    }


def test_the_same_content_of_two_days_is_kept_for_each(ana):
    for number, score in ((3, 71), (4, 78)):
        write(ana, at(number), id="a", day=DAY, score=score)
        write(ana, at(number), id="b", day=DAY + ONE_DAY, score=score)
    assert Revision.objects.count() == 2


@pytest.mark.parametrize("documents", [2, 60])
def test_the_number_of_statements_is_the_same_for_any_number_of_days(
    ana, documents, django_assert_max_num_queries
):
    def everything(score, moment):
        raw = [
            orjson.dumps(night((DAY + n * ONE_DAY).isoformat(), str(n), score=score))
            for n in range(documents)
        ]
        store(METRIC_MODELS["sleep"], ana.pk, raw, fetched_at=moment, now=moment)

    for number, score in enumerate([71, 78, 71]):
        everything(score, at(100 + number))
    # 71 has been kept before: savepoint, lock, existing; the rows as they are, their documents, the
    # revisions known, the count; upsert, documents, version, rejections (2), release
    with django_assert_max_num_queries(13):
        everything(80, at(200))
    assert Revision.objects.filter(times=2).count() == documents


# In words -----------------------------------------------------------------------------------------


def collected(user, read_at, *periods, summary=True):
    """A night as the collector sends it."""
    night_ = SLEEP.map(
        DAY.isoformat(),
        {
            "daily_sleep": [{"id": "s", "score": 80}] if summary else [],
            "sleep": [{"day": DAY.isoformat(), **each} for each in periods],
        },
    )
    store(METRIC_MODELS["sleep"], user.pk, [orjson.dumps(night_)], fetched_at=read_at, now=read_at)


LONG = {"id": "l", "type": "long_sleep", "total_sleep_duration": 25_000}
NAP = {"id": "n", "type": "late_nap", "total_sleep_duration": 1_800}


def test_what_became_of_the_night_is_kept_in_words(ana):
    collected(ana, at(0), LONG | {"sleep_algorithm_version": "v1"}, summary=False)
    collected(ana, at(1), LONG | {"sleep_algorithm_version": "v2"}, NAP)
    assert Revision.objects.get().notes == [
        "summary added",
        "nap added",
        "algorithm changed from v1 to v2",
    ]


def test_of_a_day_without_documents_there_is_nothing_to_say(ana):
    write(ana, at(0), score=71)
    collected(ana, at(1), LONG)
    assert Revision.objects.get().notes == []


def test_of_activity_there_is_nothing_to_say(ana):
    write(ana, at(0), "activity", source={"daily_activity": {"a": 1}})
    write(ana, at(1), "activity", source={"daily_activity": {"a": 2}})
    assert Revision.objects.get().notes == []


# With the person ----------------------------------------------------------------------------------


def eventful(user):
    write(user, at(0), score=71)
    write(user, at(1), score=78)
    read_whole(user, at(2))
    Run.objects.create(user=user, request_id="another run")


def kept_of(user):
    return [model.objects.filter(user=user).exists() for model in (Fetch, Run, Revision)]


def test_deleting_a_persons_metrics_takes_readings_runs_and_revisions_along(processor, ana):
    eventful(ana)
    assert kept_of(ana) == [True] * 3
    answer = processor.client.delete(
        "/api/v1/people/ana", headers={"Authorization": f"Bearer {CONTROL}"}
    )
    assert answer.status_code == 204
    assert kept_of(ana) == [False] * 3


def test_forgetting_one_person_leaves_what_is_kept_of_another(ana, ben):
    eventful(ana)
    eventful(ben)
    forget(ana.pk)
    assert (kept_of(ana), kept_of(ben)) == ([False] * 3, [True] * 3)


def test_deleting_the_account_takes_readings_runs_and_revisions_along(ana):
    eventful(ana)
    ana.delete()
    assert not any(model.objects.exists() for model in (Fetch, Run, Revision))


# Changes ------------------------------------------------------------------------------------------

columns = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2))
rows = st.builds(
    lambda own, inner: own | inner,
    columns,
    st.just({}) | st.builds(lambda inner: {"contributors": inner}, st.none() | columns),
)


def apply(row, found):
    """The row with all changes made; what is None may as well not be there."""
    own = {name: value for name, value in row.items() if name != "contributors"}
    inner = row.get("contributors") or {}
    whole = own | {f"contributors.{name}": value for name, value in inner.items()}
    whole |= {name: after for name, (_, after) in found.items()}
    return {name: value for name, value in whole.items() if value is not None}


@settings(deadline=None)
@given(rows, rows)
def test_the_changes_make_the_one_row_of_the_other(before, after):
    assert apply(before, column_changes(before, after)) == apply(after, {})


@settings(deadline=None)
@given(rows, rows)
def test_no_change_has_twice_the_same_value(before, after):
    assert all(one != other for one, other in column_changes(before, after).values())
