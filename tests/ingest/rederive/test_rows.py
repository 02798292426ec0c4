"""Rows are derived again from their sources after the mapping has changed."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ingest import rederive as rederive_module
from ingest.models import (
    METRIC_MODELS,
    MetricSource,
    ReadinessMetric,
    Revision,
    SleepMetric,
    Stream,
)
from metrics import READINESS
from tests.ingest.rederive.conftest import (
    FETCHED_AT,
    FIRST,
    ORIGINAL,
    days,
    doubled,
    latencies,
    store_history,
    table_contents,
)
from tests.worlds import store_days, store_documents

pytestmark = pytest.mark.django_db


def test_rows_have_values_of_new_mapping(ana, rederive):
    store_history(ana, days(3))
    rederive(mapping=doubled)
    assert latencies(ana) == [600, 600, 600]


def test_content_hash_is_that_of_same_documents_sent_again(ana, rederive):
    store_history(ana, [FIRST])
    rederive(mapping=doubled)
    assert store_history(ana, [FIRST], mapping=doubled).unchanged == 1


def test_outdated_content_hash_is_updated_without_revision(ana, rederive):
    store_history(ana, [FIRST])
    before = table_contents()
    SleepMetric.objects.update(content_hash=b"of another time.")
    rederive()
    assert table_contents()[:3] == before[:3]


def test_revision_is_remapped_and_has_changed_columns(ana, rederive):
    store_history(ana, [FIRST])
    rederive(mapping=doubled)
    revision = Revision.objects.get()
    assert (revision.kind, revision.changes, revision.notes) == (
        "remapped",
        {"latency": [300, 600]},
        [],
    )


def test_version_is_raised_once_per_batch(ana, monkeypatch, rederive):
    store_history(ana, days(4))
    before = Stream.objects.get(type="sleep").version
    Stream.objects.update(version=(ahead := before + 10**12))
    monkeypatch.setattr(rederive_module, "BATCH_DAYS", 2)
    rederive(mapping=doubled)
    assert Stream.objects.get(type="sleep").version == ahead + 2


def test_version_stays_if_nothing_changed(ana, rederive):
    store_history(ana, [FIRST])
    before = Stream.objects.get(type="sleep").version
    rederive()
    assert Stream.objects.get(type="sleep").version == before


def test_times_of_fetch_and_creation_stay(ana, rederive):
    store_history(ana, [FIRST])
    before = SleepMetric.objects.get()
    rederive(mapping=doubled)
    after = SleepMetric.objects.get()
    assert (after.pk, after.fetched_at, after.created_at) == (
        before.pk,
        before.fetched_at,
        before.created_at,
    )


def test_only_changed_rows_have_new_time_of_update(ana, rederive):
    store_history(ana, [FIRST])
    store_history(ana, [FIRST + timedelta(days=1)], latency=0)
    rederive(mapping=doubled)
    changed, same = SleepMetric.objects.order_by("day")
    assert same.updated_at == FETCHED_AT < changed.updated_at


def test_sources_stay_even_if_mapping_keeps_less(ana, rederive):
    store_history(ana, [FIRST])
    before = MetricSource.objects.get().documents
    rederive(mapping=lambda *day: {**doubled(*day), "source": {"daily_sleep": None}})
    assert MetricSource.objects.get().documents == before


def test_revision_has_no_copy_of_unchanged_documents(ana, rederive):
    store_history(ana, [FIRST])
    rederive(mapping=doubled)
    assert Revision.objects.get().documents is None


def test_documents_that_change_later_are_kept_in_revision(ana, rederive):
    store_history(ana, [FIRST])
    before = MetricSource.objects.get().documents
    rederive(mapping=doubled)
    rederive(mapping=ORIGINAL)
    store_history(ana, [FIRST], at=FETCHED_AT + timedelta(days=1), latency=7)
    assert Revision.objects.get(changes__latency=[300, 7]).documents == before


def test_day_fetched_before_it_was_over_has_no_revision(ana, rederive):
    store_history(ana, [FIRST], at=datetime(2026, 3, 1, 9, tzinfo=UTC))
    rederive(mapping=doubled)
    assert (latencies(ana), Revision.objects.count()) == ([600], 0)


def test_rows_of_two_people_are_derived_from_own_sources(ana, ben, rederive):
    store_history(ana, days(2))
    store_history(ben, days(3), latency=50)
    rederive(mapping=doubled)
    assert (latencies(ana), latencies(ben)) == ([600, 600], [100, 100, 100])


def test_user_option_selects_one_account(ana, ben, rederive):
    store_history(ana, [FIRST])
    store_history(ben, [FIRST])
    rederive("--user", "BEN", mapping=doubled)
    assert (latencies(ana), latencies(ben)) == ([300], [600])


def test_unknown_user_is_error_with_code_2(ana):
    with pytest.raises(CommandError, match="no account with this name") as raised:
        call_command("rederive", "--user", "nobody")
    assert raised.value.returncode == 2


def test_type_option_selects_types(ana, rederive):
    store_history(ana, [FIRST])
    report = rederive("--type", "activity", "readiness", mapping=doubled)
    assert (list(report["types"]), latencies(ana)) == (["activity", "readiness"], [300])


def test_other_type_is_derived_by_its_own_mapping(ana, rederive):
    original = READINESS.map
    document = {"id": "r", "day": str(FIRST), "score": 70, "temperature_deviation": 0.25}
    mapped = original(str(FIRST), {"daily_readiness": [document]})
    store_documents(ana, [mapped], "readiness", at=FETCHED_AT)
    rederive(mapping=lambda *day: {**original(*day), "score": 71}, type="readiness")
    row = ReadinessMetric.objects.get()
    assert (row.score, row.temperature_deviation) == (71, 0.25)


def test_second_run_changes_nothing(ana, rederive):
    store_history(ana, days(3))
    rederive(mapping=doubled)
    before = table_contents()
    assert rederive()["types"]["sleep"]["changed"] == 0
    assert table_contents() == before


def test_original_mapping_restores_rows(ana, rederive):
    store_history(ana, days(2))
    rederive(mapping=doubled)
    rederive(mapping=ORIGINAL)
    assert latencies(ana) == [300, 300]


def test_contributors_that_only_lose_null_are_updated(ana, rederive):
    def with_contributors(contributors):
        return lambda *day: {**ORIGINAL(*day), "contributors": contributors}

    store_history(ana, [FIRST], mapping=with_contributors({"timing": None, "latency": 90}))
    rederive(mapping=with_contributors({"latency": 90}))
    assert SleepMetric.objects.get().contributors == {"latency": 90}


def test_dry_run_writes_nothing(ana, rederive):
    store_history(ana, days(3))
    SleepMetric.objects.filter(day=FIRST).update(missing_collection="sleep")
    before = table_contents()
    rederive("--dry-run", mapping=doubled)
    assert table_contents() == before


def test_dry_run_reports_changes(ana, rederive):
    store_history(ana, days(3))
    report = rederive("--dry-run", mapping=doubled)
    assert report["dry_run"] is True
    assert report["types"]["sleep"]["columns"] == {"latency": 3}


@pytest.mark.parametrize(
    "source", [None, {"a": 1}, {"sleep": []}, {"daily_sleep": "x"}, {"daily_sleep": [1]}]
)
def test_rows_without_documents_of_oura_are_skipped(ana, rederive, source):
    store_days(ana, [FIRST], at=FETCHED_AT, score=81, latency=5, source=source)
    before = table_contents()
    report = rederive(mapping=doubled)["types"]["sleep"]
    assert (report["days"], report["without_source"], table_contents()) == (1, 1, before)


def test_text_has_number_of_changes_per_column(ana, rederive):
    store_history(ana, days(2))
    store_history(ana, [FIRST + timedelta(days=5)], latency=0)

    def also_efficiency(day, documents):
        return {**doubled(day, documents), "efficiency": 90 if day == str(FIRST) else None}

    text = rederive("--type", "sleep", mapping=also_efficiency, output="text")
    assert text == (
        "sleep: 3 days, 2 changed (latency 2, efficiency 1), 0 removed, 0 metadata only, "
        "0 refused, 0 without source\n"
    )


def test_text_says_one_day_of_a_single_one(ana, rederive):
    store_history(ana, [FIRST])
    text = rederive("--type", "sleep", mapping=doubled, output="text")
    assert text.startswith("sleep: 1 day, ")


@pytest.mark.django_db(transaction=True)
def test_ingest_waits_for_batch(ana, rederive):
    store_history(ana, [FIRST])
    lock_is_free = []

    def try_lock():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtext('ingest:sleep'), %s)", [ana.pk]
            )
            lock_is_free.append(cursor.fetchone()[0])
        connection.close()

    def mapping(day, documents):
        other = threading.Thread(target=try_lock)
        other.start()
        other.join()
        return doubled(day, documents)

    rederive(mapping=mapping)
    assert lock_is_free == [False]


def test_number_of_queries_does_not_grow_with_days(
    ana, ben, monkeypatch, django_assert_max_num_queries
):
    store_history(ana, days(60), at=FETCHED_AT + timedelta(days=60))
    SleepMetric.objects.filter(day__gt=days(30)[-1]).update(missing_collection="sleep")
    last = str(days(20)[-1])
    monkeypatch.setattr(
        METRIC_MODELS["sleep"].metric_type,
        "map",
        lambda *day: doubled(*day) if day[0] < last else ORIGINAL(*day),
    )
    # People: 2; position: find, save (2), delete; two batches of one person with a savepoint each:
    # the lock, rows, sources, three reads of revisions and one write, rows, marks, version.
    with django_assert_max_num_queries(25):
        rederive_module.rederive(METRIC_MODELS["sleep"], on_refused=lambda day: None)
    assert Revision.objects.count() == 19


# Rows of earlier versions of myhealth -------------------------------------------------------------


# The same night is stored under each day.
BEDTIMES = {
    "bedtime_start": "2026-02-28T23:00:00+01:00",
    "bedtime_end": "2026-03-01T07:00:00+01:00",
}


def store_outdated_row(user, **values):
    """Store a row without missing collection and provenance."""
    store_history(user, [FIRST], **values)
    SleepMetric.objects.update(missing_collection="")
    MetricSource.objects.update(provenance={})


def test_outdated_row_gets_its_provenance(ana, rederive):
    store_outdated_row(ana)
    rederive()
    assert MetricSource.objects.get().provenance == {"sleep_algorithm": "v2", "ring": "r"}


def test_outdated_row_gets_its_missing_collection(ana, rederive):
    store_outdated_row(ana, type="rest")
    rederive()
    assert SleepMetric.objects.get().missing_collection == "sleep:rest"


def test_each_outdated_row_gets_its_own_marks(ana, rederive):
    first, second, third = days(3)
    store_history(ana, [first])
    store_history(ana, [second], type="rest")
    store_history(ana, [third], ring="another")
    SleepMetric.objects.update(missing_collection="")
    MetricSource.objects.update(provenance={})
    rederive()
    missing = SleepMetric.objects.order_by("day").values_list("missing_collection", flat=True)
    rings = MetricSource.objects.order_by("day").values_list("provenance__ring", flat=True)
    assert list(missing) == ["", "sleep:rest", ""]
    assert list(rings) == ["r", None, "another"]


def test_outdated_row_is_updated_without_revision(ana, rederive):
    store_outdated_row(ana, type="rest")
    report = rederive()["types"]["sleep"]
    assert (report["marked"], report["changed"], Revision.objects.count()) == (1, 0, 0)
    assert SleepMetric.objects.get().updated_at == FETCHED_AT


def test_outdated_row_raises_version(ana, rederive):
    store_outdated_row(ana)
    before = Stream.objects.get(type="sleep").version
    rederive()
    assert Stream.objects.get(type="sleep").version > before


def test_changed_outdated_row_gets_its_provenance(ana, rederive):
    store_outdated_row(ana)
    rederive(mapping=doubled)
    assert MetricSource.objects.get().provenance == {"sleep_algorithm": "v2", "ring": "r"}


def test_value_no_longer_valid_is_null_with_warning(ana, rederive):
    store_history(ana, [FIRST], efficiency=93)
    rederive(mapping=lambda *day: {**ORIGINAL(*day), "efficiency": 101})
    assert SleepMetric.objects.get().efficiency is None
    assert list(MetricSource.objects.get().warnings) == ["efficiency"]


def test_warning_of_earlier_mapping_goes(ana, rederive):
    store_history(ana, [FIRST])
    MetricSource.objects.update(warnings={"latency": ["It was once bad."]})
    report = rederive()["types"]["sleep"]
    assert (report["marked"], MetricSource.objects.get().warnings) == (1, {})


def test_rederiving_twice_changes_nothing_more(ana, rederive):
    store_history(ana, days(3), efficiency=101, **BEDTIMES)
    MetricSource.objects.update(warnings={})
    assert rederive()["types"]["sleep"]["marked"] == 3
    before = table_contents()
    rederive()
    assert table_contents() == before
    names = [sorted(each.warnings) for each in MetricSource.objects.order_by("day")]
    assert names == [["efficiency"], ["day", "efficiency"], ["day", "efficiency"]]


def test_dry_run_counts_warnings_and_writes_none(ana, rederive):
    store_history(ana, days(2), **BEDTIMES)
    MetricSource.objects.update(warnings={})
    assert rederive("--dry-run")["types"]["sleep"]["marked"] == 1
    assert [each.warnings for each in MetricSource.objects.all()] == [{}, {}]
