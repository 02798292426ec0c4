"""Rows derived anew after the mapping has changed."""

import threading
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

import metrics.base
import metrics.sleep
from ingest import rederive
from ingest.models import (
    METRIC_MODELS,
    MetricSource,
    ReadinessMetric,
    Rederivation,
    Revision,
    SleepMetric,
    Stream,
)
from ingest.upsert import store
from metrics import READINESS, TYPES
from metrics import SLEEP as SLEEP_TYPE
from tests.ingest.conftest import night

pytestmark = pytest.mark.django_db

SLEEP = METRIC_MODELS["sleep"]
AS_IT_WAS = SLEEP_TYPE.map
FIRST = date(2026, 3, 1)
READ = datetime(2026, 4, 1, 6, tzinfo=UTC)


def summary(day, **values):
    return {"id": f"s-{values.pop('of', '')}{day}", "day": day, "score": 80, **values}


def period(day, **values):
    asleep = {"total_sleep_duration": 25_000, "time_in_bed": 27_000, "latency": 300}
    told = {"sleep_algorithm_version": "v2", "ring_id": "r"}
    return {"id": f"p-{day}", "day": day, "type": "long_sleep", **asleep, **told, **values}


def collected(user, *days, mapped=AS_IT_WAS, read=READ, **values):
    """Nights as the collector sends them."""
    documents = [
        mapped(
            day.isoformat(),
            {
                "daily_sleep": [summary(day.isoformat(), of=user.username)],
                "sleep": [period(day.isoformat(), **values)],
            },
        )
        for day in days
    ]
    store(SLEEP, user.pk, [orjson.dumps(each) for each in documents], fetched_at=read, now=read)


def days(number):
    return [FIRST + timedelta(days=n) for n in range(number)]


def doubled(day, documents):
    row = AS_IT_WAS(day, documents)
    return {**row, "latency": row["latency"] * 2}


def mend(monkeypatch, function, name="sleep"):
    monkeypatch.setattr(TYPES[name], "map", function)


def run(capsys, *options, output="json"):
    """What the command says; a refusal is an error beside it."""
    try:
        call_command("rederive", "--output", output, *options)
    except CommandError as error:
        return error, capsys.readouterr().out
    said = capsys.readouterr().out
    return orjson.loads(said) if output == "json" else said


def latencies(user):
    return list(SleepMetric.objects.of(user.pk).order_by("day").values_list("latency", flat=True))


def everything():
    """All that a run may write."""
    models = (SleepMetric, MetricSource, Revision, Stream, Rederivation)
    return [list(model.objects.order_by("pk").values()) for model in models]


class Counting:
    """A mapping that remembers its days, and may be made to fail at one of them."""

    def __init__(self, fails_at=None):
        self.days = []
        self.fails_at = fails_at

    def __call__(self, day, documents):
        if day == str(self.fails_at):
            raise InterruptedError("cut off")
        self.days.append(day)
        return doubled(day, documents)


def cut_off(monkeypatch, at):
    """A run of small batches that ends at a day; the mapping goes on as if nothing had been."""
    mend(monkeypatch, counting := Counting(fails_at=at))
    monkeypatch.setattr(rederive, "BATCH_DAYS", 2)
    with pytest.raises(InterruptedError):
        call_command("rederive", "--type", "sleep")
    counting.fails_at = None
    counting.days.clear()
    return counting


def test_rows_become_what_the_mended_mapping_makes(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    mend(monkeypatch, doubled)
    run(capsys)
    assert latencies(ana) == [600, 600, 600]


def test_the_content_hash_is_that_of_the_same_documents_sent_anew(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    mend(monkeypatch, doubled)
    run(capsys)
    document = orjson.dumps(
        doubled(
            str(FIRST),
            {"daily_sleep": [summary(str(FIRST), of="ana")], "sleep": [period(str(FIRST))]},
        )
    )
    assert store(SLEEP, ana.pk, [document], fetched_at=READ, now=READ).unchanged == 1


def test_an_outdated_content_hash_is_mended_without_a_revision(ana, capsys):
    collected(ana, FIRST)
    before = everything()
    SleepMetric.objects.update(content_hash=b"of another time.")
    run(capsys)
    assert everything()[:3] == before[:3]


def test_what_a_day_was_is_kept_as_remapped_with_the_columns_that_changed(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    mend(monkeypatch, doubled)
    run(capsys)
    revision = Revision.objects.get()
    assert (revision.kind, revision.changes, revision.notes) == (
        "remapped",
        {"latency": [300, 600]},
        [],
    )


def test_the_readers_version_is_raised_once_a_batch(ana, monkeypatch, capsys):
    collected(ana, *days(4))
    before = Stream.objects.get(type="sleep").version
    Stream.objects.update(version=(ahead := before + 10**12))
    monkeypatch.setattr(rederive, "BATCH_DAYS", 2)
    mend(monkeypatch, doubled)
    run(capsys)
    assert Stream.objects.get(type="sleep").version == ahead + 2


def test_the_readers_version_stays_where_nothing_changed(ana, capsys):
    collected(ana, FIRST)
    before = Stream.objects.get(type="sleep").version
    run(capsys)
    assert Stream.objects.get(type="sleep").version == before


def test_when_a_day_was_read_and_made_stays(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    before = SleepMetric.objects.get()
    mend(monkeypatch, doubled)
    run(capsys)
    after = SleepMetric.objects.get()
    assert (after.pk, after.fetched_at, after.created_at) == (
        before.pk,
        before.fetched_at,
        before.created_at,
    )


def test_only_days_that_changed_are_updated_now(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    collected(ana, FIRST + timedelta(days=1), latency=0)
    mend(monkeypatch, doubled)
    run(capsys)
    changed, same = SleepMetric.objects.order_by("day")
    assert same.updated_at == READ < changed.updated_at


def test_the_kept_documents_stay_even_if_a_mapping_keeps_less(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    before = MetricSource.objects.get().documents
    mend(monkeypatch, lambda *day: {**doubled(*day), "source": {"daily_sleep": None}})
    run(capsys)
    assert MetricSource.objects.get().documents == before


def test_a_revision_keeps_no_second_copy_of_documents_that_stayed(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    mend(monkeypatch, doubled)
    run(capsys)
    assert Revision.objects.get().documents is None


def test_documents_that_change_at_oura_later_are_kept_then(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    before = MetricSource.objects.get().documents
    mend(monkeypatch, doubled)
    run(capsys)
    mend(monkeypatch, AS_IT_WAS)
    run(capsys)
    collected(ana, FIRST, read=READ + timedelta(days=1), latency=7)
    assert Revision.objects.get(changes__latency=[300, 7]).documents == before


def test_a_day_that_was_not_over_when_it_was_read_leaves_no_revision(ana, monkeypatch, capsys):
    collected(ana, FIRST, read=datetime(2026, 3, 1, 9, tzinfo=UTC))
    mend(monkeypatch, doubled)
    run(capsys)
    assert (latencies(ana), Revision.objects.count()) == ([600], 0)


def test_two_people_are_each_derived_from_their_own_documents(ana, ben, monkeypatch, capsys):
    collected(ana, *days(2))
    collected(ben, *days(3), latency=50)
    mend(monkeypatch, doubled)
    run(capsys)
    assert (latencies(ana), latencies(ben)) == ([600, 600], [100, 100, 100])


def test_one_person_alone_can_be_derived_anew(ana, ben, monkeypatch, capsys):
    collected(ana, FIRST)
    collected(ben, FIRST)
    mend(monkeypatch, doubled)
    run(capsys, "--user", "BEN")
    assert (latencies(ana), latencies(ben)) == ([300], [600])


def test_an_unknown_person_is_named_with_code_2(ana, capsys):
    with pytest.raises(CommandError, match="no account of this name") as raised:
        call_command("rederive", "--user", "nobody")
    assert raised.value.returncode == 2


def test_only_the_types_asked_for_are_derived(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    mend(monkeypatch, doubled)
    said = run(capsys, "--type", "activity", "readiness")
    assert (list(said["types"]), latencies(ana)) == (["activity", "readiness"], [300])


def test_another_type_is_derived_by_its_own_mapping(ana, monkeypatch, capsys):
    document = {"id": "r", "day": str(FIRST), "score": 70, "temperature_deviation": 0.25}
    sent = orjson.dumps(READINESS.map(str(FIRST), {"daily_readiness": [document]}))
    store(METRIC_MODELS["readiness"], ana.pk, [sent], fetched_at=READ, now=READ)
    was = READINESS.map
    mend(monkeypatch, lambda *day: {**was(*day), "score": 71}, "readiness")
    run(capsys)
    row = ReadinessMetric.objects.get()
    assert (row.score, row.temperature_deviation) == (71, 0.25)


def test_a_second_run_changes_nothing(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    mend(monkeypatch, doubled)
    run(capsys)
    before = everything()
    assert run(capsys)["types"]["sleep"]["changed"] == 0
    assert everything() == before


def test_a_mapping_mended_back_makes_the_rows_what_they_were(ana, monkeypatch, capsys):
    collected(ana, *days(2))
    mend(monkeypatch, doubled)
    run(capsys)
    mend(monkeypatch, AS_IT_WAS)
    run(capsys)
    assert latencies(ana) == [300, 300]


def test_contributors_that_only_lose_a_null_are_written(ana, monkeypatch, capsys):
    def with_contributors(contributors):
        return lambda *day: {**AS_IT_WAS(*day), "contributors": contributors}

    collected(ana, FIRST, mapped=with_contributors({"timing": None, "latency": 90}))
    mend(monkeypatch, with_contributors({"latency": 90}))
    run(capsys)
    assert SleepMetric.objects.get().contributors == {"latency": 90}


def test_a_dry_run_writes_nothing_at_all(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    SleepMetric.objects.filter(day=FIRST).update(missing_collection="sleep")
    before = everything()
    mend(monkeypatch, doubled)
    run(capsys, "--dry-run")
    assert everything() == before


def test_a_dry_run_says_what_would_change(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    mend(monkeypatch, doubled)
    said = run(capsys, "--dry-run")
    assert said["dry_run"] is True
    assert said["types"]["sleep"]["columns"] == {"latency": 3}


def test_a_run_that_was_cut_off_goes_on_without_repeating_its_work(ana, monkeypatch, capsys):
    collected(ana, *days(5))
    counting = cut_off(monkeypatch, at=days(5)[3])
    run(capsys)
    # The batch of the third and fourth day was not committed.
    assert counting.days == [str(day) for day in days(5)[2:]]


def test_a_run_that_was_cut_off_ends_as_if_always_mapped_so(ana, ben, monkeypatch, capsys):
    collected(ana, *days(5))
    collected(ben, *days(3))
    cut_off(monkeypatch, at=days(5)[3])
    run(capsys)
    assert (latencies(ana), latencies(ben)) == ([600] * 5, [600] * 3)


def test_a_run_that_was_cut_off_at_another_person_goes_on_with_them(ana, ben, monkeypatch, capsys):
    collected(ana, *days(1))
    collected(ben, *days(3))
    counting = cut_off(monkeypatch, at=days(3)[2])
    run(capsys)
    assert counting.days == [str(days(3)[2])]


def test_a_finished_run_leaves_no_position(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    cut_off(monkeypatch, at=days(3)[2])
    assert Rederivation.objects.get().day == days(3)[1]
    run(capsys)
    assert not Rederivation.objects.exists()


def test_another_mapping_begins_anew(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    counting = cut_off(monkeypatch, at=days(3)[2])
    Rederivation.objects.update(mapping="another")
    run(capsys)
    assert len(counting.days) == 3


def test_restart_begins_anew(ana, monkeypatch, capsys):
    collected(ana, *days(3))
    counting = cut_off(monkeypatch, at=days(3)[2])
    run(capsys, "--restart")
    assert len(counting.days) == 3


def test_a_restarted_run_that_is_cut_off_at_once_forgets_the_older_position(ana, monkeypatch):
    collected(ana, *days(3))
    counting = cut_off(monkeypatch, at=days(3)[2])
    counting.fails_at = FIRST
    with pytest.raises(InterruptedError):
        call_command("rederive", "--type", "sleep", "--restart")
    assert not Rederivation.objects.exists()


@pytest.mark.parametrize("option", [["--dry-run"], ["--user", "ana"]])
def test_a_run_of_one_person_or_without_writing_uses_no_position(ana, monkeypatch, capsys, option):
    collected(ana, *days(3))
    counting = cut_off(monkeypatch, at=days(3)[2])
    before = list(Rederivation.objects.values())
    run(capsys, *option, "--restart")
    assert (len(counting.days), list(Rederivation.objects.values())) == (3, before)


@pytest.mark.parametrize("changed", [metrics.sleep, metrics.base])
def test_fingerprint_changes_with_the_code_of_a_type(monkeypatch, tmp_path, changed):
    sleep, readiness = (rederive.mapping_fingerprint(each) for each in (SLEEP_TYPE, READINESS))
    (tmp_path / "changed.py").write_text("another mapping")
    monkeypatch.setattr(changed, "__file__", str(tmp_path / "changed.py"))
    assert rederive.mapping_fingerprint(SLEEP_TYPE) != sleep
    assert (rederive.mapping_fingerprint(READINESS) != readiness) == (changed is metrics.base)


def test_what_a_mapping_raises_says_at_which_day(ana, monkeypatch):
    collected(ana, FIRST)
    mend(monkeypatch, Counting(fails_at=FIRST))
    with pytest.raises(InterruptedError) as raised:
        call_command("rederive")
    assert raised.value.__notes__ == ["while deriving sleep of 2026-03-01"]


def older_row(user, **values):
    """A row of a version that kept neither missing collection nor provenance."""
    collected(user, FIRST, **values)
    SleepMetric.objects.update(missing_collection="")
    MetricSource.objects.update(provenance={})


def test_a_row_from_before_gets_its_provenance(ana, capsys):
    older_row(ana)
    run(capsys)
    assert MetricSource.objects.get().provenance == {"sleep_algorithm": "v2", "ring": "r"}


def test_a_row_from_before_gets_its_missing_collection(ana, capsys):
    older_row(ana, type="rest")
    run(capsys)
    assert SleepMetric.objects.get().missing_collection == "sleep"


def marks():
    """Each row's missing collection, and each night's ring."""
    missing = SleepMetric.objects.order_by("day").values_list("missing_collection", flat=True)
    rings = MetricSource.objects.order_by("day").values_list("provenance__ring", flat=True)
    return list(zip(missing, rings, strict=True))


def test_each_of_several_rows_from_before_gets_its_own(ana, capsys):
    first, second, third = days(3)
    collected(ana, first)
    collected(ana, second, type="rest")
    collected(ana, third, ring_id="another")
    SleepMetric.objects.update(missing_collection="")
    MetricSource.objects.update(provenance={})
    run(capsys)
    assert marks() == [("", "r"), ("sleep", None), ("", "another")]


def test_a_row_from_before_is_brought_up_to_date_without_a_revision(ana, capsys):
    older_row(ana, type="rest")
    said = run(capsys)["types"]["sleep"]
    assert (said["marked"], said["changed"], Revision.objects.count()) == (1, 0, 0)
    assert SleepMetric.objects.get().updated_at == READ


def test_a_row_from_before_raises_the_readers_version(ana, capsys):
    older_row(ana)
    before = Stream.objects.get(type="sleep").version
    run(capsys)
    assert Stream.objects.get(type="sleep").version > before


def test_a_changed_row_gets_its_provenance_too(ana, monkeypatch, capsys):
    older_row(ana)
    mend(monkeypatch, doubled)
    run(capsys)
    assert MetricSource.objects.get().provenance == {"sleep_algorithm": "v2", "ring": "r"}


def test_a_day_whose_documents_count_no_more_goes_as_a_revision(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    mend(monkeypatch, lambda day, documents: None)
    said = run(capsys)["types"]["sleep"]
    assert (said["removed"], SleepMetric.objects.count()) == (1, 0)
    assert Revision.objects.get().kind == "remapped"


def test_the_documents_of_a_day_that_goes_are_in_its_revision(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    kept = MetricSource.objects.get().documents
    mend(monkeypatch, lambda day, documents: None)
    run(capsys)
    assert (Revision.objects.get().documents, MetricSource.objects.count()) == (kept, 0)


def impossible(day, documents):
    row = doubled(day, documents)
    return {**row, "efficiency": "unspeakable"} if day == str(FIRST) else row


def test_a_refused_day_stays_and_the_others_change(ana, monkeypatch, capsys):
    collected(ana, *days(2))
    mend(monkeypatch, impossible)
    run(capsys)
    assert latencies(ana) == [300, 600]


def test_a_refused_day_ends_in_code_1_with_its_reason(ana, monkeypatch, capsys):
    collected(ana, *days(2))
    mend(monkeypatch, impossible)
    error, said = run(capsys)
    assert error.returncode == 1
    assert str(error) == (
        f"sleep 2026-03-01, person {ana.pk}: "
        "efficiency: expected a whole number from 0 to 100 or null."
    )
    assert orjson.loads(said)["types"]["sleep"]["refused"] == 1


def test_no_value_of_a_refused_day_is_told(ana, monkeypatch, capsys, caplog):
    collected(ana, *days(2))
    mend(monkeypatch, impossible)
    error, said = run(capsys)
    assert "day refused" in caplog.text
    assert "unspeakable" not in f"{error} {said} {caplog.text}"


def test_of_very_many_refused_days_the_first_are_told_and_the_others_counted(
    ana, monkeypatch, capsys
):
    collected(ana, *days(25))
    mend(monkeypatch, lambda *day: {**AS_IT_WAS(*day), "efficiency": 987})
    error, _ = run(capsys)
    assert str(error).splitlines()[-1] == "and 5 more, all of them in the log"


def test_an_id_that_another_account_has_is_refused(ana, ben, monkeypatch, capsys):
    collected(ana, FIRST)
    collected(ben, FIRST)
    mend(monkeypatch, lambda *day: {**doubled(*day), "id": f"s-ben{FIRST}"})
    run(capsys)
    assert (latencies(ana), latencies(ben)) == ([300], [600])


def test_an_id_for_two_days_is_refused_for_both(ana, monkeypatch, capsys):
    collected(ana, *days(2))
    mend(monkeypatch, lambda *day: {**doubled(*day), "id": "one"})
    error, _ = run(capsys)
    assert len(str(error).splitlines()) == 2


def test_an_id_of_a_day_that_goes_can_be_another_days(ana, monkeypatch, capsys):
    first, second = days(2)
    collected(ana, first, second)

    def merged(day, documents):
        return None if day == str(first) else {**doubled(day, documents), "id": f"s-ana{first}"}

    mend(monkeypatch, merged)
    run(capsys)
    assert [(row.day, row.oura_id) for row in SleepMetric.objects.all()] == [
        (second, f"s-ana{first}")
    ]


@pytest.mark.parametrize(
    "source", [None, {"a": 1}, {"sleep": []}, {"daily_sleep": "x"}, {"daily_sleep": [1]}]
)
def test_rows_without_documents_of_ouras_are_left_alone(ana, monkeypatch, capsys, source):
    sent = orjson.dumps(night(score=81, latency=5, source=source))
    store(SLEEP, ana.pk, [sent], fetched_at=READ, now=READ)
    before = everything()
    mend(monkeypatch, doubled)
    said = run(capsys)["types"]["sleep"]
    assert (said["days"], said["without_source"], everything()) == (1, 1, before)


def test_the_text_tells_how_often_each_column_changed(ana, monkeypatch, capsys):
    collected(ana, *days(2))
    collected(ana, FIRST + timedelta(days=5), latency=0)

    def also_efficiency(day, documents):
        return {**doubled(day, documents), "efficiency": 90 if day == str(FIRST) else None}

    mend(monkeypatch, also_efficiency)
    said = run(capsys, "--type", "sleep", output="text")
    assert said == (
        "sleep: 3 days, 2 changed (latency 2, efficiency 1), 0 removed, 0 metadata only, "
        "0 refused, 0 without source\n"
    )


@pytest.mark.django_db(transaction=True)
def test_ingest_waits_for_a_batch(ana, monkeypatch, capsys):
    collected(ana, FIRST)
    free = []

    def ask():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtext('ingest:sleep'), %s)", [ana.pk]
            )
            free.append(cursor.fetchone()[0])
        connection.close()

    def mapped(day, documents):
        other = threading.Thread(target=ask)
        other.start()
        other.join()
        return doubled(day, documents)

    mend(monkeypatch, mapped)
    run(capsys)
    assert free == [False]


def test_a_batch_of_many_days_takes_as_many_statements_as_one_of_few(
    ana, ben, monkeypatch, capsys, django_assert_max_num_queries
):
    collected(ana, *days(60))
    SleepMetric.objects.filter(day__gt=days(30)[-1]).update(missing_collection="sleep")
    mend(monkeypatch, lambda *day: doubled(*day) if day[0] < str(days(20)[-1]) else AS_IT_WAS(*day))
    # Whom: 2; position: find, save (2), drop; two batches of one person with a savepoint each: the
    # lock, rows, sources, three reads of what was and one write, the row, the marks, the version.
    with django_assert_max_num_queries(25):
        rederive.rederive(SLEEP, on_refused=lambda day: None)
    assert Revision.objects.count() == 19
